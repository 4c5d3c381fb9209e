"""Jobs that ask for jobs: enqueued with the result, in the same transaction or not at all."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.conftest import Queue, settlement, wait_until_locked

pytestmark = pytest.mark.stack


@pytest.fixture
def job(queue: Any) -> Any:
    user, kind = queue.user(), queue.kind()
    queue.enqueue(kind, user, queue.asset(user))
    return queue.take(kind)


def settle(queue: Any, job: Any, *asks: Any, outcome: str = "done") -> dict[str, Any]:
    item = {**settlement(job, outcome), "next": list(asks)}
    (answer,) = queue.value("select settle_jobs('w1', %s)", Jsonb([item]))
    return dict(answer)


def waiting(queue: Any, kind: str) -> list[dict[str, Any]]:
    return list(
        queue.rows(
            "select user_id::text, asset_id::text, params, status, priority, run_at > now() as later"
            "  from jobs where job_type = %s order by created_at, id",
            kind,
        )
    )


def test_next_jobs_are_there_when_their_job_is_done(queue: Any, job: Any) -> None:
    kind = queue.kind(default_params={"a": 1}, priority=300)
    other = queue.asset(job["user_id"])

    answer = settle(
        queue,
        job,
        {"kind": kind, "params": {"b": 2}},
        {"kind": kind, "asset_id": other, "delay_seconds": 60},
        {"kind": kind, "asset_id": None},
    )

    assert answer["answer"] == "settled"
    shared = {"user_id": job["user_id"], "status": "pending", "priority": 300}
    assert sorted(waiting(queue, kind), key=str) == sorted(
        [
            {**shared, "asset_id": job["asset_id"], "params": {"a": 1, "b": 2}, "later": False},
            {**shared, "asset_id": other, "params": {"a": 1}, "later": True},
            {**shared, "asset_id": None, "params": {"a": 1}, "later": False},
        ],
        key=str,
    )


def test_settling_again_asks_for_nothing_more(queue: Any, job: Any) -> None:
    kind = queue.kind()
    assert settle(queue, job, {"kind": kind})["answer"] == "settled"
    queue.db.execute("delete from jobs where job_type = %s", (kind,))
    assert settle(queue, job, {"kind": kind})["answer"] == "repeated"
    assert waiting(queue, kind) == []


def test_only_a_job_that_is_done_is_followed_by_others(queue: Any, job: Any) -> None:
    kind = queue.kind()
    settle(queue, job, {"kind": kind}, outcome="cancelled")
    assert waiting(queue, kind) == []


@pytest.mark.parametrize(
    ("asks", "rule"),
    [
        ([{"kind": "no_such_kind"}], "next: there is no kind 'no_such_kind'"),
        ([{}], "next: there is no kind NULL"),
        ([{"kind": "image_ai", "asset_id": None}], "next: asset_id: image_ai needs an asset"),
        ([{"kind": "image_ai", "asset_id": str(uuid.uuid4())}], "next: there is no such asset"),
        ([{"kind": "image_ai", "params": []}], "next: params: expected an object"),
        ([{"kind": "image_ai", "dedupe": "x" * 101}], "next: dedupe has more than 100 characters"),
        ([{"kind": "image_ai"}] * 101, "next: expected a list of at most 100 jobs"),
    ],
)
def test_odd_requests_are_refused_with_the_whole_settlement(
    queue: Any, job: Any, asks: list[Any], rule: str
) -> None:
    kind = queue.kind()
    answer = settle(queue, job, *([{"kind": kind}] if len(asks) == 1 else []), *asks)
    assert (answer["answer"], answer["error"]) == ("refused", rule)
    assert queue.row(job)["status"] == "processing"
    assert waiting(queue, kind) == []


def test_asset_of_another_user_is_none_to_ask_about(queue: Any, job: Any) -> None:
    theirs = queue.asset(queue.user())
    assert settle(queue, job, {"kind": queue.kind(), "asset_id": theirs})["error"] == (
        "next: there is no such asset"
    )


def test_request_that_waits_is_not_doubled_and_one_more_follows_what_has_begun(queue: Any) -> None:
    user, first, cluster = queue.user(), queue.kind(), queue.kind()

    def ask() -> list[str]:
        queue.enqueue(first, user)
        settle(queue, queue.take(first), {"kind": cluster, "asset_id": None, "dedupe": "faces"})
        return [row["status"] for row in waiting(queue, cluster)]

    assert ask() == ["pending"]
    assert ask() == ["pending"]
    running = queue.take(cluster)
    assert ask() == ["processing", "pending"]
    assert ask() == ["processing", "pending"]
    queue.settle(running)
    queue.settle(queue.take(cluster))
    assert ask() == ["completed", "completed", "pending"]


def test_request_does_not_wait_twice_when_what_its_twin_followed_has_ended(queue: Any) -> None:
    user, first, cluster = queue.user(), queue.kind(), queue.kind()

    def ask() -> None:
        queue.enqueue(first, user)
        settle(queue, queue.take(first), {"kind": cluster, "asset_id": None, "dedupe": "faces"})

    ask()
    running = queue.take(cluster)
    ask()
    queue.settle(running)
    ask()
    assert [row["status"] for row in waiting(queue, cluster)] == ["completed", "pending"]


def test_request_that_is_wanted_sooner_moves_the_one_that_waits(queue: Any) -> None:
    user, first, cluster = queue.user(), queue.kind(), queue.kind()
    for delay, later in ((3600, True), (7200, True), (0, False)):
        queue.enqueue(first, user)
        ask = {"kind": cluster, "asset_id": None, "dedupe": "faces", "delay_seconds": delay}
        settle(queue, queue.take(first), ask)
        assert [row["later"] for row in waiting(queue, cluster)] == [later]


def test_one_dedupe_that_begins_as_another_is_another(queue: Any, job: Any) -> None:
    kind = queue.kind()
    settle(queue, job, *({"kind": kind, "dedupe": dedupe} for dedupe in ("a", "a:", "a:b", "")))
    assert len(waiting(queue, kind)) == 4


def test_request_is_not_lost_when_its_twin_is_claimed_meanwhile(
    queue: Any, connect: Callable[[], psycopg.Connection]
) -> None:
    """The claim may have begun first, or the request: either way a job runs that began after it."""
    user, first, cluster = queue.user(), queue.kind(), queue.kind()
    request = {"kind": cluster, "asset_id": None, "dedupe": "faces"}
    queue.enqueue(first, user)
    queue.enqueue(first, user)
    settle(queue, queue.take(first), request)
    item = {**settlement(queue.take(first)), "next": [request]}

    claiming, asking = Queue(connect()), connect()
    with ThreadPoolExecutor(1) as pool, claiming.db.transaction():
        claimed = claiming.take(cluster)
        answer = pool.submit(asking.execute, "select settle_jobs('w1', %s)", (Jsonb([item]),))
        wait_until_locked(queue, asking)
    answer.result(30)
    assert [row["status"] for row in waiting(queue, cluster)] == ["processing", "pending"]
    queue.settle(claimed)

    queue.enqueue(first, user)
    item = {**settlement(queue.take(first)), "next": [request]}
    with asking.transaction():
        asking.execute("select settle_jobs('w1', %s)", (Jsonb([item]),))
        assert claiming.claim(cluster)["jobs"] == []
    assert [row["status"] for row in waiting(queue, cluster)] == ["completed", "pending"]


def test_two_batches_that_ask_for_the_same_jobs_do_not_deadlock(
    queue: Any, connect: Callable[[], psycopg.Connection]
) -> None:
    first, wanted, asked = queue.kind(), queue.kind(), queue.kind()
    users = [queue.user() for _ in range(6)]

    def batch(*, dedupe: bool) -> list[dict[str, Any]]:
        """One job of each user, in the order of their random ids."""
        jobs = []
        for user in users:
            queue.enqueue(first, user)
            jobs.append(queue.take(first))
        jobs.sort(key=lambda job: job["id"])
        return [
            {
                **settlement(job),
                "next": [
                    {"kind": wanted, "asset_id": None, "dedupe": "faces"}
                    if dedupe
                    else {"kind": asked, "asset_id": None, "params": {"again": True}}
                ],
            }
            for job in jobs
        ]

    errors: list[Exception] = []

    def settle_all(connection: psycopg.Connection, items: list[dict[str, Any]]) -> None:
        try:
            connection.execute("select settle_jobs('w1', %s)", (Jsonb(items),))
        except psycopg.Error as error:
            errors.append(error)

    connections = [connect(), connect()]
    for dedupe in (True, False) * 4:
        batches = [batch(dedupe=dedupe) for _ in connections]
        threads = [
            threading.Thread(target=settle_all, args=pair) for pair in zip(connections, batches, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        queue.db.execute("delete from jobs where job_type = any (%s)", ([wanted, asked],))
    assert errors == []


def test_request_is_not_lost_when_its_follower_has_begun_too(queue: Any) -> None:
    user, kind, wanted = queue.user(), queue.kind(), queue.kind()

    def ask() -> list[str]:
        queue.enqueue(kind, user)
        settle(queue, queue.take(kind), {"kind": wanted, "asset_id": None, "dedupe": "faces"})
        return [row["status"] for row in waiting(queue, wanted)]

    for begun in range(4):
        assert ask() == ["processing"] * begun + ["pending"]
        assert ask() == ["processing"] * begun + ["pending"]
        queue.take(wanted)


def test_list_without_end_takes_no_locks(queue: Any, job: Any) -> None:
    kind = queue.kind()
    answer = settle(queue, job, *({"kind": kind, "dedupe": str(number)} for number in range(30_000)))
    assert (answer["answer"], answer["error"]) == ("refused", "next: expected a list of at most 100 jobs")


def test_naming_another_users_job_holds_up_nobody(
    queue: Any, job: Any, connect: Callable[[], psycopg.Connection]
) -> None:
    mallory, kind = queue.user(), queue.kind()
    item = {**settlement(job), "next": [{"kind": kind, "dedupe": "a"}]}
    foreign = Queue(connect())
    with foreign.acting("authenticated", mallory):
        (answer,) = foreign.value("select settle_jobs('w1', %s)", Jsonb([item]))
        assert answer["answer"] == "lost"
        queue.db.execute("set lock_timeout = '2s'")
        assert settle(queue, job, {"kind": kind, "dedupe": "a"})["answer"] == "settled"
    queue.db.execute("reset lock_timeout")
