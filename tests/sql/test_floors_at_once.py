"""Whatever happens at once: no job lies below the floor of its line, and each is claimed in the end."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import psycopg
import pytest

from tests.sql.conftest import Queue
from tests.sql.test_floors import assert_rule_holds, enqueue_at, raise_floors

pytestmark = pytest.mark.stack

ACTS = (
    "insert",
    "claim",
    "settle",
    "retry",
    "release",
    "hurry",
    "expire",
    "delete",
    "long",
    "by hand",
    "raise",
)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_at_once_no_job_lies_below_its_floor_and_each_is_claimed(
    queue: Queue, connect: Callable[[], psycopg.Connection], seed: int
) -> None:
    kinds, users = [queue.kind() for _ in range(2)], [queue.user() for _ in range(3)]
    failures: list[BaseException] = []

    def act(mine: Queue, dice: random.Random, worker: str) -> None:
        kind, user = dice.choice(kinds), dice.choice(users)
        level, when = dice.choice((0, 100, 200)), f"{dice.randint(-5000, 0)} seconds"
        one = "select id from public.jobs where job_type = %s and status = %s order by random() limit 1"
        match dice.choice(ACTS):
            case "insert":
                enqueue_at(mine, kind, user, when, level)
            case "claim":
                mine.claim(kinds, dice.randint(1, 6), worker=worker, lease=1 + dice.randint(0, 1) * 100)
            case "settle" | "retry" as what:
                outcome = (
                    "done" if what == "settle" else {"kind": "retry", "after_seconds": 0, "code": "timeout"}
                )
                for job in mine.claim(kinds, 2, worker=worker)["jobs"]:
                    mine.settle(job, outcome, worker=worker)
            case "release":
                mine.release(worker)
            case "hurry":
                mine.db.execute(
                    f"select kizu.hurry(({one}), kizu.now() + %s::interval, %s)",
                    (kind, "pending", when, level),
                )
            case "expire":
                mine.db.execute(
                    f"update jobs set lease_expires_at = kizu.now() - interval '1 ms'"
                    f" where id = ({one}) and status = 'processing'",
                    (kind, "processing"),
                )
                mine.value("select public.rescue_jobs()")
            case "delete":
                mine.db.execute(f"delete from jobs where id = ({one})", (kind, "pending"))
            case "long":
                with mine.db.transaction():
                    if dice.random() < 0.5:
                        mine.db.execute("set transaction isolation level repeatable read")
                        mine.value("select count(*) from public.job_kinds")
                    mine.value("select pg_sleep(%s)", dice.random() / 20)
                    enqueue_at(mine, kind, user, when, level)
                    mine.value("select pg_sleep(%s)", dice.random() / 20)
            case "by hand":
                mine.db.execute(
                    f"update jobs set run_at = kizu.now() + %s::interval, priority = %s"
                    f" where id = ({one}) and status = 'pending'",
                    (when, level, kind, "pending"),
                )
            case "raise":
                raise_floors(mine, *kinds, minutes=dice.randint(30, 300))

    def work(number: int) -> None:
        mine, dice = Queue(connections[number]), random.Random(f"{seed} {number}")
        try:
            for _ in range(60):
                act(mine, dice, f"w{number}")
        except BaseException as failure:
            failures.append(failure)

    connections = [connect() for _ in range(5)]
    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(connections))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)
    assert failures == []

    assert_rule_holds(queue, *kinds)
    raise_floors(queue, *kinds, minutes=1000)
    assert_rule_holds(queue, *kinds)
    queue.db.execute(
        "update jobs set lease_expires_at = kizu.now() - interval '1 ms'"
        " where job_type = any (%s) and status = 'processing'",
        (kinds,),
    )
    for number in range(1_000):
        for job in queue.claim(kinds, 100, worker=f"last {number}")["jobs"]:
            queue.settle(job, worker=f"last {number}")
        # What crashed before is put off for some seconds: here nobody waits.
        queue.db.execute(
            "update jobs set run_at = kizu.now() where job_type = any (%s) and status = 'pending'"
            " and run_at > kizu.now()",
            (kinds,),
        )
        if not queue.value(
            "select count(*) from jobs where job_type = any (%s) and status in ('pending', 'processing')",
            kinds,
        ):
            break
    left = queue.rows("select status, priority, suspect from jobs where job_type = any (%s)"
                      " and status in ('pending', 'processing')", kinds)  # fmt: skip
    assert left == []
