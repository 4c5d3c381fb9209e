"""Files made of an asset are stored together or not at all."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from worker import derived
from worker.core.errors import StorageUnavailable
from worker.files.storage import StoredFile


class Files:
    """Stores what it is given, but for the names that are refused."""

    def __init__(self, *refused: str) -> None:
        self.stored: dict[str, bytes] = {}
        self.removed: list[str] = []
        self._refused = refused

    async def upload(self, bucket: str, key: str, data: bytes, mime_type: str) -> StoredFile:
        await asyncio.sleep(0)
        if key.rpartition("/")[2] in self._refused:
            raise StorageUnavailable(f"not {key}")
        self.stored[key] = data
        return StoredFile(bucket=bucket, key=key, bytes=len(data), mime_type=mime_type, sha256="0" * 64)

    async def remove(self, bucket: str, keys: list[str]) -> None:
        self.removed += keys


def context(files: Files) -> Any:
    return SimpleNamespace(files=files, key=lambda name: f"attempt/{name}")


async def test_files_are_stored_under_the_attempts_path_as_jpeg() -> None:
    files = Files()
    stored = await derived.store(context(files), {"thumbnail": b"12", "web": b"345"})
    assert list(stored) == ["thumbnail", "web"]
    assert files.stored == {"attempt/thumbnail.jpg": b"12", "attempt/web.jpg": b"345"}
    assert derived.row(stored["web"]) == {
        "bucket": "assets",
        "key": "attempt/web.jpg",
        "bytes": 3,
        "mime_type": "image/jpeg",
        "sha256": "0" * 64,
    }
    assert files.removed == []


@pytest.mark.parametrize("refused", [("web.jpg",), ("thumbnail.jpg", "web.jpg")])
async def test_if_one_fails_all_are_taken_back_and_its_error_is_raised(refused: tuple[str, ...]) -> None:
    files = Files(*refused)
    with pytest.raises(StorageUnavailable, match=f"not attempt/{refused[0]}"):
        await derived.store(context(files), {"thumbnail": b"12", "web": b"345"})
    assert sorted(files.removed) == ["attempt/thumbnail.jpg", "attempt/web.jpg"]


async def test_a_stop_in_the_middle_stays_a_stop() -> None:
    storing = asyncio.create_task(derived.store(context(Files()), {"thumbnail": b"12"}))
    await asyncio.sleep(0)
    storing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await storing


def test_apps_find_a_file_signed_in_as_its_owner() -> None:
    file = StoredFile(bucket="assets", key="me/a.jpg", bytes=1, mime_type="image/jpeg", sha256="")
    url = derived.url(file, "https://photos.example")
    assert url == "https://photos.example/storage/v1/object/authenticated/assets/me/a.jpg"
