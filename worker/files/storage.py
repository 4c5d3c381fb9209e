"""The files of jobs: fetched within limits from where a job may point, stored under lasting paths."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO
from uuid import UUID

import httpx
import structlog

from worker.core.errors import (
    BadParams,
    ForbiddenUrl,
    SourceRefused,
    StorageTimedOut,
    StorageUnavailable,
    TimedOut,
    TooLarge,
)
from worker.files.guard import Resolver, resolve_by_system
from worker.files.objects import StoredObjects
from worker.files.outside import OutsideHosts
from worker.files.sources import ExternalFile, InlineFile, Source, StoredObject, normal_hosts, read_source
from worker.files.spool import Folder, Spool
from worker.project.connection import Connection

log = structlog.get_logger(__name__)

MAX_REDIRECTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file that is in Storage now, as `derived_assets` describes it."""

    bucket: str
    key: str
    bytes: int
    mime_type: str
    sha256: str
    """Lower-case hexadecimal."""


class Files:
    """Fetches and stores the files of jobs, for the user that each call names.

    `fetch_timeout` is in seconds and covers everything a fetch or an upload does. `resolve` and `transport`
    are seams for tests: how names become addresses, and how hosts other than the project's are reached.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        max_bytes: int,
        fetch_timeout: float,
        allowed_hosts: Collection[str] = (),
        resolve: Resolver = resolve_by_system,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._objects = StoredObjects(connection)
        self._own_urls = (connection.url, connection.public_url)
        self._max_bytes = max_bytes
        self._fetch_timeout = fetch_timeout
        self._allowed_hosts = normal_hosts(allowed_hosts)
        self._outside = OutsideHosts(resolve=resolve, transport=transport)

    async def __aenter__(self) -> Files:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._outside.aclose()

    async def fetch(self, source: str, user_id: UUID) -> IO[bytes]:
        """The bytes `source` names (a storage key, URL or data URL), at position 0; the caller closes it.

        Raises:
            ForbiddenUrl: `source`, or a redirect on the way, points where this user's jobs must not.
            NotFound: nothing is there.
            TooLarge: more than `max_bytes`.
            TimedOut: not complete within `fetch_timeout`.
            StorageUnavailable: the server failed or could not be reached; may heal.
            BadParams: a data URL that is not base64.
        """
        return (await self.fetch_version(source, user_id))[0]

    async def fetch_version(self, source: str, user_id: UUID) -> tuple[IO[bytes], str | None]:
        """Like `fetch`, and what the server calls this version of the file, if it says."""
        spool = Spool(self._max_bytes)
        return await self._fetch(source, user_id, spool), spool.version

    def stored_object(self, source: str, user_id: UUID) -> StoredObject | None:
        """The user's object in Storage that `source` names; None if it is elsewhere, or forbidden."""
        try:
            asked = self._read(source, user_id)
        except ForbiddenUrl:
            return None
        return asked if isinstance(asked, StoredObject) else None

    async def version(self, stored: StoredObject) -> str | None:
        """What Storage would call the file that it would send now; None if it does not say."""
        return await self._objects.version(stored)

    @asynccontextmanager
    async def fetch_to_path(
        self, source: str, user_id: UUID, *, max_bytes: int | None = None
    ) -> AsyncIterator[Path]:
        """Like `fetch`, as a named file on disk for a program that opens and seeks one, such as ffmpeg.

        The file is gone when the context ends, however it ends. `max_bytes` is for this file instead of the
        worker's limit.
        """
        folder = Folder()
        try:
            path = folder.path / "file"
            (await self._fetch(source, user_id, Spool(max_bytes or self._max_bytes, path=path))).close()
            yield path
        finally:
            try:
                await asyncio.to_thread(folder.remove)  # gigabytes take a while
            except asyncio.CancelledError:
                folder.remove()  # the thread may not have begun, and will not once the loop ends
                raise

    async def _fetch(self, source: str, user_id: UUID, spool: Spool) -> IO[bytes]:
        asked = self._read(source, user_id)
        try:
            async with asyncio.timeout(self._fetch_timeout):
                await self._fill(spool, asked, user_id)
                return await spool.take()
        except TimeoutError:
            late = StorageTimedOut if isinstance(asked, StoredObject) else TimedOut
            raise late(f"The file did not arrive within {self._fetch_timeout:g} s") from None
        finally:
            spool.close()

    async def upload(self, bucket: str, key: str, data: bytes, content_type: str) -> StoredFile:
        """Store `data` in one request; again under the same key replaces it, so this may be repeated.

        Raises:
            TooLarge: the bucket does not take that many bytes.
            StorageUnavailable: refused, or no answer after a few tries.
            TimedOut: all of it took longer than `fetch_timeout`.
        """
        digest = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
        try:
            async with asyncio.timeout(self._fetch_timeout):
                await self._objects.upload(bucket, key, data, content_type)
        except TimeoutError:
            raise StorageTimedOut(f"The file was not stored within {self._fetch_timeout:g} s") from None
        return StoredFile(bucket=bucket, key=key, bytes=len(data), mime_type=content_type, sha256=digest)

    async def remove(self, bucket: str, keys: Sequence[str]) -> None:
        """Delete `keys` as far as possible; a failure is logged and left to the sweep of orphans."""
        try:
            await self.delete(bucket, keys)
        except (StorageUnavailable, TooLarge) as error:
            log.warning("file removal failed", bucket=bucket, count=len(keys), reason=str(error))

    async def delete(self, bucket: str, keys: Sequence[str]) -> int:
        """Delete what is there of `keys` and is the caller's to delete; answers how many that were.

        Raises:
            StorageUnavailable: refused, or no answer; some may be gone.
        """
        return await self._objects.delete(bucket, keys)

    async def answers(self) -> bool:
        """Whether Storage itself answers just now."""
        return await self._objects.answers()

    async def host_answers(self, host: str) -> bool:
        """Whether somebody takes a connection on an outside host, given as `name:port`."""
        name, _, port = host.rpartition(":")
        return await self._outside.answers(name, int(port))

    def _read(self, text: str, user_id: UUID) -> Source:
        return read_source(text, user_id=user_id, own_urls=self._own_urls, allowed_hosts=self._allowed_hosts)

    async def _fill(self, spool: Spool, source: Source, user_id: UUID) -> None:
        for _ in range(MAX_REDIRECTS + 1):
            match source:
                case StoredObject():
                    return await self._objects.download(source, spool)
                case InlineFile():
                    return await _decode(source, spool)
                case ExternalFile():
                    redirect = await self._outside.get(source, spool)
                    if redirect is None:
                        return None
                    source = self._read(redirect, user_id)
                    if isinstance(source, InlineFile):
                        raise ForbiddenUrl("The server redirects to a data URL")
        raise SourceRefused(f"The server redirects more than {MAX_REDIRECTS} times")


async def _decode(source: InlineFile, spool: Spool) -> None:
    spool.check(len(source.base64) // 4 * 3 - 2)
    try:
        data = await asyncio.to_thread(base64.b64decode, source.base64, validate=True)
    except (binascii.Error, ValueError):
        raise BadParams("The data URL is not valid base64") from None
    await spool.write(data)
