"""Where lines begin is remembered: claims do not walk over jobs long gone, and miss none that is there."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.sql.conftest import Queue, wait_until_locked
from tests.sql.test_plans import own_cost

pytestmark = pytest.mark.stack

LEVEL = 100
BELOW_THEIR_FLOOR = """
    select count(*)
      from public.jobs
     cross join lateral (
             select case status when 'pending' then priority else -1 end as level,
                    case status when 'pending' then run_at else picked_up_at end as at
           ) as line
     where job_type = any (%s)
       and (status = 'processing' or (status = 'pending' and not suspect))
       and not coalesce(at >= kizu.floor_of(job_type, level), false)
"""


def raise_floors(queue: Queue, *kinds: str, minutes: int = 30) -> None:
    """As claims do from time to time, at a time when every line's turn has come again."""
    queue.value("select kizu.raise_floors(%s, kizu.now() + make_interval(mins => %s))", list(kinds), minutes)


def is_empty(queue: Queue, kind: str, level: int = LEVEL) -> bool:
    return bool(queue.value("select kizu.floor_of(%s, %s) = 'infinity'", kind, level))


def enqueue_at(queue: Queue, kind: str, user: str, run_at: str, level: int = LEVEL) -> str:
    return str(
        queue.value(
            "insert into ai_processing_jobs (user_id, job_type, priority, run_at)"
            " values (%s, %s, %s, kizu.now() + %s::interval) returning id",
            user,
            kind,
            level,
            run_at,
        )
    )


def assert_rule_holds(queue: Queue, *kinds: str) -> None:
    assert queue.value(BELOW_THEIR_FLOOR, list(kinds)) == 0


def test_claims_under_an_old_snapshot_do_not_walk_over_consumed_jobs(
    queue: Queue, connect: Callable[[], psycopg.Connection]
) -> None:
    kind, users = queue.kind(), [queue.user() for _ in range(5)]
    queue.db.execute(
        "insert into ai_processing_jobs (user_id, job_type, run_at)"
        " select (%s::uuid[])[1 + n %% 5], %s, now() - interval '1 hour' + n * interval '1 second'"
        "   from generate_series(1, 2500) as n",
        (users, kind),
    )
    with connect() as dump, dump.transaction():
        dump.execute("set transaction isolation level repeatable read")
        dump.execute("select count(*) from public.job_kinds")
        for _ in range(20):
            queue.claim(kind, 100)
        queue.db.execute(
            "update jobs set status = 'completed', completed_at = now(), lease_expires_at = null,"
            " claim_id = null where job_type = %s and status = 'processing'",
            (kind,),
        )
        for minutes in (30, 31, 32, 33, 34):  # while a line is in use its floor stays
            raise_floors(queue, kind, minutes=minutes)
            for _ in range(3):
                queue.claim(kind, 1)
            touched = own_cost(queue, lambda: queue.claim(kind, 4))
            if touched["entries_read"] < 500:
                break

    # The index from user to user walks over what lies below a floor, and reads no row of it.
    assert touched["rows_fetched"] < 300
    assert touched["entries_read"] < 500


def test_writer_in_flight_for_long_holds_up_no_claim_and_its_job_is_found(
    queue: Queue, connect: Callable[[], psycopg.Connection]
) -> None:
    kind, user = queue.kind(), queue.user()
    writer = Queue(connect())
    with writer.db.transaction():
        late = enqueue_at(writer, kind, user, "-1 hour")
        early = enqueue_at(queue, kind, user, "0")
        assert queue.take(kind)["id"] == early
        raise_floors(queue, kind)
        assert not is_empty(queue, kind), "a floor is not raised while somebody is writing"
    assert_rule_holds(queue, kind)
    assert queue.take(kind)["id"] == late


def test_raised_floor_is_lowered_by_whoever_comes_in_below(queue: Queue) -> None:
    kind, user = queue.kind(), queue.user()
    enqueue_at(queue, kind, user, "-2 hours")
    job = queue.take(kind)
    raise_floors(queue, kind)
    assert is_empty(queue, kind)

    queue.release()
    assert_rule_holds(queue, kind)
    assert queue.take(kind)["id"] == job["id"]


def test_writer_with_one_snapshot_cannot_see_a_raised_floor_and_adds_its_own(
    queue: Queue, connect: Callable[[], psycopg.Connection]
) -> None:
    kind, user = queue.kind(), queue.user()
    enqueue_at(queue, kind, user, "-2 hours")
    writer = Queue(connect())
    with writer.db.transaction():
        writer.db.execute("set transaction isolation level repeatable read")
        writer.value("select count(*) from public.job_kinds")
        queue.take(kind)
        raise_floors(queue, kind)
        assert is_empty(queue, kind)
        late = enqueue_at(writer, kind, user, "-1 hour")
    assert_rule_holds(queue, kind)
    assert queue.take(kind)["id"] == late


@pytest.mark.parametrize("change", ["job_type = %(other)s", "picked_up_at = picked_up_at - interval '1 day'"])
def test_running_job_that_is_moved_by_hand_is_rescued_when_its_worker_is_lost(
    queue: Queue, change: str
) -> None:
    kind, other, user = queue.kind(), queue.kind(), queue.user()
    enqueue_at(queue, kind, user, "-1 hour")
    job = queue.take(kind)
    with queue.acting("service_role"):
        queue.db.execute(
            f"update ai_processing_jobs set {change} where id = %(id)s", {"other": other, "id": job["id"]}
        )
    assert_rule_holds(queue, kind, other)
    queue.expire(job)
    queue.claim([kind, other], 0)
    assert queue.row(job)["status"] == "pending"


