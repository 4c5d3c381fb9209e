"""image_ai through the whole system, with tiny models of the true architectures in a real model host."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import pytest_asyncio
from PIL import Image, ImageDraw
from psycopg.types.json import Jsonb

from models.serving.remote import RemoteModels
from models.settings import ModelSettings
from tests.acceptance.library import Library, drain, jpeg, personal
from worker.settings import Settings

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

ALL = {"describe", "embedding", "faces", "hashes", "objects", "ocr", "quality"}


def people(*colours: str, side: int = 640) -> bytes:
    """A picture with a "face" each: the blob that the tiny detector finds, within the colour that it is."""
    image = Image.new("RGB", (side, side), (90, 140, 90))
    draw = ImageDraw.Draw(image)
    for number, colour in enumerate(colours):
        x, y = 120 + 200 * (number % 3), 120 + 200 * (number // 3)
        draw.rectangle((x - 76, y - 76, x + 76, y + 76), fill=colour)
        draw.rectangle((x - 32, y - 32, x + 32, y + 32), fill=(255, 0, 255))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=95)
    return out.getvalue()


@pytest.fixture
def tiny(library: Library, tiny_models: Path) -> Settings:
    return personal(library, lanes={"ai": 4}, **settings_of(tiny_models))


def settings_of(tiny_models: Path) -> dict[str, Any]:
    return {"model_profile": "tiny", "model_cache_dir": tiny_models, "model_downloads": False}


class KeptModels(RemoteModels):
    """Models that outlive the worker that asks them, so that the next one need not load five libraries."""

    async def close(self) -> None:
        pass

    async def close_at_last(self) -> None:
        await super().close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kept(tiny_models: Path) -> AsyncIterator[KeptModels]:
    """The tiny models of a host that the tests of this file share."""
    models = KeptModels(ModelSettings(_env_file=None, **settings_of(tiny_models)))
    yield models
    await models.close_at_last()


async def look(settings: Settings, models: RemoteModels | None = None) -> None:
    """Run a worker until nothing is left, with a model host of its own unless there is one already."""
    await drain(settings, models=models, within=300)


def rows(db: psycopg.Connection[Any], table: str, asset: str, columns: str = "*") -> list[dict[str, Any]]:
    cursor = db.execute(f"select {columns} from {table} where asset_id = %s order by 1, 2", [asset])
    assert cursor.description
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def ai_job(db: psycopg.Connection[Any], asset: str) -> dict[str, Any]:
    return rows(db, "ai_processing_jobs", asset, "created_at, id, status, error_code, result, attempts")[-1]


def again(db: psycopg.Connection[Any], asset: str, *operations: str) -> None:
    db.execute(
        "select enqueue_job('image_ai', %s, %s, p_force => true)",
        [asset, Jsonb({"operations": operations})],
    )


async def test_an_upload_leads_to_every_fact(
    library: Library, tiny: Settings, kept: KeptModels, db: psycopg.Connection[Any]
) -> None:
    asset = library.add(people("red", "blue"))
    await look(tiny, kept)

    job = ai_job(db, asset)
    assert (job["status"], job["error_code"]) == ("completed", None), job
    assert {name for name, said in job["result"].items() if name[0] != "_" and name != "asset_id"} == {
        *(ALL - {"describe"}),
        "description",
    }
    known = library.asset(asset)["ai_operations"]
    assert set(known) == ALL
    assert all(entry["ok"] and entry["at"] for entry in known.values())
    [embedding] = rows(db, "image_embeddings", asset, "model_version, weights_digest, run_id")
    assert len(embedding["weights_digest"]) == 64
    assert [face["face_index"] for face in rows(db, "face_embeddings", asset, "face_index, id")] == [0, 1]
    assert len(rows(db, "image_text", asset)) == len(rows(db, "image_descriptions", asset)) == 1
    assert len(rows(db, "asset_hashes", asset)) == len(rows(db, "asset_quality", asset)) == 1
    crops = rows(db, "derived_assets", asset, "kind, key, sha256")
    assert [crop["kind"] for crop in crops] == ["face_crop", "face_crop"]
    [run] = db.execute(
        "select models, counts, timings from runs where id = %s", [embedding["run_id"]]
    ).fetchall()
    told_by = {"embed", "faces", "objects", "ocr", "caption", "hashes", "quality"}
    assert {model["task"] for model in run[0]} == told_by
    assert run[1]["faces"] == 2
    assert {"fetch", "decode"} <= set(run[2])


TELLS = {
    "image_embeddings": "embedding",
    "face_embeddings": "faces",
    "derived_assets": "faces",
    "detected_objects": "objects",
    "image_text": "ocr",
    "image_descriptions": "describe",
    "asset_hashes": "hashes",
    "asset_quality": "quality",
}
"""Tables of rows, and the fact of each."""


async def test_every_row_says_its_run_and_that_says_what_told_it_and_how(
    library: Library, tiny: Settings, kept: KeptModels, db: psycopg.Connection[Any]
) -> None:
    async def parameters(asset: str) -> dict[str, dict[str, Any]]:
        found = {}
        for table in (*TELLS, "asset_tags", "asset_facts"):
            told = rows(db, table, asset)
            assert told, table
            for row in told:
                assert row["run_id"], (table, row)
                [models] = db.execute("select models from runs where id = %s", [row["run_id"]]).fetchall()[0]
                fact = (
                    row.get("fact")
                    or TELLS.get(table)
                    or {"object": "objects", "person": "faces"}[row["tag_type"]]
                )
                [model] = [one for one in models if one["fact"] == fact]
                version = (
                    row.get("model_version")
                    or row.get("version")
                    or (row.get("tagged_by") or {}).get("model")
                )
                assert version in (None, model["version"])
                assert row.get("weights_digest") in (None, model["digest"])
                assert {"name", "backend", "precision", "device"} <= set(model)
                assert (model["digest"] is None) == (fact in ("hashes", "quality"))
                found[fact] = model["parameters"]
        return found

    usual, unusual = library.add(people("red")), library.add(people("blue"))
    db.execute("delete from ai_processing_jobs where asset_id = %s", [unusual])
    await look(tiny, kept)
    ada = db.execute(
        "insert into contacts (user_id, display_name) values (%s, 'Ada') returning id", [library.user_id]
    ).fetchone()
    assert ada
    db.execute("update face_embeddings set contact_id = %s where asset_id = %s", [ada[0], usual])
    again(db, usual, "all")
    again(db, unusual, "all")
    db.execute(
        "update ai_processing_jobs set run_at = now() + interval '1 day' where asset_id = %s", [unusual]
    )
    await look(tiny, kept)
    assert {tag["tag_type"] for tag in rows(db, "asset_tags", usual)} >= {"person"}
    db.execute("update ai_processing_jobs set run_at = now() where asset_id = %s", [unusual])
    changes = {"ocr_canvas": 640, "object_threshold": 0.01, "face_threshold": 0.4, "max_image_size": 512}
    await look(tiny.model_copy(update=changes))  # in another host

    first, other = await parameters(usual), await parameters(unusual)
    assert set(first) == set(other) == ALL
    assert first["embedding"]["embed_model"] == "open_clip"
    assert {name: other["ocr"][name] for name in ("ocr_canvas", "long_side")} == {
        "ocr_canvas": 640,
        "long_side": 512,
    }
    assert (first["objects"]["object_threshold"], other["objects"]["object_threshold"]) == (0.5, 0.01)
    assert (first["faces"]["face_threshold"], other["faces"]["face_threshold"]) == (0.5, 0.4)
    assert {"caption_level", "caption_beams", "caption_seconds"} <= set(first["describe"])
    assert all(first[fact] != other[fact] for fact in ALL)


async def test_two_runs_give_identical_rows(
    library: Library, tiny: Settings, kept: KeptModels, db: psycopg.Connection[Any]
) -> None:
    asset = library.add(people("red", "blue", "yellow"))
    facts = {
        "image_embeddings": "model_version, embedding::text",
        "face_embeddings": "face_index, id, embedding::text, bounding_box, landmarks, confidence",
        "detected_objects": "object_class, confidence, bounding_box",
        "image_text": "extracted_text, text_regions",
        "image_descriptions": "description, detail_level",
        "asset_hashes": "sha256, perceptual_hash::text",
        "asset_quality": "sharpness, exposure, contrast, fine_hash::text",
        "asset_tags": "tag_type, tag_value",
    }
    await look(tiny, kept)
    first = {table: rows(db, table, asset, columns) for table, columns in facts.items()}
    again(db, asset, "all")
    await look(tiny)  # in another host
    assert {table: rows(db, table, asset, columns) for table, columns in facts.items()} == first


async def test_a_picture_with_fewer_faces_leaves_no_stale_rows_and_keeps_its_people(
    library: Library, tiny: Settings, kept: KeptModels, db: psycopg.Connection[Any]
) -> None:
    asset = library.add(people("red", "blue", "yellow"))
    await look(tiny, kept)
    ada = db.execute(
        "insert into contacts (user_id, display_name) values (%s, 'Ada') returning id", [library.user_id]
    ).fetchone()
    assert ada
    db.execute(
        "update face_embeddings set contact_id = %s"
        " where asset_id = %s and (bounding_box ->> 'x')::float < 0.3",
        [ada[0], asset],
    )
    other = library.add(people("red"))
    path = library.asset(other)["path"]
    db.execute(
        "select enqueue_job('image_ai', %s, %s, p_force => true)",
        [asset, Jsonb({"operations": ["faces"], "image_url": path})],
    )
    await look(tiny, kept)
    [face] = rows(db, "face_embeddings", asset, "face_index, contact_id, recognised")
    assert face == {"face_index": 0, "contact_id": ada[0], "recognised": False}
    [seen_elsewhere] = rows(db, "face_embeddings", other, "face_index, contact_id, recognised")
    assert seen_elsewhere == {"face_index": 0, "contact_id": ada[0], "recognised": True}


async def test_what_lacks_a_fact_is_found_again(
    library: Library, tiny: Settings, kept: KeptModels, db: psycopg.Connection[Any], tmp_path: Path
) -> None:
    asset = library.add(people("red"))
    await look(tiny.model_copy(update={"model_cache_dir": tmp_path}))  # without any weights
    assert ai_job(db, asset)["status"] == "completed"
    assert ai_job(db, asset)["result"]["faces"]["error"] == "weights_missing"
    assert {"embedding", "faces", "objects"}.isdisjoint(library.asset(asset)["ai_operations"])

    wanted = {"embedding": "any", "faces": "any"}
    found = db.execute("select enqueue_missing(%s, %s)", [Jsonb(wanted), library.user_id]).fetchone()
    assert found
    assert found[0]["enqueued"] == 1
    await look(tiny, kept)
    assert {"embedding", "faces"} <= set(library.asset(asset)["ai_operations"])


async def test_a_job_by_its_older_name_does_the_same(
    library: Library, tiny: Settings, kept: KeptModels, db: psycopg.Connection[Any]
) -> None:
    asset = library.add(jpeg())
    db.execute("delete from ai_processing_jobs where asset_id = %s", [asset])
    db.execute(
        "insert into ai_processing_jobs (user_id, job_type, input_params) values (%s, 'process_image', %s)",
        [library.user_id, Jsonb({"asset_id": asset, "operations": ["hashes"]})],
    )
    await look(tiny, kept)
    assert ai_job(db, asset)["status"] == "completed"
    assert set(library.asset(asset)["ai_operations"]) == {"hashes"}


async def test_the_worker_holds_no_model_and_the_host_ends_with_it(library: Library, tiny: Settings) -> None:
    library.add(people("red"))
    before = model_hosts()
    await look(tiny)
    assert model_hosts() == before


def model_hosts() -> list[int]:
    """The process ids of this process's model hosts."""
    children = psutil.Process().children(recursive=True)
    return [child.pid for child in children if "models.serving.host" in " ".join(child.cmdline())]


