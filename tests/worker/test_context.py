from __future__ import annotations

import dataclasses
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from worker.context import Context
from worker.core.errors import NotFound
from worker.core.job import Job
from worker.core.record import Record
from worker.decoding import Need
from worker.files.sources import StoredObject, read_source
from worker.pixels import PixelThreads

JOB, USER, ASSET = (UUID(int=number) for number in range(1, 4))


def context(epoch: int = 3, pixels: Any = None, **asset: Any) -> Context:
    job = Job(table="jobs", id=JOB, kind="k", user_id=USER, asset_id=ASSET, asset=asset, epoch=epoch)
    rest: dict[str, Any] = dict.fromkeys(
        ("files", "models", "generations", "rows", "staging", "settings", "record", "progress", "pictures")
    )
    return Context(job=job, pixels=pixels, **rest)


@pytest.mark.parametrize(
    ("given", "asset", "source"),
    [
        ("me/other.jpg", {"path": "me/a.jpg", "web_uri": "https://x/a"}, "me/other.jpg"),
        (None, {"path": "me/a.jpg", "web_uri": "https://x/a"}, "me/a.jpg"),
        ("", {"path": "me/a.jpg"}, "me/a.jpg"),
        (None, {"path": None, "web_uri": "https://x/a"}, "https://x/a"),
        (None, {"path": "", "web_uri": "https://x/a"}, "https://x/a"),
    ],
)
def test_the_picture_is_where_the_job_says_else_where_its_asset_says(
    given: str | None, asset: dict[str, Any], source: str
) -> None:
    assert context(**asset).source(given) == source


@pytest.mark.parametrize("asset", [{}, {"path": None, "web_uri": None}, {"path": ""}])
def test_a_picture_that_nobody_names_is_not_found(asset: dict[str, Any]) -> None:
    with pytest.raises(NotFound):
        context(**asset).source(None)


def test_each_attempt_has_a_folder_of_its_own_below_its_user() -> None:
    assert context(epoch=3).key("face-0.jpg") == f"{USER}/processed/{ASSET}/{JOB}.3/face-0.jpg"
    assert context(epoch=4).key("face-0.jpg") != context(epoch=3).key("face-0.jpg")


async def test_pictures_are_worked_on_in_their_own_threads() -> None:
    threads = PixelThreads(1)
    try:
        name = await context(pixels=threads).in_pixels(lambda: threading.current_thread().name)
        assert name.startswith("pixels")
        assert await context(pixels=threads).in_pixels(divmod, 7, 2) == (3, 1)
    finally:
        threads.close()


@pytest.mark.parametrize(
    ("source", "content"),
    [
        (f"{USER}/a.jpg", "the tag"),
        (f"https://p.example/storage/v1/object/authenticated/assets/{USER}/a.jpg", "the tag"),
        (f"{USER}/b.jpg", None),
        (f"thumbnails/{USER}/a.jpg", None),
        ("https://x.example/a.jpg", None),
        ("data:image/jpeg;base64,eA==", None),
    ],
)
async def test_the_record_says_which_bytes_of_the_assets_own_file_were_seen(
    source: str, content: str | None
) -> None:
    class Known:
        def stored_object(self, source: str, user_id: UUID) -> StoredObject | None:
            asked = read_source(
                source,
                user_id=user_id,
                own_urls=("https://p.example",),
                allowed_hosts=frozenset({"x.example"}),
            )
            return asked if isinstance(asked, StoredObject) else None

        @asynccontextmanager
        async def open(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
            yield SimpleNamespace(version="the tag")

    known: Any = Known()
    here = dataclasses.replace(context(path=f"{USER}/a.jpg"), files=known, pictures=known, record=Record())
    async with here.picture(source, Need.of(long_side=1)):
        pass
    assert here.record.run("h", "1").content == content
