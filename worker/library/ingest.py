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
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx

from worker.core.errors import DatabaseUnavailable, NotFound, StartupError
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
) -> Counter[str]:
    """Bring files into the signed-in user's library.

    `on_progress(what, amount)` is called as things happen; the answer counts them: `uploaded`,
    `already_there`, `enqueued`, `already_queued`, `already_done`.

    Raises:
        StartupError: not signed in as a user.
        NotFound: a path does not exist.
        StorageUnavailable, DatabaseUnavailable: no answer in time; doing it again goes on from there.
    """
    user_id = connection.caller.user_id
    if user_id is None:
        raise StartupError("only a user has a library: set KIZU_EMAIL and KIZU_PASSWORD")
    counts: Counter[str] = Counter()

    def count(what: str, amount: int = 1) -> None:
        counts[what] += amount
        on_progress(what, amount)

    store = Store(connection)
    known = {
        row["path"]: row["id"] async for row in store.every("assets", "id,path", equal={"user_id": user_id})
    }
    for start in range(0, len(paths), PER_CALL):
        page = await asyncio.gather(
            *(asyncio.to_thread(describe, path, user_id) for path in paths[start : start + PER_CALL])
        )
        originals = {original.key: original for original in page}
        fresh = [original for original in originals.values() if original.key not in known]
        count("already_there", len(page) - len(fresh))
        await _upload(files, fresh, lambda: count("uploaded"))
        added = await store.add("assets", [_row(one, user_id) for one in fresh], unique="user_id,path")
        known |= {row["path"]: row["id"] for row in added}
        for status in await _enqueue(connection, [known[key] for key in originals if key in known]):
            count(status)
    return counts


async def _upload(files: Files, originals: Sequence[Original], uploaded: Callable[[], None]) -> None:
    """The files first, then their rows: an asset never points at nothing."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def upload(original: Original) -> None:
        async with gate:
            data = await asyncio.to_thread(original.path.read_bytes)
            await files.upload(ASSETS_BUCKET, original.key, data, original.mime_type)
            uploaded()

    await asyncio.gather(*(upload(original) for original in originals))


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
    if not response.is_success:
        raise StartupError(f"enqueue refused: {response.status_code} {response.text[:300]}")
    return [job["status"] for job in response.json()["jobs"]]
