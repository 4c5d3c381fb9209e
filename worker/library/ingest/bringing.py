"""From a folder to the library: upload each file once, make its asset row and its parts', ask for its jobs.

Everything is named after the content (SHA-256), so doing it again, or going on after an interruption, repeats
nothing that has been done. Files are independent: what cannot come in is named, the rest goes on.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

import httpx

from worker.core.errors import (
    DatabaseUnavailable,
    JobError,
    StartupError,
    StorageUnavailable,
    TooManyJobs,
)
from worker.files.sources import ASSETS_BUCKET
from worker.files.storage import Files
from worker.library.ingest.finding import Found, Unused, find
from worker.library.ingest.looking import Left, Look
from worker.library.ingest.report import Report
from worker.library.ingest.uploading import Original, Uploads, describe
from worker.project.connection import Connection
from worker.project.tables import Row

LONGEST_NAME: Final = 500
"""Characters of a file's name that its row keeps."""
LONGEST_FOLDER: Final = 1000
"""Characters of a folder that a row keeps; a longer one would be another folder if it were cut."""
PAGE: Final = 100
"""Photos that are found, looked up, stored and asked for at a time, as many as `enqueue` takes."""


@dataclass(slots=True, kw_only=True)
class _Photo:
    """A photo of the page at hand, named after its content."""

    found: Found
    original: Original
    parts: dict[str, tuple[str, Original]] = field(default_factory=dict)
    """Kind and file, by digest."""
    stored: list[str] = field(default_factory=list)
    """Keys of those files that were not in Storage before."""


_LATER: Final = Left(path=Path(), code=StorageUnavailable.code, reason="Storage was given up before its turn")


async def ingest(
    connection: Connection,
    files: Files,
    paths: Sequence[Path],
    *,
    most_bytes: int,
    on_progress: Callable[[str, int], None],
    report: Report | None = None,
) -> Report:
    """Bring what is below `paths` into the signed-in user's library, each file for itself.

    Files of more than `most_bytes` bytes are left out, as no worker takes them. `on_progress(what, amount)`
    is called as things happen, with the names that the report counts. Where nobody answers, it is `stopped`.

    Raises:
        StartupError: not signed in as a user, or the project refuses us.
    """
    report = report or Report()
    try:
        await _Ingest(connection, files, most_bytes=most_bytes, report=report, on_progress=on_progress).run(
            paths
        )
    except (DatabaseUnavailable, StorageUnavailable) as error:
        report.stopped = error
    return report


