"""The chaos program: its short form passes, and its checks find what they are there to find."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from scripts.chaos_lab.crowd import note_wishes
from scripts.chaos_lab.handler import ChaosParams, writes_of
from scripts.chaos_lab.schema import SCHEMA
from scripts.chaos_lab.verdict import GENERATION_CHECKS, JOB_CHECKS, judge
from scripts.chaos_lab.wish import COMPLETED, REFUSED, Wish
from tests.paths import ROOT
from worker.core.job import Done, Failed, Run
from worker.core.queue import SettleAnswer
from worker.project.queue import SupabaseQueue

pytestmark = pytest.mark.stack

WORKER = "chaos-test"
JSON = {"p_settlements", "p_jobs", "p_info"}

FORGERIES = [
    ("lost", "a completed job has no rows", "delete from public.chaos_facts"),
    ("lost", "a wish has no job", "delete from public.jobs where status = 'completed'"),
    (
        "lost",
        "a job that should be done was given up",
        "update public.jobs set status = 'failed', error_code = 'worker_lost' where status = 'completed'",
    ),
    (
        "lost",
        "a job that should have failed still waits",
        "update public.jobs set status = 'pending', completed_at = null where status = 'failed'",
    ),
    (
        "doubled",
        "a wish became two jobs",
        (
            "insert into public.ai_processing_jobs (user_id, asset_id, job_type, params)"
            " select user_id, asset_id, job_type, params from public.jobs where status = 'completed'"
        ),
    ),
    (
        "doubled",
        "a job was done in two runs",
        (
            "insert into public.runs (job_id, job_table, epoch, attempt, user_id, kind, worker_id, outcome,"
            " started_at, finished_at)"
            " select job_id, job_table, epoch + 1, attempt, user_id, kind, worker_id, outcome,"
            " started_at, finished_at from public.runs where outcome = 'done'"
        ),
    ),
    (
        "doubled",
        "two runs wrote rows, and only the last ones are left",
        (
            "insert into chaos.applied (job_id, run_id, epoch, place)"
            " select job_id, gen_random_uuid(), epoch, place from chaos.applied"
        ),
    ),
    (
        "doubled",
        "an asset was marked twice",
        "insert into chaos.marked (asset_id, job_id, epoch) select asset_id, job_id, epoch from chaos.marked",
    ),
    ("half_written", "one row is missing", "delete from public.chaos_facts where place = 0"),
    (
        "half_written",
        "one row is another run's",
        "update public.chaos_facts set run_id = gen_random_uuid() where place = 0",
    ),
    (
        "half_written",
        "a refused job has left rows",
        "update chaos.applied set job_id = (select id from chaos.jobs where status = 'failed')",
    ),
    ("half_written", "the rows are there and the mark is not", "delete from chaos.marked"),
    ("stale", "the rows are an older claim's", "update public.chaos_facts set epoch = epoch - 1"),
    ("stale", "the job was claimed again after it was done", "update public.jobs set lease_epoch = 2"),
    (
        "stale",
        "an older epoch wrote after a newer one",
        (
            "insert into chaos.applied (job_id, run_id, epoch, place)"
            " select job_id, run_id, 0, place from chaos.applied"
        ),
    ),
    (
        "stale",
        "the asset has another mark than the last",
        "update public.assets set ai_model_versions = '{}' where id in (select asset_id from chaos.jobs)",
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
    ("unaccounted", "an end has no claim", "update public.runs set epoch = 0 where outcome = 'done'"),
    (
        "trespassed",
        "a personal worker had another user's job",
        (
            f"insert into public.workers (owner, worker_id) select id, '{WORKER}' from auth.users"
            " where id not in (select user_id from chaos.jobs) limit 1"
        ),
    ),
]


@pytest.fixture
async def settled(
    db: psycopg.Connection[Any], make_user: Callable[[], Any]
) -> AsyncIterator[psycopg.Connection[Any]]:
    """One completed and one refused job, settled as they should be; afterwards all of it is undone."""
    owner, _stranger = make_user(), make_user()
    with db.transaction(force_rollback=True):
        db.execute("delete from public.jobs")  # those of other tests are none of the forgeries' business
        db.execute(SCHEMA)
        asset_id = value_of(
            db,
            "insert into public.assets (user_id, media_type) values (%s, 'document') returning id",
            [owner.user_id],
        )
        wishes = [
            a_wish(UUID(owner.user_id), asset_id, slot, how) for slot, how in enumerate([COMPLETED, REFUSED])
        ]
        note_wishes(db, wishes)
        for wish in wishes:
            await settle(db, wish)
        yield db


def test_an_honest_queue_passes(settled: psycopg.Connection[Any]) -> None:
    verdict = judge(settled)
    assert verdict.is_clean, verdict.broken
    assert (verdict.jobs, verdict.completed, verdict.failed_as_expected) == (2, 1, 1)


@pytest.mark.parametrize(
    ("check", "forgery"), [pytest.param(c, sql, id=f"{c}: {why}") for c, why, sql in FORGERIES]
)
def test_a_forgery_is_found(settled: psycopg.Connection[Any], check: str, forgery: str) -> None:
    settled.execute(forgery)
    assert judge(settled).broken[check]


def test_every_check_has_a_forgery() -> None:
    assert {check for check, _, _ in FORGERIES} == {check.name for check in JOB_CHECKS}


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_models")  # whose libraries make those that are changed
def test_short_sieges_cost_no_innocent_anything() -> None:
    run = subprocess.run(
        [ROOT / "scripts/chaos", "--sieges", "--short", "--json"],
        env={**os.environ, "KIZU_SKIP_INSTALL": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    *sieges, change = json.loads(run.stdout)["sieges"]
    assert [siege["siege"] for siege in sieges] == [
        "storage away",
        "killer among others",
        "worker asleep",
        "snapshot held open",
        "disk full",
    ]
    assert [siege["jobs"] for siege in sieges] == [78, 41, 40, 80, 11]
    assert sieges[-1]["seconds"] > 12, "the photos had to wait for the disk"
    assert change["siege"] == "models changed"
    assert {check.name: change[check.name] for check in GENERATION_CHECKS} == {
        check.name: 0 for check in GENERATION_CHECKS
    }
    assert change["photos"] >= 40
    assert change["searches"] >= 150
    assert change["asked_again"] >= 1, "somebody stayed with the generation until it was dropped"
    assert change["kills"] == 4


@pytest.mark.slow
def test_the_short_form_loses_and_doubles_nothing() -> None:
    run = subprocess.run(
        [ROOT / "scripts/chaos", "--short", "--json"],
        # An installation would exchange the packages under tests that run beside this one.
        env={**os.environ, "KIZU_SKIP_INSTALL": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads(run.stdout)
    assert found["jobs"] == found["completed"] + found["failed_as_expected"] == 200
    assert {check.name: found[check.name] for check in JOB_CHECKS} == {check.name: 0 for check in JOB_CHECKS}
    happened = found["happened"]
    assert happened["kill_database"] == happened["restart_database"] == 1
    assert happened["killed"] >= 6
    assert happened["settled and dropped"] >= 1
    assert happened["ghosts lost"] >= 1
    assert found["rescued"] >= 5


def a_wish(user_id: UUID, asset_id: UUID, slot: int, expected: str) -> Wish:
    return Wish(
        kind="chaos_ai",
        user_id=user_id,
        asset_id=asset_id,
        slot=slot,
        rows=3,
        expected=expected,
        faults=(),
        seconds=0,
    )


async def settle(db: psycopg.Connection[Any], wish: Wish) -> None:
    """Take one wish through the queue as a worker does, without a gateway."""

    async def rpc(function: str, params: Mapping[str, Any], *, within: float) -> Any:
        values = {name: Jsonb(value) if name in JSON else value for name, value in params.items()}
        named = ", ".join(f"{name} => %({name})s" for name in values)
        return value_of(db, f"select public.{function}({named})", values)

    queue = SupabaseQueue(rpc, WORKER, lease_seconds=60)
    asked = [wish.kind, wish.asset_id, Jsonb(wish.params)]
    db.execute("select public.enqueue_job(%s, %s, %s)", asked)
    [job] = (await queue.claim([wish.kind], 1, uuid4())).jobs
    writes = writes_of(ChaosParams.model_validate(job.params), job)
    answered = await queue.settle(job, Done(result={"epoch": job.epoch}, writes=writes), Run())
    if answered.answer is SettleAnswer.REFUSED:
        await queue.settle(job, Failed(code=REFUSED, message="as it should be"), Run())


def value_of(db: psycopg.Connection[Any], query: str, values: Any) -> Any:
    row = db.execute(query, values).fetchone()
    assert row is not None
    return row[0]
