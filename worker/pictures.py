"""The pictures of jobs. Jobs that come to the same file together share its download and its decoding.

A file is shared only if Storage, asked by the second job, would still send the version that the first has
fetched; and its key begins with its user's id. Pixels live while those look at them who asked in time: the
memory of a picture is free when the work ends that decoded it, and nobody keeps it for later.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import IO, Any, Final, TypeVar
from uuid import UUID

from models.pictures.demand import Demand, Header, read_header
from worker.decoding import Decode, Need
from worker.files.sources import StoredObject
from worker.files.storage import Files
from worker.files.views import view
from worker.pixels import PixelThreads

T = TypeVar("T")
MOMENT_SECONDS: Final = 1.0
"""How long a file that one lane is done with is kept for a job of another."""
KEPT_BYTES: Final = 64 * 1024 * 1024
"""Of all files that are kept so; only those that are in memory as they came, not decoded."""


@dataclass(eq=False, slots=True, kw_only=True)
class _Upload:
    """A file that jobs share; `needs` has an entry for each of them."""

    stored: StoredObject | None
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    file: IO[bytes] | None = None
    version: str | None = None
    header: Header | None = None
    needs: list[Need] = field(default_factory=list)
    lanes: set[str] = field(default_factory=set)
    decodes: dict[int | None, Decode] = field(default_factory=dict)
    """Under way, or ended, by the orientation asked for."""


class Pictures:
    """The files that jobs look at just now."""

    def __init__(self, files: Files, threads: PixelThreads, *, max_pixels: int) -> None:
        self._files = files
        self._threads = threads
        self._max_pixels = max_pixels
        self._uploads: dict[StoredObject, _Upload] = {}
        self._kept: dict[_Upload, asyncio.TimerHandle] = {}
        """Used by nobody, the oldest first."""

    @asynccontextmanager
    async def open(
        self, source: str, user_id: UUID, need: Need, *, lane: str = "", urgent: bool = False
    ) -> AsyncIterator[Original]:
        """The picture that `source` names, on its way to be seen as `need` says.

        Raises:
            As `Files.fetch`.
        """
        stored = self._files.stored_object(source, user_id)
        upload = await self._join(stored, need) if stored else None
        if upload is None:
            upload = await self._fetch(source, user_id, stored, need)
        upload.lanes.add(lane)
        try:
            yield Original(upload, self._threads, need, self._max_pixels, lane=lane, urgent=urgent)
        finally:
            self._leave(upload, need)

    async def _join(self, stored: StoredObject, need: Need) -> _Upload | None:
        """The upload that is under way or kept, if it is what Storage would send now."""
        upload = self._uploads.get(stored)
        if upload is None:
            return None
        if timer := self._kept.pop(upload, None):
            timer.cancel()
        upload.needs.append(need)  # at once, so that a picture that is decoded meanwhile serves this, too
        same = False
        try:
            version = await self._files.version(stored)
            await upload.arrived.wait()  # for as long as the other's fetch may take
            same = upload.file is not None and version is not None and version == upload.version
        finally:
            if not same:
                self._leave(upload, need, keep=False)
        return upload if same else None

    async def _fetch(self, source: str, user_id: UUID, stored: StoredObject | None, need: Need) -> _Upload:
        upload = _Upload(stored=stored, needs=[need])
        if stored is not None:
            self._uploads[stored] = upload
        try:
            upload.file, upload.version = await self._files.fetch_version(source, user_id)
            upload.header = await self._header(upload.file)
        except BaseException:
            upload.version = None
            self._leave(upload, need, keep=False)
            raise
        finally:
            upload.arrived.set()
        return upload

    async def _header(self, file: IO[bytes]) -> Header | None:
        reader = view(file)  # here, because a job that is cancelled closes the file
        if isinstance(file, io.BytesIO):
            return await asyncio.to_thread(_read_header, reader)
        # Some formats are read into memory for it, so that only so many large files may be at a time.
        return await self._threads.run(_read_header, reader)

    def _leave(self, upload: _Upload, need: Need, *, keep: bool = True) -> None:
        upload.needs.remove(need)
        if upload.needs:
            return
        upload.decodes.clear()
        is_current = upload.stored is not None and self._uploads.get(upload.stored) is upload
        if not (keep and is_current and upload.version and len(upload.lanes) == 1 and _size(upload)):
            self._drop(upload)
            return
        self._kept[upload] = asyncio.get_running_loop().call_later(MOMENT_SECONDS, self._drop, upload)
        while sum(map(_size, self._kept)) > KEPT_BYTES:
            self._drop(next(iter(self._kept)))

    def _drop(self, upload: _Upload) -> None:
        if timer := self._kept.pop(upload, None):
            timer.cancel()
        if upload.stored is not None and self._uploads.get(upload.stored) is upload:
            del self._uploads[upload.stored]
        if upload.file is not None:
            upload.file.close()


class Original:
    """The file of a job's picture, here and not decoded."""

    def __init__(
        self,
        upload: _Upload,
        threads: PixelThreads,
        need: Need,
        max_pixels: int,
        *,
        lane: str,
        urgent: bool,
    ) -> None:
        self._upload = upload
        self._threads = threads
        self._need = need
        self._max_pixels = max_pixels
        self._lane = lane
        self._urgent = urgent

    @property
    def version(self) -> str | None:
        """What the server called the file that it sent; None if it did not say."""
        return self._upload.version

    async def see(self, look: Callable[[Any, IO[bytes]], T]) -> T:
        """What `look` makes of the decoded picture and of its file, in a thread for pixels.

        Neither may be kept. Cancelled, it does not wait for what has begun.

        Raises:
            NotAnImage, TooLarge, Unreadable, UnsupportedFormat: no picture comes out of these bytes.
            MemoryShort: there is not the memory for it just now.
        """
        orientation = self._need.orientation
        decode = self._upload.decodes.get(orientation)
        seen = decode.join(self._need, look) if decode else None
        if decode is None or seen is None:
            decode = self._begin()
            seen = decode.join(self._need, look)
            assert seen is not None
            decode.start(self._threads, lane=self._lane, urgent=self._urgent)
            self._upload.decodes[orientation] = decode
        try:
            result: T = await asyncio.wrap_future(seen)
        except asyncio.CancelledError:
            decode.forgo()
            raise
        return result

    def _begin(self) -> Decode:
        upload = self._upload
        assert upload.file is not None
        need = Need.for_all(need for need in upload.needs if need.orientation == self._need.orientation)
        header = upload.header
        demand = Demand()
        if header is not None and header.width * header.height <= self._max_pixels:  # else it is refused
            demand = header.demand(
                short_side=need.short_side, long_side=need.long_side, strip_side=need.strip_side
            )
        return Decode(
            view(upload.file),
            need,
            demand,
            max_pixels=self._max_pixels,
            is_whole=header is not None and not header.may_be_scaled,
        )


def _read_header(reader: IO[bytes]) -> Header | None:
    with reader:
        return read_header(reader)


def _size(upload: _Upload) -> int:
    """The bytes that the file takes in memory; 0 if it is on disk."""
    return upload.file.getbuffer().nbytes if isinstance(upload.file, io.BytesIO) else 0
