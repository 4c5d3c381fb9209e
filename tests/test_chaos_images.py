"""Chaos about photos: its short form passes, and its checks find what they are there to find."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from models.results import Box, Caption, DetectedObject, Face, Reading
from scripts.chaos_lab.crowd import sign_up
from scripts.chaos_lab.images.photos import Photo, draw_photo
from scripts.chaos_lab.images.schema import SCHEMA
from scripts.chaos_lab.images.trial import add_assets, note_photo, note_wishes, path_of
from scripts.chaos_lab.images.wish import KIND, Wish, uploads
from scripts.chaos_lab.images.witness import BUCKET
from scripts.chaos_lab.verdict import IMAGE_CHECKS, judge
from tests.paths import ROOT
from worker.context import Context
from worker.core.queue import SettleAnswer
from worker.core.record import Record
from worker.files.storage import StoredFile
from worker.generations import Generations
from worker.handlers.image_ai import HANDLER
from worker.local.stack import StackInfo
from worker.pictures import Pictures
from worker.pixels import PixelThreads
from worker.project.queue import SupabaseQueue
from worker.settings import Settings
from worker.testing import FakeModels, MemoryRows, MemoryStaging

pytestmark = pytest.mark.stack

WORKER = "chaos-test"
JSON = {"p_settlements", "p_jobs", "p_info", "p_params", "p_model"}
THINGS = (
    DetectedObject(name="dog", class_id=16, score=0.75, box=Box(x=0.1, y=0.1, width=0.2, height=0.2)),
    DetectedObject(name="dog", class_id=16, score=0.70, box=Box(x=0.5, y=0.1, width=0.2, height=0.2)),
    DetectedObject(name="cat", class_id=15, score=0.60, box=Box(x=0.5, y=0.5, width=0.2, height=0.2)),
)

ANOTHER_RUN = "(select id from chaos.done where operations <> '{describe,faces}' order by place limit 1)"
ANOTHER_MODEL = (
    "insert into public.generations (kind, model_version, dimension, state)"
    " values ('pictures', 'another', 512, 'filling')"
)
FORGERIES = [
    ("lost", "a wish has no job", "delete from public.jobs where params ? 'slot'"),
    (
        "lost",
        "a job failed",
        "update public.jobs set status = 'failed', error_code = 'model_failed' where status = 'completed'",
    ),
    ("lost", "a photo has no vector", "delete from public.image_embeddings"),
    (
        "lost",
        "a description was asked for and is not there",
        "delete from public.image_descriptions where detail_level = 'brief'",
    ),
    ("lost", "a face is missing", "delete from public.face_embeddings where face_index = 1"),
    (
        "lost",
        "a face was made anew by a later look",
        (
            "update chaos.history set detail = jsonb_build_object('row', gen_random_uuid())"
            f" where fact = 'face_embeddings' and run_id = {ANOTHER_RUN}"
        ),
    ),
    ("lost", "a crop is missing", "delete from public.derived_assets where key like '%/face-%-1.jpg'"),
    (
        "doubled",
        "a wish became two jobs",
        (
            "insert into public.ai_processing_jobs (user_id, asset_id, job_type, params)"
            " select user_id, asset_id, job_type, params from public.jobs where params ? 'slot'"
        ),
    ),
    (
        "doubled",
        "a job was done in two runs",
        (
            "insert into public.runs (job_id, job_table, epoch, attempt, user_id, asset_id, kind, worker_id,"
            " outcome, started_at, finished_at)"
            " select job_id, job_table, epoch + 1, attempt, user_id, asset_id, kind, worker_id, outcome,"
            " started_at, finished_at from public.runs where outcome = 'done'"
        ),
    ),
    (
        "doubled",
        "a photo has two vectors",
        (
            f"{ANOTHER_MODEL}; "
            "insert into public.image_embeddings (user_id, asset_id, run_id, embedding, model_version)"
            " select user_id, asset_id, run_id, embedding, 'another' from public.image_embeddings"
        ),
    ),
    (
        "doubled",
        "a face is there twice",
        (
            "insert into public.face_embeddings"
            " (user_id, asset_id, run_id, face_index, embedding, bounding_box, model_version)"
            " select user_id, asset_id, run_id, 9, embedding, bounding_box, model_version"
            " from public.face_embeddings where face_index = 0"
        ),
    ),
    (
        "doubled",
        "a thing is there twice",
        (
            "insert into public.detected_objects"
            " (user_id, asset_id, run_id, object_class, confidence, bounding_box, model_version)"
            " select user_id, asset_id, run_id, object_class, confidence, bounding_box, model_version"
            " from public.detected_objects"
        ),
    ),
    (
        "half_written",
        "a run wrote fewer things than it counted",
        "delete from chaos.history where fact = 'detected_objects'",
    ),
    (
        "half_written",
        "a run left a face that was there as it was",
        (
            "delete from chaos.history where id = ("
            "select max(id) from chaos.history where fact = 'face_embeddings')"
        ),
    ),
    (
        "half_written",
        "a run wrote one face twice and another not",
        (
            "update chaos.history as entry set detail = other.detail from chaos.history as other"
            " where entry.fact = 'face_embeddings' and other.id = ("
            "select max(id) from chaos.history where fact = 'face_embeddings')"
        ),
    ),
    (
        "half_written",
        "a run was applied twice",
        "update public.face_embeddings set run_id = run_id",
    ),
    ("half_written", "a run left no note", "delete from chaos.history where fact = 'assets'"),
    (
        "half_written",
        "a run wrote what it was not asked for",
        (
            "insert into chaos.history (fact, asset_id, run_id, detail)"
            " select 'image_text', asset_id, id, '{}' from chaos.done where operations = '{describe,faces}'"
        ),
    ),
    (
        "half_written",
        "a run that was not settled wrote",
        "update chaos.history set run_id = gen_random_uuid() where fact = 'asset_hashes'",
    ),
    (
        "half_written",
        "a run wrote another photo's facts",
        (
            "update chaos.history as entry set asset_id = other.asset_id from chaos.photos as other"
            " where entry.fact = 'asset_hashes' and other.asset_id <> entry.asset_id"
        ),
    ),
    (
        "half_written",
        "a run described on another level",
        "update chaos.history set detail = '{\"level\": \"detailed\"}' where fact = 'image_descriptions'",
    ),
    (
        "half_written",
        "of what a run wrote not everything is there",
        "delete from public.detected_objects where confidence = 0.75",
    ),
    (
        "half_written",
        "the faces' numbers have a gap",
        "update public.face_embeddings set face_index = 7 where face_index = 1",
    ),
    (
        "half_written",
        "a tag is of nothing that is there",
        "update public.asset_tags set tag_value = 'cow' where tag_value = 'cat'",
    ),
    (
        "stale",
        "the faces are an earlier run's",
        f"update public.face_embeddings set run_id = {ANOTHER_RUN}",
    ),
    (
        "stale",
        "a vector is of a run that did not win",
        "update public.image_embeddings set run_id = null",
    ),
    (
        "stale",
        "one crop is an earlier run's",
        f"update public.derived_assets set run_id = {ANOTHER_RUN} where key like '%/face-%-0.jpg'",
    ),
    (
        "stale",
        "the job was claimed again after it was done",
        "update public.jobs set lease_epoch = 2 where status = 'completed'",
    ),
    ("mistaken", "the digest is of another file", "update public.asset_hashes set sha256 = repeat('a', 64)"),
    (
        "mistaken",
        "the looks are of another picture",
        "update public.asset_hashes set perceptual_hash = ~perceptual_hash",
    ),
    (
        "mistaken",
        "a face lies where none was drawn",
        "update public.face_embeddings set bounding_box = bounding_box || '{\"x\": 0}' where face_index = 1",
    ),
    ("misfiled", "a crop has no file", "update chaos.files set bytes = null, sha256 = null"),
    (
        "misfiled",
        "a crop's file is cut off",
        "update chaos.files set bytes = bytes - 1 where key like '%/face-%-0.jpg'",
    ),
    (
        "misfiled",
        "the crops' file is another's",
        "update public.derived_assets set sha256 = repeat('a', 64)",
    ),
    (
        "misfiled",
        "a face has no crop",
        "update public.face_embeddings set face_thumbnail_url = null where face_index = 0",
    ),
    (
        "misfiled",
        "a crop has no face",
        "delete from public.face_embeddings where face_index = 1",
    ),
    (
        "misfiled",
        "two faces have each other's crop",
        (
            "update public.face_embeddings as face set face_thumbnail_url = other.face_thumbnail_url"
            " from public.face_embeddings as other"
            " where other.asset_id = face.asset_id and other.face_index = 1 - face.face_index"
        ),
    ),
    (
        "misfiled",
        "a crop was made by another attempt",
        "update public.derived_assets set key = replace(key, '.1/', '.0/')",
    ),
    (
        "misfiled",
        "an original is gone",
        "delete from chaos.files where key in (select path from chaos.photos)",
    ),
    (
        "misremembered",
        "an operation was forgotten",
        "update public.assets set ai_operations = ai_operations - 'ocr'",
    ),
    (
        "misremembered",
        "an operation is known that nobody ran",
        'update public.assets set ai_operations = ai_operations || \'{"dreams": {"ok": true}}\'',
    ),
    (
        "misremembered",
        "another model is named",
        f"{ANOTHER_MODEL}; update public.image_embeddings set model_version = 'another'",
    ),
    (
        "misremembered",
        "what is known is older than the last run",
        (
            "update chaos.history set detail = jsonb_set(detail, '{faces,at}', '\"1970-01-01\"')"
            " where fact = 'assets'"
        ),
    ),
    (
        "misremembered",
        "a photo would be looked at again",
        "update public.assets set ai_operations = jsonb_set(ai_operations, '{hashes,version}', '\"0\"')",
    ),
    (
        "survived",
        "models outlived their worker",
        "insert into chaos.survivors values (4711, 'models.serving.host')",
    ),
    (
        "unreleased",
        "a job is still held",
        (
            "update public.jobs set status = 'processing', completed_at = null, claim_id = gen_random_uuid(),"
            " lease_expires_at = now() where status = 'completed'"
        ),
    ),
    ("unaccounted", "a claim has no end", "update public.jobs set lease_epoch = lease_epoch + 1"),
    (
        "trespassed",
        "a personal worker had another user's job",
        (
            f"insert into public.workers (owner, worker_id) select id, '{WORKER}' from auth.users"
            " where id not in (select user_id from chaos.jobs) limit 1"
        ),
    ),
]


@pytest.fixture(scope="module")
def honest(stack: StackInfo) -> Iterator[psycopg.Connection[Any]]:
    """Two photos, one with three faces and one with none, looked at as they should be; in the end all is
    undone."""
    owner, _stranger = sign_up(stack).id, sign_up(stack)
    with (
        psycopg.connect(stack.database_url, autocommit=True) as db,
        db.transaction(force_rollback=True),
    ):
        db.execute("delete from public.jobs")
        db.execute(SCHEMA)
        asyncio.run(look_at_two_photos(db, owner))
        yield db


@pytest.fixture
def looked_at(honest: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    with honest.transaction(force_rollback=True):
        yield honest


def test_honest_work_passes(looked_at: psycopg.Connection[Any]) -> None:
    verdict = judge(looked_at, IMAGE_CHECKS)
    assert verdict.is_clean, verdict.broken
    assert (verdict.jobs, verdict.completed) == (3, 3)


def test_the_history_knows_what_was_replaced(looked_at: psycopg.Connection[Any]) -> None:
    rows = looked_at.execute("select fact, count(*) from chaos.history group by fact").fetchall()
    assert dict(rows) == {
        "runs": 3,
        "assets": 3,
        "image_embeddings": 2,
        "face_embeddings": 6,
        "derived_assets": 6,
        "detected_objects": 6,
        "asset_tags": 4,
        "image_text": 2,
        "image_descriptions": 3,
        "asset_hashes": 2,
        "asset_quality": 2,
    }


@pytest.mark.parametrize(
    ("check", "forgery"), [pytest.param(c, sql, id=f"{c}: {why}") for c, why, sql in FORGERIES]
)
def test_a_forgery_is_found(looked_at: psycopg.Connection[Any], check: str, forgery: str) -> None:
    looked_at.execute(forgery)
    assert judge(looked_at, IMAGE_CHECKS).broken[check]


def test_every_check_has_a_forgery() -> None:
    assert {check for check, _, _ in FORGERIES} == {check.name for check in IMAGE_CHECKS}


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_models")
def test_the_short_form_loses_and_doubles_nothing() -> None:
    run = subprocess.run(
        [ROOT / "scripts/chaos", "--images", "--short", "--json"],
        env={**os.environ, "KIZU_SKIP_INSTALL": "1"},  # what the fixture found is enough
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads(run.stdout)
    assert found["jobs"] == found["completed"] >= 40
    assert {check.name: found[check.name] for check in IMAGE_CHECKS} == {
        check.name: 0 for check in IMAGE_CHECKS
    }
    happened = found["happened"]
    assert happened["kill_database"] == happened["restart_database"] == 1
    assert happened["killed"] >= 3
    assert happened["host kills"] >= 2
    assert found["rescued"] >= 1


async def look_at_two_photos(db: psycopg.Connection[Any], owner: UUID) -> None:
    dice = random.Random(1)
    crowd, empty = (owner, uuid4()), (owner, uuid4())
    photos = {crowd[1]: draw_photo(3, dice), empty[1]: draw_photo(0, dice)}
    later = Wish(user_id=owner, asset_id=crowd[1], slot=1, operations=["describe", "faces"], level="brief")
    note_wishes(db, [*uploads([crowd, empty]), later])
    for asset, photo in photos.items():
        note_photo(db, owner, asset, photo)
        note_file(db, path_of(owner, asset), photo.sha256, len(photo.data))
    add_assets(db, [crowd, empty])
    await look_at_all(db, photos)
    db.execute("select public.enqueue_job(%(p_kind)s, %(p_asset_id)s, %(p_params)s)", in_sql(later.asked))
    await look_at_all(db, photos)


async def look_at_all(db: psycopg.Connection[Any], photos: Mapping[UUID, Photo]) -> None:
    """Take every pending job through handler and queue as a worker does, with models that see well."""

    async def rpc(function: str, params: Mapping[str, Any], *, within: float) -> Any:
        named = ", ".join(f"{name} => %({name})s" for name in params)
        row = db.execute(f"select public.{function}({named})", in_sql(params)).fetchone()
        assert row is not None
        return row[0]

    queue = SupabaseQueue(rpc, WORKER, lease_seconds=60)
    for job in (await queue.claim([KIND], 16, uuid4())).jobs:
        assert job.asset_id is not None
        record = Record()
        photo = photos[job.asset_id]
        files: Any = Files(db, photo)
        pixels = PixelThreads(1)
        settings = Settings(supabase_url="http://127.0.0.1:1", worker_id=WORKER)
        try:
            context = Context(
                job=job,
                files=files,
                models=seeing(photo),
                generations=Generations(rpc, settings),
                rows=MemoryRows(),
                staging=MemoryStaging(),
                settings=settings,
                pixels=pixels,
                pictures=Pictures(files, pixels, max_pixels=10**6),
                record=record,
                progress=lambda percent, step: None,
            )
            done = await HANDLER.perform(job, context)
        finally:
            pixels.close()
        settled = await queue.settle(job, done, record.run(HANDLER.kind, HANDLER.version))
        assert settled.answer is SettleAnswer.SETTLED, settled


def in_sql(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: Jsonb(value) if name in JSON else value for name, value in params.items()}


class Files:
    """One photo's, and what is stored is noted as if it had been found there afterwards."""

    def __init__(self, db: psycopg.Connection[Any], photo: Photo) -> None:
        self._db = db
        self._photo = photo

    async def fetch(self, source: str, user_id: UUID) -> BytesIO:
        return BytesIO(self._photo.data)

    async def fetch_version(self, source: str, user_id: UUID) -> tuple[BytesIO, None]:
        return await self.fetch(source, user_id), None

    def stored_object(self, source: str, user_id: UUID) -> None:
        return None

    async def upload(self, bucket: str, key: str, data: bytes, mime_type: str) -> StoredFile:
        assert bucket == BUCKET
        note_file(self._db, key, "0" * 64, len(data))
        return StoredFile(bucket=bucket, key=key, bytes=len(data), mime_type=mime_type, sha256="0" * 64)

    async def remove(self, bucket: str, keys: Sequence[str]) -> None:
        raise AssertionError("nothing fails here")


def seeing(photo: Photo) -> FakeModels:
    faces = tuple(
        Face(
            box=Box(x=x - 0.06, y=y - 0.08, width=0.12, height=0.16),
            score=0.9,
            landmarks=((x, y),) * 5,
            embedding=(1.0, *[0.0] * 511),
        )
        for x, y in photo.faces
    )
    return FakeModels(
        embed=lambda frame: (1.0, *[0.0] * 511),
        faces=lambda frame: faces,
        objects=lambda frame: THINGS,
        ocr=lambda frame: Reading(regions=(), languages=("en",)),
        caption=lambda asked: Caption(text="Blobs.", level=asked.level, seconds=0.1, cut_short=False),
    )


def note_file(db: psycopg.Connection[Any], key: str, sha256: str, size: int) -> None:
    db.execute("insert into chaos.files (key, bytes, sha256) values (%s, %s, %s)", [key, size, sha256])