class _Ingest:
    """One user's import."""

    def __init__(
        self,
        connection: Connection,
        files: Files,
        *,
        most_bytes: int,
        report: Report,
        on_progress: Callable[[str, int], None],
    ) -> None:
        user_id = connection.caller.user_id
        if user_id is None:
            raise StartupError(
                "only a user has a library: set KIZU_EMAIL and KIZU_PASSWORD (the demo's: .kizu/demo.json)"
            )
        self._user_id: UUID = user_id
        self._connection = connection
        self._files = files
        self._uploads = Uploads(files)
        self._most_bytes = most_bytes
        self._report = report
        self._on_progress = on_progress
        self._may_ask = True

    async def run(self, paths: Sequence[Path]) -> None:
        everything = find(paths)
        while page := await asyncio.to_thread(_take, everything):
            photos = []
            for found in page:
                if isinstance(found, Unused):
                    self._report.leave(found.left, always=found.is_named)
                else:
                    self._count("found", int(not found.photo.again))
                    photos.append(found)
            if photos:
                await self._bring(photos)

    async def _bring(self, page: Sequence[Found]) -> None:
        photos = await self._describe(page)
        known = await self._known(photos)
        photos, outage = await self._store(photos, known)
        if photos:
            await self._add(photos)
        if outage is not None:
            raise outage

    async def _store_again(self, photos: Sequence[_Photo], missing: Container[str]) -> None:
        """Store files that went while rows were made that name them, as of a photo deleted meanwhile."""
        for photo in photos:
            for original in (photo.original, *(file for _, file in photo.parts.values())):
                if original.sha256 in missing:
                    left = await self._uploads.upload(original, follow=photo.found.is_named)
                    if left is not None:
                        self._fail(left, is_photo=False)

    def _count(self, what: str, amount: int = 1) -> None:
        if amount:
            self._report.counts[what] += amount
            self._on_progress(what, amount)

    def _fail(self, left: Left, *, is_photo: bool) -> None:
        self._report.leave(left)
        self._count("failed", int(is_photo))

    # Named after their content

    async def _describe(self, page: Sequence[Found]) -> list[_Photo]:
        """The photos of a page, each once; one whose picture cannot be read is left out with its parts."""

        def name(file: Look, found: Found) -> Original | Left:
            return describe(file, self._user_id, most=self._most_bytes, follow=found.is_named)

        files = {id(file): (file, found) for found in page for file in found.files}
        named = await asyncio.gather(*(asyncio.to_thread(name, *one) for one in files.values()))
        described = dict(zip(files, named, strict=True))
        photos: dict[str, _Photo] = {}
        for found in page:
            self._put(found, described, photos)
        return list({id(photo): photo for photo in photos.values()}.values())

    def _put(self, found: Found, described: dict[int, Original | Left], photos: dict[str, _Photo]) -> None:
        """Add a photo to its page's, by the digests of its files: the same bytes are the same photo."""
        main = described[id(found.photo.main)]
        if isinstance(main, Left):
            if not found.photo.again:
                self._fail(main, is_photo=True)
            self._leave_parts(found)
            return
        photo = photos.get(main.sha256)
        if photo is None:
            photo = photos[main.sha256] = _Photo(found=found, original=main)
        elif not found.photo.again:
            self._count("already_there")
        for part in found.photo.parts:
            file = described[id(part.file)]
            if isinstance(file, Left):
                self._fail(file, is_photo=False)
            elif file.sha256 not in photos:
                photos[file.sha256] = photo
                photo.parts[file.sha256] = (part.kind, file)

    def _leave_parts(self, found: Found) -> None:
        for part in found.photo.parts:
            reason = f"it belongs to {found.photo.main.name}, which did not come in"
            self._report.leave(Left(path=part.file.path, code="part", reason=reason))

    # Into Storage

    async def _known(self, photos: Sequence[_Photo]) -> dict[str, str | None]:
        """Digests of those files that are in the library, with the kind of those that are parts there."""
        digests = [digest for photo in photos for digest in (photo.original.sha256, *photo.parts)]
        known: dict[str, str | None] = await self._connection.rpc("find_originals", {"p_sha256s": digests})
        return known

    async def _store(
        self, photos: Sequence[_Photo], known: Mapping[str, str | None]
    ) -> tuple[list[_Photo], StorageUnavailable | None]:
        """Those whose pictures are stored now, with those parts that are: no row ever points at nothing.

        Beside them why Storage was given up, if it was.
        """
        outage: StorageUnavailable | None = None

        async def store(original: Original, photo: _Photo) -> Left | None:
            nonlocal outage
            if original.sha256 in known:
                return None
            if outage is not None:
                return _LATER
            try:
                left = await self._uploads.upload(original, follow=photo.found.is_named)
            except StorageUnavailable as error:
                outage = error
                return _LATER
            if left is None:
                photo.stored.append(original.key)
            return left

        async def bring(photo: _Photo) -> _Photo | None:
            is_new, again = photo.original.sha256 not in known, photo.found.photo.again
            left = None if again and is_new else await store(photo.original, photo)
            if left is _LATER:
                return None
            if left is not None or (again and is_new):
                if left is not None:
                    self._fail(left, is_photo=True)
                self._leave_parts(photo.found)
                return None
            if not again:
                self._count("uploaded" if is_new else "already_there")
            for digest, (_, original) in list(photo.parts.items()):
                left = await store(original, photo)
                if left is not None:
                    del photo.parts[digest]
                    if left is not _LATER:
                        self._fail(left, is_photo=False)
            return photo

        stored = await asyncio.gather(*(bring(photo) for photo in photos))
        return [photo for photo in stored if photo is not None], outage

    # Rows and jobs

    async def _add(self, photos: Sequence[_Photo]) -> None:
        answers = await self._import(photos)
        await self._store_again(
            photos, {digest for answer in answers.values() for digest in answer["missing"]}
        )
        self._count("parts", sum(answer["parts"] for answer in answers.values()))
        self._count("enqueued", sum(answer["look_again"] for answer in answers.values()))
        others = [
            answers[photo.original.sha256]["asset_id"]
            for photo in photos
            if photo.original.sha256 in answers
            and not photo.found.photo.again
            and not answers[photo.original.sha256]["look_again"]
        ]
        try:
            if others and self._may_ask:
                for status in await _enqueue(self._connection, others):
                    self._count(status)
        except TooManyJobs as error:
            self._may_ask = False
            reason = f"{error} Nor is it asked for the jobs of the photos after it; those of new photos are."
            left = Left(path=photos[0].original.file.path, code=error.code, reason=reason)
            self._fail(left, is_photo=False)

    async def _import(self, photos: Sequence[_Photo]) -> dict[str, Row]:
        """What import_photos answers about each, by digest; where it refuses them together, each is tried."""
        try:
            answers: list[Row] = await self._connection.rpc(
                "import_photos", {"p_photos": [_row(photo) for photo in photos]}
            )
        except DatabaseUnavailable:
            raise
        except JobError as error:
            if len(photos) > 1:
                taken: dict[str, Row] = {}
                for photo in photos:
                    taken |= await self._import([photo])
                return taken
            await self._refuse(photos[0], error)
            return {}
        return {photo.original.sha256: answer for photo, answer in zip(photos, answers, strict=True)}

    async def _refuse(self, photo: _Photo, error: JobError) -> None:
        """Leave out a photo that the database does not take, and no file of it in Storage.

        What another import has brought into the library meanwhile stays.
        """
        known = await self._known([photo])
        await self._files.remove(
            ASSETS_BUCKET,
            [
                file.key
                for file in (photo.original, *(part for _, part in photo.parts.values()))
                if file.key in photo.stored and file.sha256 not in known
            ],
        )
        if photo.original.key in photo.stored:
            self._report.counts["uploaded"] -= 1
            self._report.counts["failed"] += 1
        left = Left(path=photo.original.file.path, code="result_refused", reason=str(error))
        self._fail(left, is_photo=False)


