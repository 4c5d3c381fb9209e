"""What operators and owners do to jobs."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

pytestmark = pytest.mark.stack


def retry(queue: Any, dry_run: bool = False, **chosen: Any) -> Any:
    return queue.value("select retry_jobs(%s, %s)", Jsonb(chosen), dry_run)


def fail(queue: Any, kind: str, user: str, code: str = "timeout") -> str:
    queue.enqueue(kind, user)
    job = queue.take(kind)
    queue.settle(job, {"kind": "failed", "code": code})
    return str(job["id"])


def test_a_pending_job_is_cancelled_at_once(queue: Any) -> None:
    job_id = queue.enqueue(kind := queue.kind(), queue.user())
    assert queue.value("select cancel_job(%s)", job_id) == "cancelled"
    assert queue.value("select cancel_job(%s)", job_id) == "cancelled"
    assert queue.claim(kind)["jobs"] == []


def test_a_running_job_is_asked_to_stop(queue: Any) -> None:
    queue.enqueue(kind := queue.kind(), queue.user())
    job = queue.take(kind)
    assert queue.value("select cancel_job(%s)", job["id"]) == "cancelling"
    first = queue.row(job)["cancel_requested_at"]
    assert queue.value("select cancel_job(%s)", job["id"]) == "cancelling"
    assert queue.row(job)["cancel_requested_at"] == first
    assert queue.extend([job]) == ["cancel"]


def test_a_finished_job_stays_as_it_is(queue: Any) -> None:
    queue.enqueue(kind := queue.kind(), queue.user())
    queue.settle(job := queue.take(kind))
    assert queue.value("select cancel_job(%s)", job["id"]) == "already_finished"
    assert queue.row(job)["cancel_requested_at"] is None


def test_what_is_not_there_is_not_found(queue: Any) -> None:
    assert queue.value("select cancel_job(%s)", uuid.uuid4()) == "not_found"


@pytest.mark.parametrize("running", [0, 1, 2])
def test_id_in_two_job_tables_means_both(queue: Any, running: int) -> None:
    user, job_id = queue.user(), str(uuid.uuid4())
    tables = ("ai_processing_jobs", "image_processing_jobs")
    kinds = [queue.kind(table) for table in tables]
    for table, kind in zip(tables, kinds, strict=True):
        queue.insert(table, kind, user, job_id)
    jobs = [queue.take(kind) for kind in kinds[:running]]

    queue.value("select cancel_job(%s)", job_id)

    assert queue.claim(kinds, 2)["jobs"] == []
    assert queue.extend(jobs) == ["cancel"] * running
    for job in jobs:
        queue.settle(job, "cancelled")
    assert queue.value("select cancel_job(%s)", job_id) == "cancelled"


def test_a_dry_run_changes_nothing(queue: Any) -> None:
    kind, user = queue.kind(), queue.user()
    failed = fail(queue, kind, user)
    before = queue.row(failed)

    assert retry(queue, dry_run=True, kinds=[kind]) == {"dry_run": True, "ids": [failed], "count": 1}
    assert queue.value("select retry_jobs(%s)", Jsonb({"kinds": [kind]}))["dry_run"] is True
    assert queue.row(failed) == before


def test_a_job_put_back_starts_afresh_but_keeps_history_and_epoch(queue: Any) -> None:
    kind, user = queue.kind(), queue.user()
    failed = fail(queue, kind, user)

    assert retry(queue, ids=[failed]) == {"dry_run": False, "ids": [failed], "count": 1}

    row = queue.row(failed)
    assert (row["status"], row["attempts"], row["crashes"], row["error_code"]) == ("pending", 0, 0, None)
    assert len(row["errors"]) == 1
    assert queue.take(kind)["epoch"] == 2
    assert retry(queue, ids=[failed])["count"] == 0


def test_the_filter_chooses_by_kind_code_user_and_number(queue: Any) -> None:
    kind, other_kind, user, other = queue.kind(), queue.kind(), queue.user(), queue.user()
    slow = fail(queue, kind, user, "timeout")
    broken = fail(queue, kind, user, "unreadable")
    theirs = fail(queue, kind, other, "timeout")
    fail(queue, other_kind, user, "timeout")

    def chosen(**filters: Any) -> list[str]:
        return list(retry(queue, dry_run=True, **filters)["ids"])

    assert chosen(kinds=[kind]) == [slow, broken, theirs]
    assert chosen(kinds=[kind], codes=["timeout"]) == [slow, theirs]
    assert chosen(kinds=[kind], user_id=user) == [slow, broken]
    assert chosen(kinds=[kind], limit=1) == [slow]
    assert chosen(kinds=[]) == []
    assert chosen(ids=[]) == []


def test_an_unknown_filter_is_refused(queue: Any) -> None:
    with pytest.raises(psycopg.Error, match="bad_params"):
        retry(queue, kind="image_ai")


def test_cancelled_jobs_come_back_only_by_name(queue: Any) -> None:
    kind, user = queue.kind(), queue.user()
    cancelled = queue.enqueue(kind, user)
    queue.value("select cancel_job(%s)", cancelled)

    assert retry(queue, kinds=[kind])["count"] == 0
    assert retry(queue, ids=[cancelled])["count"] == 1
    assert queue.extend([queue.take(kind)]) == ["kept"]


def test_running_and_completed_jobs_are_not_put_back(queue: Any) -> None:
    kind, user = queue.kind(), queue.user()
    queue.enqueue_many(kind, user, 2)
    running, done = queue.claim(kind, 2)["jobs"]
    queue.settle(done)
    assert retry(queue, ids=[running["id"], done["id"]])["count"] == 0


def test_a_failed_job_whose_twin_runs_stays_failed(queue: Any) -> None:
    kind, user, params = queue.kind(), queue.user(), Jsonb({"same": 1})
    failed = []
    for _ in range(2):
        queue.enqueue(kind, user, p_params=params)
        queue.settle(job := queue.take(kind), {"kind": "failed", "code": "x"})
        failed.append(job["id"])
    twin = queue.enqueue(kind, user, p_params=params)

    assert retry(queue, kinds=[kind])["ids"] == []
    queue.value("select cancel_job(%s)", twin)
    assert retry(queue, kinds=[kind])["ids"] == [failed[1]]


def test_pruning_deletes_old_finished_jobs_with_their_events_and_never_failed_ones(queue: Any) -> None:
    kind, user = queue.kind(), queue.user()
    failed = fail(queue, kind, user)
    queue.enqueue_many(kind, user, 4)
    done, cancelled, running = queue.claim(kind, 3)["jobs"]
    queue.settle(done)
    queue.settle(cancelled, "cancelled")
    queue.db.execute(
        "update jobs set completed_at = completed_at - interval '40 days' where job_type = %s"
        " and completed_at is not null",
        (kind,),
    )

    assert queue.value("select prune_jobs(interval '30 days', 1)") == 1
    assert queue.value("select prune_jobs(interval '30 days')") == 1
    assert queue.value("select prune_jobs(interval '30 days')") == 0

    left = {str(row["id"]) for row in queue.rows("select id from jobs where job_type = %s", kind)}
    assert {failed, running["id"]} < left
    assert len(left) == 3
    assert queue.value("select count(*) from job_events where job_id = %s", done["id"]) == 0
    assert queue.value("select count(*) from runs where job_id = %s", done["id"]) == 1


def test_recent_jobs_are_not_pruned(queue: Any) -> None:
    queue.enqueue(kind := queue.kind(), queue.user())
    queue.settle(queue.take(kind))
    queue.value("select prune_jobs(%s)", timedelta(days=1))
    assert queue.value("select count(*) from jobs where job_type = %s", kind) == 1


def test_stats_count_by_kind_status_and_code(queue: Any) -> None:
    kind, user = queue.kind(), queue.user()
    fail(queue, kind, user, "timeout")
    fail(queue, kind, user, "unreadable")
    queue.enqueue(kind, user)
    queue.take(kind)
    queue.enqueue(kind, user)
    queue.enqueue(kind, user, p_run_at="2100-01-01 00:00+00")

    with queue.acting("authenticated", user):
        stats = queue.value("select job_stats()")

    assert all(row.pop("oldest_seconds") >= 0 for row in stats)
    assert stats == [
        {"kind": kind, "status": "failed", "count": 1, "error_code": "timeout"},
        {"kind": kind, "status": "failed", "count": 1, "error_code": "unreadable"},
        {"kind": kind, "status": "pending", "count": 2, "due": 1, "waiting": 1},
        {"kind": kind, "status": "processing", "count": 1},
    ]


def test_a_worker_announces_itself_and_its_end(queue: Any) -> None:
    user = queue.user()
    with queue.acting("authenticated", user):
        queue.value("select announce_worker('nas', %s)", Jsonb({"device": "cpu"}))
        queue.value("select announce_worker('nas', %s)", Jsonb({"device": "gpu"}))
        (running,) = queue.rows("select worker_id, info, stopped_at from workers")
        queue.value("select announce_worker('nas', %s)", Jsonb({"stopped": True}))
        (stopped,) = queue.rows("select info, stopped_at from workers")

    assert running == {"worker_id": "nas", "info": {"device": "gpu"}, "stopped_at": None}
    assert stopped["info"] == {"device": "gpu"}
    assert stopped["stopped_at"] is not None
