"""Keeping work, giving it back, and losing it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

pytestmark = pytest.mark.stack


def beat(job: dict[str, Any], progress: int | None = None, step: str | None = None) -> dict[str, Any]:
    fence = {name: job[name] for name in ("table", "id", "epoch")}
    return {**fence, "progress": progress, "step": step}


@pytest.fixture
def job(queue: Any) -> Any:
    kind, user = queue.kind(), queue.user()
    queue.enqueue(kind, user)
    return queue.take(kind)


def test_a_kept_lease_runs_from_now(queue: Any, job: Any) -> None:
    queue.db.execute("set kizu.test_now = '2100-05-01 12:00+00'")

    assert queue.extend([beat(job)], lease=90) == ["kept"]

    assert queue.row(job)["lease_expires_at"] == datetime(2100, 5, 1, 12, 1, 30, tzinfo=UTC)


def test_progress_never_goes_back(queue: Any, job: Any) -> None:
    seen = []
    for progress in (10, 40, 20, None, 1_000, -3):
        queue.extend([beat(job, progress)])
        seen.append(queue.row(job)["progress"])

    assert seen == [10, 40, 40, 40, 100, 100]


def test_a_step_stays_until_the_next(queue: Any, job: Any) -> None:
    queue.extend([beat(job, 10, "downloading")])
    queue.extend([beat(job, 20)])

    assert queue.row(job)["current_step"] == "downloading"


def test_steps_and_ends_become_events(queue: Any, job: Any) -> None:
    queue.extend([beat(job, 10, "downloading")])
    queue.extend([beat(job, 12, "downloading")])
    queue.extend([beat(job, 20, "uploading")])
    queue.settle(job)

    events = queue.rows(
        "select status, step, progress from job_events where job_id = %s order by id", job["id"]
    )

    assert [tuple(event.values()) for event in events] == [
        ("processing", None, 0),
        ("processing", "downloading", 10),
        ("processing", "uploading", 20),
        ("completed", "completed", 100),
    ]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"epoch": 2}, "an epoch of later"),
        ({"epoch": 0}, "an epoch of earlier"),
        ({"table": "image_processing_jobs"}, "another job table"),
        ({"table": "assets"}, "not a job table"),
        ({"table": "jobs"}, "the parent holds no jobs"),
        ({"table": None}, "no table"),
        ({"id": "00000000-0000-0000-0000-000000000000"}, "no such job"),
    ],
)
def test_what_is_not_held_is_lost(queue: Any, job: Any, changed: dict[str, Any], why: str) -> None:
    assert queue.extend([{**beat(job), **changed}]) == ["lost"], why


def test_another_workers_job_is_lost(queue: Any, job: Any) -> None:
    before = queue.row(job)
    assert queue.extend([beat(job, 50)], worker="w2") == ["lost"]
    assert queue.row(job) == before


def test_a_late_lease_is_kept_while_nobody_else_has_the_job(queue: Any, job: Any) -> None:
    queue.expire(job)
    assert queue.extend([beat(job)]) == ["kept"]


def test_verdicts_come_in_the_order_asked(queue: Any) -> None:
    kind, user = queue.kind(), queue.user()
    queue.enqueue_many(kind, user, 6)
    jobs = sorted(queue.claim(kind, 6)["jobs"], key=lambda job: job["id"], reverse=True)
    queue.settle(jobs[2])
    queue.value("select cancel_job(%s)", jobs[4]["id"])

    assert queue.extend([beat(job) for job in jobs]) == ["kept", "kept", "lost", "kept", "cancel", "kept"]
    assert queue.extend([]) == []


def test_released_work_costs_no_attempt(queue: Any, job: Any) -> None:
    before = queue.row(job)

    assert queue.release() == 1
    assert queue.release() == 0

    after = queue.row(job)
    assert (after["status"], after["attempts"], after["run_at"]) == ("pending", 0, before["run_at"])
    assert queue.take(job["kind"])["epoch"] == 2
    assert queue.value("select outcome from runs where job_id = %s", job["id"]) == "released"


def test_releasing_leaves_other_workers_alone(queue: Any, job: Any) -> None:
    assert queue.release("w2") == 0
    assert queue.row(job)["status"] == "processing"


def test_releasing_ends_what_should_be_cancelled(queue: Any, job: Any) -> None:
    queue.value("select cancel_job(%s)", job["id"])
    assert queue.release() == 1
    assert queue.row(job)["status"] == "cancelled"


def test_worker_that_was_cut_short_says_so_and_its_jobs_are_due_at_once(queue: Any) -> None:
    kind, user = queue.kind(), queue.user()
    queue.enqueue_many(kind, user, 4)
    life, another = "11111111-2222-4333-", "11111111-2222-4334-"
    ours = [
        queue.claim(kind, claim_id=f"{life}{end}")["jobs"][0]
        for end in ("0000-000000000000", "ffff-ffffffffffff")
    ]
    (elsewhere,) = queue.claim(kind, claim_id=f"{another}0000-000000000000")["jobs"]
    (other_name,) = queue.claim(kind, worker="w2", claim_id=f"{life}8000-000000000000")["jobs"]
    lose = "select lose_claims('w1', %s)"

    with queue.acting("authenticated", user):
        assert queue.value(lose, f"{life}9999-123456789012") == 0, "claimed by a worker for everybody"
    assert queue.value(lose, f"{life}9999-123456789012") == 2

    queue.value("select rescue_jobs()")
    assert [queue.row(job)["status"] for job in (*ours, elsewhere, other_name)] == [
        "pending",
        "pending",
        "processing",
        "processing",
    ]


def test_a_lost_workers_job_is_due_again_at_once(queue: Any, job: Any) -> None:
    queue.expire(job)

    answer = queue.claim(job["kind"], worker="w2")

    assert answer["rescued"] == 1
    (again,) = answer["jobs"]
    assert (again["id"], again["epoch"], again["crashes"], again["attempt"]) == (job["id"], 2, 1, 2)
    assert queue.extend([beat(job)]) == ["lost"]
    assert queue.settle(job)["answer"] == "lost"


def test_the_third_crash_is_the_jobs_own_fault(queue: Any, job: Any) -> None:
    for crashes in (1, 2, 3):
        queue.expire(job)
        assert queue.value("select rescue_jobs()") >= 1
        assert queue.row(job)["crashes"] == crashes
        if crashes < 3:
            queue.db.execute("update jobs set run_at = now() where id = %s", (job["id"],))
            queue.take(job["kind"])

    row = queue.row(job)
    assert (row["status"], row["error_code"]) == ("failed", "worker_lost")
    assert [error["code"] for error in row["errors"]] == ["worker_lost"] * 3
    outcomes = queue.rows("select outcome from runs where job_id = %s", job["id"])
    assert [run["outcome"] for run in outcomes] == ["worker_lost"] * 3


def test_a_second_crash_waits_a_moment(queue: Any, job: Any) -> None:
    queue.db.execute("update jobs set crashes = 1 where id = %s", (job["id"],))
    queue.expire(job)
    queue.db.execute("set kizu.test_now = '2100-05-01 12:00+00'")

    queue.value("select rescue_jobs()")

    delay = queue.row(job)["run_at"] - datetime(2100, 5, 1, 12, tzinfo=UTC)
    assert timedelta(0) <= delay <= timedelta(seconds=10)


def test_a_lost_job_that_should_stop_is_cancelled(queue: Any, job: Any) -> None:
    queue.value("select cancel_job(%s)", job["id"])
    queue.expire(job)
    queue.value("select rescue_jobs()")
    assert queue.row(job)["status"] == "cancelled"


def test_live_leases_and_other_kinds_are_not_rescued(queue: Any, job: Any) -> None:
    other = queue.kind()
    assert queue.claim(job["kind"])["rescued"] == 0
    queue.expire(job)
    assert queue.claim(other)["rescued"] == 0


def test_a_locked_job_is_left_to_its_settlement(queue: Any, job: Any, connect: Any) -> None:
    queue.expire(job)
    settling: psycopg.Connection = connect()
    with settling.transaction():
        settling.execute("select from public.jobs where id = %s for update", (job["id"],))
        assert queue.claim(job["kind"])["rescued"] == 0