def _take(everything: Iterator[Found | Unused]) -> list[Found | Unused]:
    """The next photos and what is beside them, as many files as a page has; blocks."""
    page: list[Found | Unused] = []
    files = 0
    for found in everything:
        page.append(found)
        files += len(found.files) if isinstance(found, Found) else 1
        if files >= PAGE:
            break
    return page


def _row(photo: _Photo) -> Row:
    """A photo as import_photos takes it."""
    file, folder = photo.original.file, _readable(photo.found.folder)
    return {
        "sha256": photo.original.sha256,
        "path": photo.original.key,
        "file_name": _name(file),
        "folder": folder if len(folder) <= LONGEST_FOLDER else None,
        "file_modified_at": None if file.modified is None else file.modified.isoformat(),
        "parts": [
            {
                "sha256": part.sha256,
                "kind": kind,
                "path": part.key,
                "mime_type": part.file.mime_type,
                "file_name": _name(part.file),
            }
            for kind, part in photo.parts.values()
        ],
    }


def _name(file: Look) -> str:
    return _readable(file.name)[:LONGEST_NAME]


def _readable(name: str) -> str:
    """A name as text, whatever bytes the disk has for it."""
    return os.fsencode(name).decode(errors="replace")


async def _enqueue(connection: Connection, asset_ids: Sequence[str]) -> list[str]:
    """Ask the edge function, as an app would; answers one status per asset."""
    body = {"kind": "optimize_image", "asset_ids": list(asset_ids)}
    try:
        response = await connection.request(
            "POST",
            "/functions/v1/enqueue",
            headers={"Content-Type": "application/json"},
            content=json.dumps(body).encode(),
        )
    except httpx.TransportError as error:
        raise DatabaseUnavailable(f"enqueue got no answer: {type(error).__name__}") from error
    if response.status_code >= 500:
        raise DatabaseUnavailable(f"enqueue answered {response.status_code}")
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise TooManyJobs
    if not response.is_success:
        raise StartupError(f"enqueue refused: {response.status_code} {response.text[:300]}")
    return [job["status"] for job in response.json()["jobs"]]
