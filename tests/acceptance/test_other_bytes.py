"""Another picture in the place of one that is known: afterwards all that is known is of the other."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import httpx
import psycopg
import pytest
import pytest_asyncio
from PIL import Image, ImageStat
from psycopg.types.json import Jsonb

from models.settings import ModelSettings
from tests.acceptance.library import Library, drain, jpeg, personal, service
from tests.acceptance.test_image_ai import KeptModels, people, rows, settings_of
from worker.files.storage import Files

pytestmark = [pytest.mark.stack, pytest.mark.asyncio(loop_scope="module")]

OF_A_LOOK = {
    "image_embeddings": "model_version, embedding::text",
    "face_embeddings": "face_index, embedding::text, bounding_box",
    "detected_objects": "object_class, confidence, bounding_box",
    "image_text": "extracted_text, text_regions",
    "image_descriptions": "description, detail_level",
    "asset_hashes": "sha256, perceptual_hash::text",
    "asset_quality": "sharpness, exposure, contrast, fine_hash::text",
    "asset_facts": "fact, version, state",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kept(tiny_models: Path) -> AsyncIterator[KeptModels]:
    models = KeptModels(ModelSettings(_env_file=None, **settings_of(tiny_models)))
    yield models
    await models.close_at_last()


@pytest.fixture(params=[True, False], ids=["trigger", "no trigger"])
def noticed_at_once(request: pytest.FixtureRequest, db: psycopg.Connection[Any]) -> Iterator[bool]:
    """Whether the project lets us make a trigger on its Storage."""
    change = "alter table storage.objects {} trigger kizu_other_bytes_are_noticed"
    if not request.param:
        db.execute(change.format("disable"))
    yield request.param
    db.execute(change.format("enable"))


def taken(date: str, latitude: float) -> Image.Exif:
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({0x9003: date, 0x9011: "+00:00"})
    exif.get_ifd(0x8825).update({1: "N", 2: (latitude, 0.0, 0.0), 3: "E", 4: (11.0, 0.0, 0.0)})
    return exif


def with_exif(picture: bytes, exif: Image.Exif) -> bytes:
    """A JPEG with the metadata in front of its pixels."""
    block = exif.tobytes()
    return picture[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + picture[2:]


A = with_exif(people("red"), taken("2001:01:01 10:00:00", 10.0))
B = with_exif(people("blue", "yellow"), taken("2022:02:02 20:00:00", 20.0))


def as_app(library: Library) -> httpx.Client:
    headers = {"apikey": library.stack.publishable_key, "authorization": f"Bearer {library.token}"}
    return httpx.Client(base_url=library.stack.url, headers=headers, timeout=30)


def store(library: Library, key: str, data: bytes) -> None:
    with as_app(library) as http:
        http.post(
            f"/storage/v1/object/assets/{key}",
            content=data,
            headers={"content-type": "image/jpeg", "x-upsert": "true"},
        ).raise_for_status()


def enqueue(library: Library, asset: str, kind: str, **params: Any) -> str:
    with as_app(library) as http:
        body = {"p_kind": kind, "p_asset_id": asset, "p_params": params}
        return str(http.post("/rest/v1/rpc/enqueue_job", json=body).raise_for_status().json()["status"])


def found(db: psycopg.Connection[Any], asset: str) -> dict[str, Any]:
    return {table: rows(db, table, asset, columns) for table, columns in OF_A_LOOK.items()}


def colour(library: Library, asset: str, kind: str) -> tuple[int, ...]:
    return tuple(round(value) for value in ImageStat.Stat(library.made(asset, kind)).mean)


@pytest.mark.slow
async def test_after_an_upload_over_another_everything_is_of_the_new_picture(
    library: Library, tiny_models: Path, kept: KeptModels, db: psycopg.Connection[Any], noticed_at_once: bool
) -> None:
    settings = personal(library, lanes={"image": 2, "ai": 2}, **settings_of(tiny_models))
    asset, unlike = library.add(A), library.add(B)
    await drain(settings, models=kept, within=300)
    only_faces = {"operations": ["faces"]}
    assert enqueue(library, asset, "image_ai", **only_faces) == "enqueued"
    await drain(settings, models=kept, within=300)
    assert enqueue(library, asset, "image_ai", **only_faces) == "already_done"
    of_a, of_b = found(db, asset), found(db, unlike)
    same = [table for table in OF_A_LOOK if of_a[table] == of_b[table]]
    assert set(same) <= {"asset_facts", "image_descriptions"}, "the tiny model says the same of every picture"
    assert library.asset(asset)["latitude"] == 10
    old_files = [row["key"] for row in rows(db, "derived_assets", asset, "key, kind")]
    path = library.asset(asset)["path"]
    with as_app(library) as http:
        http.post("/rest/v1/asset_tags", json={"asset_id": asset, "tag_type": "object", "tag_value": "mine"})
        http.patch(f"/rest/v1/assets?id=eq.{asset}", json={"taken_at": "1999-12-31T12:00:00Z"})

    store(library, path, B)

    if noticed_at_once:
        assert all(not kind for kind in found(db, asset).values())
        assert library.asset(asset)["thumbnail"] is None
        assert enqueue(library, asset, "optimize_image") == "already_queued"
    else:
        assert enqueue(library, asset, "optimize_image") == "enqueued"
    assert all(not kind for kind in found(db, asset).values())
    assert enqueue(library, asset, "image_ai", **only_faces) == "enqueued"
    await drain(settings, models=kept, within=300)

    assert found(db, asset) == of_b
    told = {
        content
        for table in OF_A_LOOK
        for (content,) in db.execute(
            f"select content from {table} join runs on runs.id = run_id where {table}.asset_id = %s", [asset]
        )
    }
    assert told == {hashlib.md5(B, usedforsecurity=False).hexdigest()}
    assert [row["sha256"] for row in rows(db, "asset_hashes", asset)] == [hashlib.sha256(B).hexdigest()]
    for kind in ("thumbnail", "web"):
        assert colour(library, asset, kind) == colour(library, unlike, kind)
    now = library.asset(asset)
    assert (now["taken_at"], now["latitude"]) == (datetime(1999, 12, 31, 12, tzinfo=UTC), 20)
    assert "mine" in [row["tag_value"] for row in rows(db, "asset_tags", asset)]
    assert enqueue(library, asset, "optimize_image") == "already_done"
    new_files = [row["key"] for row in rows(db, "derived_assets", asset, "key, kind")]
    with as_app(library) as http:  # of this user's files alone: a page of all may end before them
        answer = http.post("/rest/v1/rpc/list_orphans", json={"p_older_than": "0"}).raise_for_status().json()
    swept = answer["orphans"]
    assert answer["next"] is None
    assert set(old_files) <= set(swept)
    assert set(new_files).isdisjoint(swept)


async def test_the_same_bytes_again_are_no_work(library: Library, db: psycopg.Connection[Any]) -> None:
    asset = library.add(A)
    await drain(service(library.stack))
    db.execute("delete from jobs where asset_id = %s and status = 'pending'", [asset])
    thumbnail = library.asset(asset)["thumbnail"]
    store(library, library.asset(asset)["path"], A)
    assert await drain(service(library.stack)) == 0
    assert enqueue(library, asset, "optimize_image") == "already_done"
    assert library.asset(asset)["thumbnail"] == thumbnail


async def test_another_path_is_another_picture_and_a_moved_one_is_not(library: Library) -> None:
    asset = library.add(A)
    await drain(service(library.stack))
    path, thumbnail = library.asset(asset)["path"], library.asset(asset)["thumbnail"]

    with as_app(library) as http:
        move = {"bucketId": "assets", "sourceKey": path, "destinationKey": f"{path}-moved"}
        http.post("/storage/v1/object/move", json=move).raise_for_status()
        http.patch(f"/rest/v1/assets?id=eq.{asset}", json={"path": f"{path}-moved"}).raise_for_status()
    await drain(service(library.stack))
    assert library.asset(asset)["thumbnail"] == thumbnail

    store(library, f"{path}-other", B)
    with as_app(library) as http:
        http.patch(f"/rest/v1/assets?id=eq.{asset}", json={"path": f"{path}-other"}).raise_for_status()
    await drain(service(library.stack))
    now = library.asset(asset)
    assert now["thumbnail"] not in (None, thumbnail)
    assert (now["taken_at"], now["latitude"]) == (datetime(2022, 2, 2, 20, tzinfo=UTC), 20)


async def test_bytes_that_are_replaced_while_a_job_looks_at_them_are_looked_at_again(
    library: Library,
    db: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
    noticed_at_once: bool,
) -> None:
    assert noticed_at_once in (True, False)
    one, other = jpeg(colour="red"), jpeg(colour="blue")
    asset = library.add(one)
    path = library.asset(asset)["path"]
    fetch, fetched = Files.fetch_version, []

    async def replaced(self: Files, source: str, user_id: UUID) -> tuple[IO[bytes], str | None]:
        answer = await fetch(self, source, user_id)
        fetched.append(answer[1])
        if len(fetched) == 1:
            store(library, path, other)
        return answer

    monkeypatch.setattr(Files, "fetch_version", replaced)
    await drain(service(library.stack))

    job = library.job(asset)
    assert (job["status"], job["attempts"], len(fetched)) == ("completed", 1, 2)
    red, _, blue = colour(library, asset, "thumbnail")
    assert (red, blue) == pytest.approx((0, 254), abs=3)
    runs = db.execute(
        "select outcome, error_code, content from runs where asset_id = %s order by finished_at", [asset]
    ).fetchall()
    assert runs == [
        ("released", "source_changed", hashlib.md5(one, usedforsecurity=False).hexdigest()),
        ("done", None, hashlib.md5(other, usedforsecurity=False).hexdigest()),
    ]


async def test_force_renews_the_date_that_a_worker_filled_in(
    library: Library, db: psycopg.Connection[Any]
) -> None:
    asset = library.add(A)
    await drain(service(library.stack))
    elsewhere = library.add(B)
    enqueued = "select enqueue_job('optimize_image', %s, %s, p_force => true)"
    db.execute(enqueued, [asset, Jsonb({"input_url": library.asset(elsewhere)["path"]})])
    await drain(service(library.stack))
    assert (library.asset(asset)["taken_at"].year, library.asset(asset)["latitude"]) == (2022, 20)
    db.execute(enqueued, [asset, Jsonb({})])
    await drain(service(library.stack))
    assert (library.asset(asset)["taken_at"].year, library.asset(asset)["latitude"]) == (2001, 10)
