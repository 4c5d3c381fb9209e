"""Taking work."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

pytestmark = pytest.mark.stack


def test_a_claimed_job_says_what_a_worker_needs(queue: Any) -> None:
    user, kind = queue.user(), queue.kind()
    asset = queue.asset(user)
    job_id = queue.enqueue(kind, user, asset)

    (job,) = queue.claim(kind)["jobs"]

    path = queue.value("select path from public.assets where id = %s", asset)
    assert job == {
        "table": "ai_processing_jobs",
        "id": job_id,
        "kind": kind,
        "user_id": user,
        "asset_id": asset,
        "asset": {
            "path": path,
            "web_uri": None,
            "file_name": None,
            "file_modified_at": None,
            "sidecars": [],
            "language": "en",
        },
        "params": job["params"],
        "attempt": 1,
        "max_attempts": 5,
        "epoch": 1,
        "crashes": 0,
        "priority": 100,
    }
    row = queue.row(job_id)
    assert (row["status"], row["worker_id"], row["progress"]) == ("processing", "w1", 0)
    assert row["picked_up_at"] is not None
    lease = row["lease_expires_at"] - row["picked_up_at"]
    assert lease == timedelta(seconds=60)


def test_all_job_tables_are_claimed_in_one_call(queue: Any) -> None:
    user = queue.user()
    tables = ["ai_processing_jobs", "image_processing_jobs", "video_transcoding_jobs"]
    kinds = [queue.kind(table) for table in tables]
    for kind in kinds:
        queue.enqueue(kind, user)

    jobs = queue.claim(kinds, 10)["jobs"]

    assert sorted(job["table"] for job in jobs) == tables


def test_better_priorities_go_first_across_kinds(queue: Any) -> None:
    user, one, other = queue.user(), queue.kind(), queue.kind("image_processing_jobs")
    ordinary = queue.enqueue(one, user, p_priority=100)
    waiting = queue.enqueue(other, user, p_priority=0)
    later = queue.enqueue(one, user, p_priority=200)

    order = [queue.claim([one, other])["jobs"][0]["id"] for _ in range(3)]

    assert order == [waiting, ordinary, later]


def test_the_oldest_of_a_user_goes_first(queue: Any) -> None:
    user, kind = queue.user(), queue.kind()
    now = datetime.now(UTC)
    second = queue.enqueue(kind, user, p_run_at=now - timedelta(minutes=1))
    first = queue.enqueue(kind, user, p_run_at=now - timedelta(minutes=2))

    assert [queue.take(kind)["id"] for _ in range(2)] == [first, second]


def test_the_limit_is_kept_and_is_at_most_a_hundred(queue: Any) -> None:
    user, kind = queue.user(), queue.kind()
    queue.enqueue_many(kind, user, 120)

    assert len(queue.claim(kind, 3)["jobs"]) == 3
    assert len(queue.claim(kind, 10_000)["jobs"]) == 100
    assert queue.claim(kind, -1)["jobs"] == []


def test_a_limit_over_several_users_and_kinds_is_filled(queue: Any) -> None:
    kinds = [queue.kind(), queue.kind("image_processing_jobs")]
    for user in [queue.user() for _ in range(5)]:
        for kind in kinds:
            queue.enqueue_many(kind, user, 2)

    jobs = queue.claim(kinds, 17)["jobs"]

    assert len({job["id"] for job in jobs}) == 17


@pytest.mark.parametrize(("asked", "given"), [(0, 1), (-5, 1), (600, 600), (999_999, 3600)])
def test_a_lease_is_between_a_second_and_an_hour(queue: Any, asked: int, given: int) -> None:
    user, kind = queue.user(), queue.kind()
    queue.enqueue(kind, user)
    job = queue.row(queue.take(kind, lease=asked))
    assert job["lease_expires_at"] - job["picked_up_at"] == timedelta(seconds=given)


def test_the_same_claim_answers_with_the_same_jobs_and_takes_no_more(queue: Any) -> None:
    user, kind, claim_id = queue.user(), queue.kind(), str(uuid.uuid4())
    queue.enqueue_many(kind, user, 5)

    first = queue.claim(kind, 2, claim_id=claim_id)
    again = queue.claim(kind, 2, claim_id=claim_id)

    assert len(first["jobs"]) == 2
    assert again["jobs"] == first["jobs"]
    assert queue.value("select count(*) from jobs where job_type = %s and status = 'processing'", kind) == 2


def test_a_replayed_claim_leaves_out_what_is_settled(queue: Any) -> None:
    user, kind, claim_id = queue.user(), queue.kind(), str(uuid.uuid4())
    queue.enqueue_many(kind, user, 5)
    done, held = queue.claim(kind, 2, claim_id=claim_id)["jobs"]
    queue.settle(done)

    assert queue.claim(kind, 2, claim_id=claim_id)["jobs"] == [held]


def test_another_worker_does_not_get_a_claim_by_its_id(queue: Any) -> None:
    user, kind, claim_id = queue.user(), queue.kind(), str(uuid.uuid4())
    queue.enqueue(kind, user)
    queue.claim(kind, claim_id=claim_id, worker="w1")

    assert queue.claim(kind, claim_id=claim_id, worker="w2")["jobs"] == []


def test_a_claim_sent_twice_at_once_waits_for_itself(
    queue: Any, connect: Callable[[], psycopg.Connection]
) -> None:
    user, kind, claim_id = queue.user(), queue.kind(), str(uuid.uuid4())
    queue.enqueue_many(kind, user, 4)
    first, second = connect(), connect()
    statement = "select claim_jobs('w1', %s, 2, 60, %s)"
    answers: list[Any] = []

    with first.transaction():
        (held,) = first.execute(statement, ([kind], claim_id)).fetchone() or ()
        thread = threading.Thread(
            target=lambda: answers.extend(second.execute(statement, ([kind], claim_id)).fetchone() or ())
        )
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
    thread.join(10)

    assert answers[0]["jobs"] == held["jobs"]


def test_a_job_that_is_not_due_is_not_claimed_and_says_when_it_will_be(queue: Any) -> None:
    user, kind = queue.user(), queue.kind()
    queue.db.execute("set kizu.test_now = '2026-05-01 12:00+00'")
    queue.enqueue(kind, user, p_run_at=datetime(2026, 5, 1, 12, 1, 30, tzinfo=UTC))

    answer = queue.claim(kind)
    assert answer == {"jobs": [], "next_due_seconds": 90, "rescued": 0}

    queue.db.execute("set kizu.test_now = '2026-05-01 12:01:30+00'")
    assert len(queue.claim(kind)["jobs"]) == 1


def test_next_due_is_zero_with_a_backlog_and_null_without(queue: Any) -> None:
    user, kind = queue.user(), queue.kind()
    queue.enqueue_many(kind, user, 2)

    assert queue.claim(kind)["next_due_seconds"] == 0
    assert queue.claim(kind)["next_due_seconds"] is None
    assert queue.claim(kind)["next_due_seconds"] is None


def test_next_due_looks_at_all_kinds_and_priorities(queue: Any) -> None:
    user, one, other = queue.user(), queue.kind(), queue.kind("video_transcoding_jobs")
    queue.db.execute("set kizu.test_now = '2026-05-01 12:00+00'")
    for kind, priority, seconds in ((one, 0, 50), (one, 100, 30), (other, 7, 20), (other, 9, 40)):
        queue.enqueue(
            kind, user, p_priority=priority, p_run_at=datetime(2026, 5, 1, 12, 0, seconds, tzinfo=UTC)
        )

    assert queue.claim([one, other])["next_due_seconds"] == 20
    assert queue.claim(one)["next_due_seconds"] == 30


def test_kinds_that_a_worker_does_not_know_are_left_alone(queue: Any) -> None:
    user, known, unknown = queue.user(), queue.kind(), queue.kind()
    queue.enqueue(unknown, user)

    assert queue.claim(known)["jobs"] == []
    assert queue.claim([])["jobs"] == []


def test_a_kind_named_twice_is_one_kind(queue: Any) -> None:
    user, kind = queue.user(), queue.kind()
    queue.enqueue_many(kind, user, 6)
    assert len({job["id"] for job in queue.claim([kind, kind], 6)["jobs"]}) == 6


def test_a_claim_needs_a_worker(queue: Any) -> None:
    with pytest.raises(psycopg.Error, match="bad_params") as raised:
        queue.claim(queue.kind(), worker="")
    assert raised.value.sqlstate == "PT400"


def test_eight_claimers_take_each_job_once_and_never_leave_empty_handed(
    queue: Any, connect: Callable[[], psycopg.Connection]
) -> None:
    user, kind, jobs = queue.user(), queue.kind(), 5_000
    queue.enqueue_many(kind, user, jobs)
    taken: list[str] = []
    empty: list[int] = []

    def work(number: int, connection: psycopg.Connection) -> None:
        while True:
            unlocked_before = connection.execute(
                "select count(*) from (select from jobs where job_type = %s and status = 'pending'"
                " limit 1 for update skip locked) as free",
                (kind,),
            ).fetchone()
            (answer,) = connection.execute(
                "select claim_jobs(%s, %s, 5, 60, gen_random_uuid())", (f"w{number}", [kind])
            ).fetchone() or (None,)
            if not answer["jobs"]:
                if answer["next_due_seconds"] is None:
                    return
                left = connection.execute(
                    "select count(*) from (select from jobs where job_type = %s and status = 'pending'"
                    " limit 100 for update skip locked) as free",
                    (kind,),
                ).fetchone()
                empty.append(min((unlocked_before or (0,))[0], (left or (0,))[0]))
            taken.extend(job["id"] for job in answer["jobs"])

    threads = [threading.Thread(target=work, args=(n, connect())) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert len(taken) == jobs
    assert len(set(taken)) == jobs
    assert not any(empty)
