"""What is known of an asset's file beside its bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from models.pictures.capture import Origin
from models.pictures.sidecars import MAX_BYTES
from worker import origins
from worker.core.errors import ForbiddenUrl, JobError, NotFound, StorageUnavailable, TooLarge

USER = UUID(int=1)


class Files:
    """Holds sidecars by path; an error stands for one that is not to be had."""

    def __init__(self, folder: Path, files: dict[str, bytes | JobError]) -> None:
        self._folder = folder
        self._files = files

    @asynccontextmanager
    async def fetch_to_path(self, source: str, user_id: UUID, *, max_bytes: int) -> AsyncIterator[Path]:
        assert (user_id, max_bytes) == (USER, MAX_BYTES)
        found = self._files[source]
        if isinstance(found, JobError):
            raise found
        path = self._folder / "file"
        path.write_bytes(found)
        yield path


def context(folder: Path, files: dict[str, bytes | JobError], asset: dict[str, Any]) -> Any:
    return SimpleNamespace(job=SimpleNamespace(asset=asset, user_id=USER), files=Files(folder, files))


def row(*sidecars: str, **columns: Any) -> dict[str, Any]:
    return {"file_name": None, "file_modified_at": None, **columns, "sidecars": list(sidecars)}


async def test_name_time_and_sidecars_come_together(tmp_path: Path) -> None:
    here = context(
        tmp_path,
        {"a": b"<x/>", "b": b"{}"},
        row("a", "b", file_name="IMG_1.jpg", file_modified_at="2024-06-01T10:00:00+00:00"),
    )
    assert await origins.read(here) == Origin(
        file_name="IMG_1.jpg",
        modified_at=datetime(2024, 6, 1, 10, tzinfo=UTC),
        sidecars=(b"<x/>", b"{}"),
    )


async def test_nothing_may_be_known(tmp_path: Path) -> None:
    assert await origins.read(context(tmp_path, {}, row())) == Origin()
    assert await origins.read(context(tmp_path, {}, {"path": "a", "web_uri": None})) == Origin()


@pytest.mark.parametrize("error", [NotFound(), TooLarge(), ForbiddenUrl()])
async def test_a_sidecar_that_is_not_to_be_had_is_left_out(tmp_path: Path, error: JobError) -> None:
    here = context(tmp_path, {"a": error, "b": b"{}"}, row("a", "b"))
    assert (await origins.read(here)).sidecars == (b"{}",)


async def test_a_storage_that_does_not_answer_is_asked_again_later(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable):
        await origins.read(context(tmp_path, {"a": StorageUnavailable()}, row("a")))
