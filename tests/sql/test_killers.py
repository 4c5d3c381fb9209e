"""A job that kills its worker fails alone: after a first crash each runs by itself until it is cleared."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.conftest import Queue

pytestmark = pytest.mark.stack
SCHEDULES = 40
"""Per kind of world; each is a random one, of many claims, ends and crashes."""


@pytest.fixture
def kind(queue: Any) -> str:
    return str(queue.kind())


def crash(queue: Any, jobs: Iterable[Any]) -> None:
    for job in jobs:
        queue.expire(job)


def test_suspects_are_claimed_one_at_a_time_by_a_worker_that_holds_nothing(queue: Any, kind: str) -> None:
    queue.enqueue_many(kind, queue.user(), 12)
    crash(queue, queue.claim(kind, 4, worker="a")["jobs"])

    (first,) = queue.claim(kind, 8, worker="a")["jobs"]
    assert first["crashes"] == 1
    again = queue.claim(kind, 8, worker="a")
    assert again["jobs"] == []
    assert 0.5 < again["next_due_seconds"] <= 2, "it is asked again soon, not at once"
    (second,) = queue.claim(kind, 8, worker="b")["jobs"]
    assert (second["crashes"], second["id"] != first["id"]) == (1, True)

    queue.settle(first, worker="a")
    (third,) = queue.claim(kind, 8, worker="a")["jobs"]
    assert third["crashes"] == 1


def test_busy_worker_goes_on_with_jobs_that_are_under_no_suspicion(queue: Any, kind: str) -> None:
    queue.enqueue_many(kind, queue.user(), 12)
    queue.claim(kind, 1, worker="busy")
    crash(queue, queue.claim(kind, 4, worker="a")["jobs"])
    others = queue.claim(kind, 8, worker="busy")["jobs"]
    assert [job["crashes"] for job in others] == [0] * 7


@pytest.mark.parametrize("outcome", ["done", "retry", "released"])
def test_any_orderly_end_clears(queue: Any, kind: str, outcome: str) -> None:
    queue.enqueue(kind, queue.user())
    crash(queue, [queue.take(kind)])
    job = queue.take(kind)
    assert job["crashes"] == 1
    queue.settle(job, outcome)
    assert queue.row(job)["crashes"] == 0


def test_workers_that_are_always_busy_make_room_after_a_while(queue: Any, kind: str) -> None:
    queue.enqueue_many(kind, queue.user(), 40)
    held = queue.claim(kind, 2, worker="busy")["jobs"]
    crash(queue, [queue.take(kind, worker="a")])
    assert len(queue.claim(kind, 2, worker="busy")["jobs"]) == 2

    def later(seconds: int) -> list[Any]:
        queue.db.execute("set kizu.test_now = ''")
        now = queue.value("select clock_timestamp() + make_interval(secs => %s)", seconds)
        queue.db.execute(f"set kizu.test_now = '{now}'")
        queue.extend(held, worker="busy", lease=3600)
        return list(queue.claim(kind, 1, worker="busy")["jobs"])

    queue.extend(held, worker="busy", lease=3600)
    assert later(65) == []
    assert later(500) == []
    assert len(later(700)) == 1, "but not for ever: a long video must not stop everything"
    assert later(3665) == []
    queue.db.execute("set kizu.test_now = ''")
    queue.release("busy")
    (suspect,) = queue.claim(kind, 4, worker="busy")["jobs"]
    assert suspect["crashes"] == 1


def test_lanes_of_one_worker_claim_one_after_the_other(
    queue: Any, connect: Callable[[], psycopg.Connection]
) -> None:
    kinds = [queue.kind(), queue.kind()]
    for kind in kinds:
        queue.enqueue(kind, queue.user())
    crash(queue, [queue.take(kinds[0], worker="gone")])
    one, other = Queue(connect()), Queue(connect())
    with one.db.transaction():
        (suspect,) = one.claim(kinds[0], worker="a")["jobs"]
        other.db.execute("set lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.claim(kinds[1], worker="a")
    assert suspect["crashes"] == 1
    assert other.claim(kinds[1], worker="a")["jobs"] == []
    assert len(other.claim(kinds[1], worker="b")["jobs"]) == 1


def test_worker_of_a_user_quarantines_no_other_of_that_name(queue: Any, kind: str) -> None:
    mallory, ann = queue.user(), queue.user()
    queue.enqueue(kind, mallory)
    with queue.acting("authenticated", mallory):
        crashed = queue.take(kind, worker="gpu")
    queue.expire(crashed)
    with queue.acting("authenticated", mallory):
        assert queue.take(kind, worker="gpu", lease=3600)["crashes"] == 1
    queue.enqueue_many(kind, ann, 4)
    assert len(queue.claim(kind, 4, worker="gpu")["jobs"]) == 4
    assert queue.release("gpu") == 4
    assert queue.value("select count(*) from jobs where user_id = %s and status = 'processing'", mallory) == 1


def test_what_crashed_on_a_users_own_worker_is_no_suspect_for_others(queue: Any, kind: str) -> None:
    mallory, ann = queue.user(), queue.user()
    queue.enqueue_many(kind, mallory, 40)
    with queue.acting("authenticated", mallory):
        mine = queue.claim(kind, 20, worker="mine")["jobs"]
    crash(queue, mine)
    with queue.acting("authenticated", mallory):
        (alone,) = queue.claim(kind, 8, worker="mine")["jobs"]
        assert alone["crashes"] == 1, "on their own worker it runs alone"
        assert queue.claim(kind, 8, worker="mine")["jobs"] == []
    queue.enqueue_many(kind, ann, 2)

    jobs = queue.claim(kind, 8, worker="for-everybody")["jobs"]

    assert [job["user_id"] for job in jobs].count(ann) == 2
    assert len(jobs) == 8, "nor does a crashed one among them keep the others away"
    assert len(queue.claim(kind, 8, worker="for-everybody")["jobs"]) == 8


def test_somebody_who_waits_for_an_answer_goes_before_suspects(queue: Any, kind: str) -> None:
    queue.enqueue_many(kind, queue.user(), 4)
    crash(queue, queue.claim(kind, 4, worker="a")["jobs"])
    later = queue.enqueue(kind, queue.user(), p_priority=0, p_run_at="2100-01-01 00:00+00")
    (suspect,) = queue.claim(kind, 1, worker="a")["jobs"]
    assert suspect["crashes"] == 1
    queue.settle(suspect, worker="a")
    waiting = queue.enqueue(kind, queue.user(), p_priority=0)
    assert waiting in [job["id"] for job in queue.claim(kind, 1, worker="a")["jobs"]]
    assert queue.row(later)["status"] == "pending"


def test_what_a_worker_left_behind_in_another_lane_is_no_company(queue: Any, kind: str) -> None:
    """The operator has switched that lane off, so nobody claims its kind any more."""
    video = queue.kind("video_transcoding_jobs")
    queue.enqueue_many(video, queue.user(), 2)
    crash(queue, [queue.take(video, worker="nas")])
    suspect = queue.take(video, worker="nas")
    queue.enqueue_many(kind, queue.user(), 5)
    assert queue.claim(kind, 4, worker="nas")["jobs"] == [], "it runs"
    crash(queue, [suspect])
    assert len(queue.claim(kind, 4, worker="nas")["jobs"]) == 4


def test_busy_worker_with_nothing_but_suspects_to_wait_for_is_not_called_at_once(
    queue: Any, kind: str
) -> None:
    other = queue.kind()
    queue.enqueue_many(kind, queue.user(), 2)
    queue.enqueue(other, queue.user())
    queue.take(other, worker="busy")
    crash(queue, queue.claim(kind, 2, worker="a")["jobs"])
    answer = queue.claim(kind, 4, worker="busy")
    assert answer["jobs"] == []
    assert answer["next_due_seconds"] > 0.5


def test_quarantined_lane_without_work_has_nothing_due(queue: Any, kind: str) -> None:
    queue.enqueue(kind, queue.user())
    crash(queue, [queue.take(kind, worker="a")])
    queue.take(kind, worker="a")
    assert queue.claim(queue.kind(), 4, worker="a")["next_due_seconds"] is None


def test_worker_makes_room_in_all_its_lanes(queue: Any, kind: str) -> None:
    video = queue.kind("video_transcoding_jobs")
    queue.value("select announce_worker('nas', %s)", Jsonb({"kinds": {kind: "1", video: "1"}}))
    queue.enqueue_many(video, queue.user(), 4)
    queue.enqueue(kind, queue.user())
    crash(queue, [queue.take(kind, worker="gone")])
    queue.claim(video, 1, worker="nas", lease=3600)
    assert len(queue.claim(video, 1, worker="nas", lease=3600)["jobs"]) == 1
    now = queue.value("select clock_timestamp() + interval '70 seconds'")
    queue.value("select rescue_jobs()")
    queue.db.execute(f"set kizu.test_now = '{now}'")
    assert queue.claim(video, 1, worker="nas")["jobs"] == []


def test_user_holds_a_bounded_number_of_jobs(queue: Any, kind: str) -> None:
    user = queue.user()
    queue.enqueue_many(kind, user, 520)
    with queue.acting("authenticated", user):
        held = [len(queue.claim(kind, 100, worker="hoard")["jobs"]) for _ in range(6)]
    assert held == [100] * 5 + [0]


@pytest.mark.parametrize(
    "arguments", [("w" * 201, ["a"]), ("w", ["a"] * 1001), ("", ["a"])], ids=["name", "kinds", "no name"]
)
def test_claim_of_odd_size_is_refused(queue: Any, arguments: tuple[str, list[str]]) -> None:
    with pytest.raises(psycopg.Error, match="bad_params"):
        queue.db.execute("select claim_jobs(%s, %s, 1, 60)", arguments)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("killers", [1, 3])
def test_no_innocent_fails_in_any_order_of_events(queue: Any, workers: int, killers: int) -> None:
    """The worker that runs a killer dies with all it holds; the database's clock is set forward by hand."""
    chance = random.Random(f"{workers} {killers}")
    for number in range(SCHEDULES):
        kind, user = queue.kind(), queue.user()
        queue.enqueue_many(kind, user, 16)
        ids = [str(row["id"]) for row in queue.rows("select id from jobs where job_type = %s", kind)]
        guilty = set(chance.sample(ids, killers))
        held: dict[str, list[Any]] = {f"{uuid.uuid4()}": [] for _ in range(workers)}
        for _ in range(600):
            if (
                queue.value(
                    "select count(*) from jobs where job_type = %s and status <> 'completed'"
                    " and status <> 'failed'",
                    kind,
                )
                == 0
            ):
                break
            worker = chance.choice(list(held))
            match chance.choice(["claim", "claim", "end", "end", "die"]):
                case "claim":
                    held[worker] += queue.claim(kind, chance.randint(1, 8), worker=worker)["jobs"]
                case "end" if harmless := [job for job in held[worker] if job["id"] not in guilty]:
                    job = chance.choice(harmless)
                    held[worker].remove(job)
                    queue.settle(job, worker=worker)
                case "die" if any(job["id"] in guilty for job in held[worker]):
                    crash(queue, held[worker])
                    held[worker] = []
            queue.db.execute(
                "update jobs set run_at = now() - interval '1 second'"
                " where job_type = %s and status = 'pending' and run_at > now()",
                (kind,),
            )
        ends = {
            str(row["id"]): (row["status"], row["error_code"])
            for row in queue.rows("select id, status, error_code from jobs where job_type = %s", kind)
        }
        assert {job for job, end in ends.items() if end == ("failed", "worker_lost")} == guilty, number
        assert {end for job, end in ends.items() if job not in guilty} == {("completed", None)}, number
