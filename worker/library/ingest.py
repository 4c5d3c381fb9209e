"""From a folder to the library: upload each file once, make its asset row, ask for its jobs.

Everything is named after the content (SHA-256), so doing it again, or going on after an interruption, repeats
nothing that has been done.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import httpx

from worker.core.errors import DatabaseUnavailable, NotFound, StartupError, TooLarge, TooManyJobs
from worker.files.sources import ASSETS_BUCKET
from worker.files.storage import Files
from worker.project.connection import Connection
from worker.project.tables import Row, Store

IMAGES = {
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".webp": "image/webp",
}
LONGEST_NAME = 500
"""Characters of a file's name that its row keeps."""
AT_ONCE = 4
"""Uploads under way at the same time."""
PER_CALL = 100
"""Assets per call of the edge function `enqueue`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A file on its way into the library."""

    path: Path
    sha256: str
    key: str
    mime_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A file that did not come into the library, and why."""

    path: Path
    code: str
    reason: str


@dataclass(slots=True)
class Report:
    """What became of files."""

    counts: Counter[str] = field(default_factory=Counter)
    """How many were `uploaded`, `already_there`, `enqueued`, `already_queued`, `already_done`, `failed`."""
    failures: list[Failure] = field(default_factory=list)


def find_files(paths: Iterable[Path]) -> list[Path]:
    """Every image under the paths, in order, by its ending; hidden files and symbolic links are left out.

    Raises:
        NotFound: a path does not exist.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise NotFound(f"{path}: no such file or folder")
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        found += [file for file in inside if file.suffix.lower() in IMAGES and _is_plain(file, path)]
    return found


def _is_plain(file: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(root).parts)
    return file.is_file() and not file.is_symlink() and not hidden


def describe(path: Path, user_id: UUID) -> Original:
    """Name a file after its content."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    ending = path.suffix.lower()
    return Original(
        path=path,
        sha256=sha256,
        key=f"{user_id}/originals/{sha256}{ending}",
        mime_type=IMAGES[ending],
    )


async def ingest(
    connection: Connection, files: Files, paths: Sequence[Path], *, on_progress: Callable[[str, int], None]
) -> Report:
    """Bring files into the signed-in user's library; one that cannot be read, or is refused, is left out.

    `on_progress(what, amount)` is called as things happen, with the names that the report counts.

    Raises:
        StartupError: not signed in as a user.
        NotFound: a path does not exist.
        StorageUnavailable, DatabaseUnavailable: no answer in time; doing it again goes on from there.
    """
    user_id = connection.caller.user_id
    if user_id is None:
        raise StartupError(
            "only a user has a library: set KIZU_EMAIL and KIZU_PASSWORD (the demo's: .kizu/demo.json)"
        )
    report = Report()

    def count(what: str, amount: int = 1) -> None:
        report.counts[what] += amount
        on_progress(what, amount)

    def fail(failure: Failure) -> None:
        report.failures.append(failure)
        count("failed")

    store = Store(connection)
    known = {
        row["path"]: row["id"] async for row in store.every("assets", "id,path", equal={"user_id": user_id})
    }
    for start in range(0, len(paths), PER_CALL):
        page = await _describe_all(paths[start : start + PER_CALL], user_id, fail)
        originals = {original.key: original for original in page}
        fresh = [original for original in originals.values() if original.key not in known]
        count("already_there", len(page) - len(fresh))
        stored = await _upload(files, fresh, lambda: count("uploaded"), fail)
        added = await store.add("assets", [_row(one, user_id) for one in stored], unique="user_id,path")
        known |= {row["path"]: row["id"] for row in added}
        here = [known[key] for key in originals if key in known]
        for status in await _enqueue(connection, here) if here else []:
            count(status)
    return report


async def _describe_all(
    paths: Sequence[Path], user_id: UUID, fail: Callable[[Failure], None]
) -> list[Original]:
    """Those that can be read, in order."""

    def attempt(path: Path) -> Original | Failure:
        try:
            return describe(path, user_id)
        except OSError as error:
            return Failure(path=path, code="unreadable", reason=error.strerror or type(error).__name__)

    found = await asyncio.gather(*(asyncio.to_thread(attempt, path) for path in paths))
    for failure in found:
        if isinstance(failure, Failure):
            fail(failure)
    return [original for original in found if isinstance(original, Original)]


async def _upload(
    files: Files,
    originals: Sequence[Original],
    uploaded: Callable[[], None],
    fail: Callable[[Failure], None],
) -> list[Original]:
    """Those whose files are stored now: an asset never points at nothing."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def upload(original: Original) -> Original | None:
        async with gate:
            try:
                data = await asyncio.to_thread(original.path.read_bytes)
                await files.upload(ASSETS_BUCKET, original.key, data, original.mime_type)
            except OSError as error:
                reason = error.strerror or type(error).__name__
                fail(Failure(path=original.path, code="unreadable", reason=reason))
                return None
            except TooLarge as error:
                fail(Failure(path=original.path, code=error.code, reason=str(error)))
                return None
            uploaded()
            return original

    stored = await asyncio.gather(*(upload(original) for original in originals))
    return [original for original in stored if original is not None]


def _row(original: Original, user_id: UUID) -> Row:
    return {
        "user_id": str(user_id),
        "path": original.key,
        "file_name": os.fsencode(original.path.name).decode(errors="replace")[:LONGEST_NAME],
        "media_type": "photo",
    }


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