def test_claim_with_one_snapshot_raises_nothing(queue: Queue) -> None:
    kind, user = queue.kind(), queue.user()
    job = enqueue_at(queue, kind, user, "-2 hours")
    # Not by a claim, which may raise the floor itself.
    queue.db.execute("update jobs set status = 'cancelled', completed_at = now() where id = %s", (job,))
    with queue.db.transaction():
        queue.db.execute("set transaction isolation level repeatable read")
        raise_floors(queue, kind)
    assert not is_empty(queue, kind)


def test_line_that_has_long_been_empty_is_forgotten(queue: Queue) -> None:
    kind, user = queue.kind(), queue.user()
    enqueue_at(queue, kind, user, "0")
    queue.settle(queue.take(kind))
    raise_floors(queue, kind)
    assert is_empty(queue, kind)
    raise_floors(queue, kind, minutes=120)
    assert queue.value("select count(*) from kizu.floors where job_type = %s", kind) == 0


def test_thousands_of_raises_under_one_snapshot_are_not_met_again(
    queue: Queue, connect: Callable[[], psycopg.Connection]
) -> None:
    kind, user = queue.kind(), queue.user()
    with connect() as dump, dump.transaction():
        dump.execute("set transaction isolation level repeatable read")
        dump.execute("select count(*) from public.job_kinds")
        for hour in range(500):
            job = enqueue_at(queue, kind, user, f"{hour - 1000} hours")
            queue.db.execute("delete from public.jobs where id = %s", (job,))
            raise_floors(queue, kind, minutes=120 * hour)
        enqueue_at(queue, kind, user, "0")
        statistics = (
            "select coalesce(sum(idx_tup_read), 0)::int from pg_stat_user_indexes"
            " where indexrelname = 'floors_of_a_line'"
        )
        queue.value("select pg_stat_force_next_flush()")
        before = queue.value(statistics)
        assert queue.value("select kizu.floor_of(%s, %s) <= kizu.now()", kind, LEVEL)
        queue.value("select pg_stat_force_next_flush()")
        assert queue.value(statistics) - before < 20


def test_writers_of_two_lines_in_opposite_order_do_not_deadlock(
    queue: Queue, connect: Callable[[], psycopg.Connection]
) -> None:
    kind, user = queue.kind(), queue.user()
    one, other = Queue(connect()), Queue(connect())
    with ThreadPoolExecutor(1) as pool, one.db.transaction():
        enqueue_at(one, kind, user, "-2 hours", level=200)
        with other.db.transaction():
            enqueue_at(other, kind, user, "-1 hour", level=300)
            enqueue_at(one, kind, user, "-1 hour", level=300)
            pool.submit(enqueue_at, other, kind, user, "-2 hours", 200).result(30)
        queue.claim(kind, 10)
    assert_rule_holds(queue, kind)
    assert len(queue.claim(kind, 10)["jobs"]) == 2


def test_writer_waits_for_a_raise_and_then_sees_it(
    queue: Queue, connect: Callable[[], psycopg.Connection]
) -> None:
    kind, user = queue.kind(), queue.user()
    enqueue_at(queue, kind, user, "-2 hours")
    queue.take(kind)
    raising, writer = Queue(connect()), Queue(connect())
    with ThreadPoolExecutor(1) as pool, raising.db.transaction():
        raise_floors(raising, kind, minutes=120)  # the claim may have found the line empty, by chance
        writing = pool.submit(enqueue_at, writer, kind, user, "-1 hour")
        wait_until_locked(queue, writer.db)
    late = writing.result(30)
    assert_rule_holds(queue, kind)
    assert queue.take(kind)["id"] == late


@pytest.mark.parametrize("statement", ["select from kizu.floors", "delete from kizu.floors"])
@pytest.mark.parametrize("role", ["anon", "authenticated", "kizu_worker", "service_role"])
def test_nobody_reads_or_writes_floors(queue: Queue, role: str, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), queue.acting(role, str(uuid.uuid4())):
        queue.db.execute(statement)


@pytest.mark.parametrize("call", ["reset_floors()", "raise_floors('{}', now())", "enter_line('x', 0, now())"])
@pytest.mark.parametrize("role", ["anon", "authenticated", "kizu_worker", "service_role"])
def test_nobody_calls_what_moves_floors(queue: Queue, role: str, call: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), queue.acting(role, str(uuid.uuid4())):
        queue.db.execute(f"select kizu.{call}")


def test_floors_are_found_again_for_jobs_loaded_without_triggers(queue: Queue) -> None:
    kind, user = queue.kind(), queue.user()
    queue.db.execute("set session_replication_role = replica")
    late = enqueue_at(queue, kind, user, "-1 hour")
    queue.db.execute("reset session_replication_role")
    assert queue.claim(kind)["jobs"] == []
    queue.value("select kizu.reset_floors()")
    assert queue.take(kind)["id"] == late


def test_expired_lease_among_thousands_that_are_held_is_found(queue: Queue) -> None:
    kind, user = queue.kind(), queue.user()
    for _ in range(15):
        queue.enqueue_many(kind, user, 100)
        held = queue.claim(kind, 100, lease=3600)["jobs"]
    queue.expire(held[0])

    touched = own_cost(queue, lambda: queue.claim(kind, 1))
    assert touched["rows_fetched"] < 1_000
    for _ in range(500):
        if queue.row(held[0])["status"] == "pending":
            break
        queue.claim(kind, 0)
    assert queue.row(held[0])["status"] != "processing"
