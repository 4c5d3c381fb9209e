"""What is over is kept for as long as the operator says: not a day less, and not much more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

pytestmark = pytest.mark.stack

YEAR = timedelta(days=365)


@pytest.fixture(autouse=True)
def first_round(queue: Any) -> Iterator[None]:
    """The ledger is gone through from its start; afterwards the settings are as they were."""
    settings = queue.rows("select name, value from queue_settings")
    queue.db.execute(
        "update kizu.pruned_runs set user_id = uuid_nil, finished_at = '-infinity',"
        " next_round = '-infinity' from (select '00000000-0000-0000-0000-000000000000'::uuid as uuid_nil)"
    )
    yield
    for row in settings:
        keep(queue, row["name"], row["value"])


def keep(queue: Any, name: str, days: int) -> None:
    with queue.acting("service_role"):
        queue.db.execute("update queue_settings set value = %s where name = %s", (days, name))


def prune(queue: Any, limit: int = 1000, calls: int = 100) -> int:
    """Until there is no more, once no worker prunes; answers how many calls that took."""
    with queue.db.transaction():
        queue.db.execute("select pg_advisory_xact_lock(hashtextextended('prune_by_policy', 0))")
        for call in range(1, calls + 1):
            if not queue.value("select prune_by_policy(%s)", limit)["more"]:
                return call
    raise AssertionError("there is no end to it")


def done(queue: Any, user: str, kind: str, asset: str | None = None) -> dict[str, Any]:
    queue.enqueue(kind, user, asset)
    job: dict[str, Any] = queue.take(kind)
    queue.settle(job)
    return job


def age(queue: Any, *jobs: dict[str, Any], by: timedelta = YEAR) -> None:
    ids = [job["id"] for job in jobs]
    for table, column in (("runs", "finished_at"), ("job_events", "at")):
        queue.db.execute(
            f"update {table} set {column} = {column} - %s where job_id = any (%s::uuid[])", (by, ids)
        )


def left(queue: Any, table: str, *jobs: dict[str, Any]) -> list[int]:
    return [queue.value(f"select count(*) from {table} where job_id = %s", job["id"]) for job in jobs]


def test_old_events_go_and_recent_ones_stay(queue: Any) -> None:
    user, kind = queue.user(), queue.kind()
    old, recent = done(queue, user, kind), done(queue, user, kind)
    age(queue, old, by=timedelta(days=31))
    age(queue, recent, by=timedelta(days=29))
    assert left(queue, "job_events", old, recent) == [2, 2]
    prune(queue)
    assert left(queue, "job_events", old, recent) == [0, 2]
    assert left(queue, "runs", old, recent) == [1, 1]


def test_the_newest_run_of_an_asset_and_kind_stays(queue: Any) -> None:
    user, kind, other = queue.user(), queue.kind(), queue.kind()
    asset = queue.asset(user)
    first, last = done(queue, user, kind, asset), done(queue, user, kind, asset)
    alone, about_none = done(queue, user, other, asset), done(queue, user, other)
    age(queue, first, last, alone, about_none)
    prune(queue)
    assert left(queue, "runs", first, last, alone, about_none) == [0, 1, 1, 0]


def test_a_run_to_which_a_result_refers_stays(queue: Any) -> None:
    user, kind = queue.user(), queue.kind()
    asset = queue.asset(user)
    queue.enqueue(kind, user, asset)
    fact = {"fact": "faces", "version": "1", "state": "done"}
    queue.settle(found := queue.take(kind), writes=[{"table": "asset_facts", "rows": [fact]}])
    newer = done(queue, user, kind, asset)
    age(queue, found, newer)
    prune(queue)
    assert left(queue, "runs", found, newer) == [1, 1]


def test_runs_of_a_generation_stay_until_it_is_dropped(queue: Any) -> None:
    queue.generation("v1", "faces")
    old = queue.generation("v2", "faces")
    user, kind = queue.user(), queue.kind()
    asset = queue.asset(user)
    runs = []
    for version in ("v1", "v2"):
        queue.enqueue(kind, user, asset)
        fact = {"fact": "faces", "version": version, "state": "nothing_found"}
        runs.append(queue.take(kind))
        queue.settle(runs[-1], writes=[{"table": "asset_facts", "rows": [fact]}])
    newer = done(queue, user, kind, asset)
    age(queue, *runs, newer)
    prune(queue)
    assert left(queue, "runs", *runs, newer) == [1, 1, 1]
    while not queue.value("select drop_generation(%s)", old)["done"]:
        pass
    queue.db.execute("update kizu.pruned_runs set next_round = '-infinity'")
    prune(queue)
    assert left(queue, "runs", *runs, newer) == [1, 0, 1]


def test_runs_of_an_asset_that_is_gone_go(queue: Any) -> None:
    user, kind = queue.user(), queue.kind()
    run = done(queue, user, kind, asset := queue.asset(user))
    age(queue, run)
    queue.db.execute("delete from assets where id = %s", (asset,))
    prune(queue)
    assert left(queue, "runs", run) == [0]


def test_little_goes_at_a_time_and_all_in_the_end_but_for_ties(queue: Any) -> None:
    kind, jobs = queue.kind(), []
    for _ in range(3):
        user = queue.user()
        jobs += [done(queue, user, kind) for _ in range(4)]
    age(queue, *jobs)
    queue.db.execute(
        "update runs set finished_at = '2020-01-01' where job_id = any (%s::uuid[])",
        ([job["id"] for job in jobs[:4]],),
    )
    # Events are looked at in the order of their ids: what other tests left would stand before these.
    queue.db.execute(
        "delete from job_events where job_id <> all (%s::uuid[])", ([job["id"] for job in jobs],)
    )
    first = queue.value("select prune_by_policy(2)")
    assert first["pruned"]["job_events"] <= 2
    assert prune(queue, limit=2, calls=1000) > 5
    assert left(queue, "runs", *jobs) == [0] * 12
    assert left(queue, "job_events", *jobs) == [0] * 12


def test_what_stays_is_not_gone_through_again_before_a_week_is_over(queue: Any) -> None:
    user, kind = queue.user(), queue.kind()
    run = done(queue, user, kind)
    prune(queue)
    age(queue, run)
    assert prune(queue) == 1
    assert left(queue, "runs", run) == [1]
    queue.db.execute("select set_config('kizu.test_now', (now() + interval '8 days')::text, false)")
    prune(queue)
    assert left(queue, "runs", run) == [0]


def test_finished_jobs_stay_for_ever_unless_the_operator_says_otherwise(queue: Any) -> None:
    user, kind = queue.user(), queue.kind()
    job = done(queue, user, kind)
    queue.db.execute(
        "update jobs set completed_at = completed_at - interval '1 year' where id = %s", (job["id"],)
    )
    prune(queue)
    assert queue.row(job)["status"] == "completed"
    keep(queue, "days_of_finished_jobs", 90)
    prune(queue)
    assert queue.rows("select from jobs where id = %s", job["id"]) == []


def test_zero_days_are_for_ever(queue: Any) -> None:
    job = done(queue, queue.user(), queue.kind())
    age(queue, job)
    keep(queue, "days_of_job_events", 0)
    keep(queue, "days_of_runs", 0)
    answer = queue.value("select prune_by_policy()")
    assert answer == {
        "days": {"finished_jobs": 0, "job_events": 0, "runs": 0},
        "pruned": {},
        "more": False,
    }
    assert left(queue, "runs", job) == [1]


def test_a_dry_run_says_the_policy_and_deletes_nothing(queue: Any) -> None:
    job = done(queue, queue.user(), queue.kind())
    age(queue, job)
    answer = queue.value("select prune_by_policy(1000, true)")
    assert answer["days"] == {"finished_jobs": 0, "job_events": 30, "runs": 180}
    assert left(queue, "runs", job) == [1]


def test_a_users_worker_prunes_by_the_operators_policy_and_cannot_change_it(queue: Any) -> None:
    user, kind = queue.user(), queue.kind()
    old, recent = done(queue, user, kind), done(queue, user, kind)
    age(queue, old)
    with queue.acting("authenticated", queue.user()):
        while queue.value("select prune_by_policy(10000)")["more"]:
            pass
    assert left(queue, "runs", old, recent) == [0, 1]
    with pytest.raises(psycopg.errors.InsufficientPrivilege), queue.acting("authenticated", user):
        queue.db.execute("update queue_settings set value = 1")


def test_who_comes_while_another_prunes_does_nothing(
    queue: Any, connect: Callable[[], psycopg.Connection]
) -> None:
    job = done(queue, queue.user(), queue.kind())
    age(queue, job)
    other = connect()
    with other.transaction():
        other.execute("select pg_advisory_xact_lock(hashtextextended('prune_by_policy', 0))")
        assert queue.value("select prune_by_policy()")["pruned"] == {}
    assert left(queue, "runs", job) == [1]


def test_a_call_reads_no_more_than_its_share_of_the_ledger(queue: Any) -> None:
    user, kind = queue.user(), queue.kind()
    queue.db.execute(
        "insert into runs (job_id, job_table, epoch, attempt, user_id, kind, worker_id, outcome, started_at,"
        "                  finished_at)"
        " select gen_random_uuid(), 'ai_processing_jobs', 1, 1, %s, %s, 'w', 'done', at, at"
        "   from generate_series(1, 20000) as n"
        "  cross join lateral (select now() - n * interval '10 seconds' as at) as times",
        (user, kind),
    )

    def touched() -> int:
        queue.db.execute("select pg_stat_force_next_flush()")
        queue.db.execute("select pg_stat_clear_snapshot()")
        return int(
            queue.value(
                "select sum(seq_tup_read + idx_tup_fetch) from pg_stat_user_tables where relname = 'runs'"
            )
        )

    queue.value("select prune_by_policy(100)")
    before = touched()
    queue.value("select prune_by_policy(100)")
    assert touched() - before < 2000