@pytest.mark.parametrize(
    ("params", "code"),
    [({"operations": ["telepathy"]}, "bad_params"), ({"operations": "all"}, "bad_params")],
)
async def test_a_wish_that_nobody_knows_is_refused(
    library: Library,
    tiny: Settings,
    kept: KeptModels,
    db: psycopg.Connection[Any],
    params: dict[str, Any],
    code: str,
) -> None:
    asset = library.add(jpeg())
    db.execute("delete from ai_processing_jobs where asset_id = %s", [asset])
    db.execute("select enqueue_job('image_ai', %s, %s)", [asset, Jsonb(params)])
    await look(tiny, kept)
    assert (ai_job(db, asset)["status"], ai_job(db, asset)["error_code"]) == ("failed", code)


async def test_many_photos_need_few_requests_each(
    library: Library,
    tiny: Settings,
    kept: KeptModels,
    db: psycopg.Connection[Any],
    join: Callable[[], Library],
) -> None:
    async def requests(worker_id: str) -> int:
        await look(tiny.model_copy(update={"worker_id": worker_id}), kept)
        [info] = db.execute("select info from workers where worker_id = %s", [worker_id]).fetchall()
        return int(info[0]["requests"])

    without = await requests("idle")
    for number in range(12):
        library.add(jpeg(colour=f"rgb({number * 20}, 100, 100)"))
    trio = Jsonb({"operations": ["embedding", "faces", "objects"]})
    db.execute("update ai_processing_jobs set params = %s", [trio])
    # Some 3.3 each, and more where the machine is slow and leases are renewed meanwhile; there once were 18.
    assert (await requests("counting") - without) / 12 <= 5
