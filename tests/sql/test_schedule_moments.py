"""Moments are asked for at each user's time on their own clock, once a day."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from tests.sql.moments import NOON, Telling, clock, occasion, photos

pytestmark = pytest.mark.stack


@pytest.fixture
def ann(queue: Any) -> str:
    """A user with photos, before whom nobody else has some."""
    clock(queue)
    queue.db.execute("delete from kizu.moment_settings")
    queue.db.execute("delete from jobs where job_type = 'generate_moments'")
    user = str(queue.user())
    photos(queue, user, [NOON - timedelta(days=200)])
    return user


def wants(queue: Any, user: str, **settings: Any) -> dict[str, Any]:
    with queue.acting("authenticated", user):
        answer: dict[str, Any] = queue.value("select set_moment_settings(%s)", json.dumps(settings))
    return answer


def chores(queue: Any, at: datetime) -> dict[str, Any]:
    """As a worker whose round it is: every chore is due."""
    clock(queue, at)
    queue.db.execute("update kizu.chores set due_at = '-infinity'")
    answer: dict[str, Any] = queue.value("select do_chores()")
    assert answer["failed"] == {}
    return answer


def asked(queue: Any, user: str) -> list[datetime]:
    """When jobs for the user's moments begin, in order."""
    rows = queue.rows(
        "select run_at from jobs where user_id = %s and job_type = 'generate_moments' order by run_at", user
    )
    return [row["run_at"] for row in rows]


def end_jobs(queue: Any, user: str) -> None:
    queue.db.execute(
        "update jobs set status = 'completed', completed_at = kizu.now()"
        " where user_id = %s and job_type = 'generate_moments' and status = 'pending'",
        (user,),
    )


def live(queue: Any, user: str, begin: datetime, days: int) -> list[datetime]:
    """Rounds of chores every quarter of an hour, two each, with jobs that are done at their time."""
    at = begin
    while at < begin + timedelta(days=days):
        chores(queue, at)
        chores(queue, at)
        queue.db.execute(
            "update jobs set status = 'completed', completed_at = %s where user_id = %s"
            " and job_type = 'generate_moments' and status = 'pending' and run_at <= %s",
            (at, user, at),
        )
        at += timedelta(minutes=15)
    return asked(queue, user)


@pytest.mark.parametrize(
    ("zone", "begin", "wall"),
    [
        ("Europe/Berlin", datetime(2026, 3, 28, tzinfo=UTC), time(9)),  # clocks go forward on the 29th
        ("Europe/Berlin", datetime(2026, 3, 28, tzinfo=UTC), time(2, 30)),  # a time that is left out
        ("Europe/Berlin", datetime(2026, 10, 24, tzinfo=UTC), time(2, 30)),  # and one that comes twice
        ("America/New_York", datetime(2026, 10, 31, 12, tzinfo=UTC), time(23, 59)),
        ("Asia/Kathmandu", datetime(2026, 12, 31, tzinfo=UTC), time(0)),  # a quarter past the hour, New Year
        ("Pacific/Kiritimati", datetime(2028, 2, 28, tzinfo=UTC), time(7, 5)),
    ],
)
def test_once_a_day_at_the_users_time(queue: Any, ann: str, zone: str, begin: datetime, wall: time) -> None:
    clock(queue, begin)
    wants(queue, ann, zone=zone, moments_time=f"{wall:%H:%M}")
    times = live(queue, ann, begin, days=3)
    walls = [at.astimezone(ZoneInfo(zone)) for at in times]
    days = [at.date() for at in walls]
    assert days == [days[0] + timedelta(days=n) for n in range(3)]
    meant = [datetime.combine(day, wall, ZoneInfo(zone)).astimezone(UTC) for day in days]
    assert all(abs(at - due) <= timedelta(hours=1) for at, due in zip(times, meant, strict=True))
    assert sum(abs(at - due) <= timedelta(minutes=5) for at, due in zip(times, meant, strict=True)) >= 2


def test_a_time_that_is_there_is_kept_to_the_minute(queue: Any, ann: str) -> None:
    wants(queue, ann, zone="Asia/Tokyo", moments_time="09:00")
    chores(queue, datetime(2026, 7, 15, 23, 45, tzinfo=UTC))
    assert asked(queue, ann) == [datetime(2026, 7, 16, 0, 0, tzinfo=UTC)]


def test_a_time_that_was_missed_is_made_up_for_once(queue: Any, ann: str) -> None:
    wants(queue, ann, moments_time="09:00")
    late = datetime(2026, 7, 19, 15, tzinfo=UTC)
    for minutes in (0, 10, 20):
        chores(queue, late + timedelta(minutes=minutes))
        end_jobs(queue, ann)
    assert asked(queue, ann) == [late]
    chores(queue, datetime(2026, 7, 20, 8, 40, tzinfo=UTC))
    assert asked(queue, ann) == [late, datetime(2026, 7, 20, 9, tzinfo=UTC)]


def test_two_who_trigger_at_once_ask_once(
    queue: Any, ann: str, connect: Callable[[], psycopg.Connection]
) -> None:
    wants(queue, ann, moments_time="12:20")
    queue.db.execute("delete from jobs where job_type = 'generate_moments'")
    queue.db.execute("update kizu.moment_settings set asked_on = null, next_at = '2026-07-15 12:20Z'")
    queue.db.execute("update kizu.chores set due_at = '-infinity'")
    other = connect()
    clock_of_other = "select set_config('kizu.test_now', %s, false)"
    other.execute(clock_of_other, (NOON.isoformat(),))
    with other.transaction():
        first = other.execute("select do_chores()").fetchone()
        second = queue.value("select do_chores()")
    assert first is not None
    assert "moments" in first[0]["done"]
    assert second["done"] == [], "another is at it"
    assert asked(queue, ann) == [datetime(2026, 7, 15, 12, 20, tzinfo=UTC)]


def test_a_new_time_takes_the_place_of_the_one_that_waits(queue: Any, ann: str) -> None:
    wants(queue, ann, moments_time="12:20")
    assert asked(queue, ann) == [datetime(2026, 7, 15, 12, 20, tzinfo=UTC)]
    answer = wants(queue, ann, moments_time="18:00")
    assert asked(queue, ann) == []
    assert datetime.fromisoformat(answer["next_at"]) == datetime(2026, 7, 15, 18, tzinfo=UTC)
    wants(queue, ann, zone="Europe/Berlin")
    chores(queue, datetime(2026, 7, 15, 15, 45, tzinfo=UTC))
    assert asked(queue, ann) == [datetime(2026, 7, 15, 16, tzinfo=UTC)]


def test_no_day_has_two_though_the_time_is_changed_after_it(queue: Any, ann: str) -> None:
    wants(queue, ann, moments_time="12:10")
    clock(queue, NOON + timedelta(minutes=15))
    end_jobs(queue, ann)
    wants(queue, ann, moments_time="20:00")
    chores(queue, NOON + timedelta(hours=7, minutes=45))
    assert asked(queue, ann) == [NOON + timedelta(minutes=10)]


def test_who_turns_moments_off_is_asked_for_no_more(queue: Any, ann: str) -> None:
    wants(queue, ann, moments_time="12:20")
    wants(queue, ann, enabled=False)
    assert live(queue, ann, NOON, days=1) == []
    wants(queue, ann, enabled=True)
    assert len(live(queue, ann, NOON + timedelta(days=1), days=1)) == 1


def test_somebody_who_uploads_for_the_first_time_is_told_every_day_from_then_on(queue: Any, ann: str) -> None:
    before = NOON.replace(hour=8, minute=45)
    assert live(queue, ann, before, days=2) == [before.replace(day=day, hour=9, minute=0) for day in (16, 17)]


def test_jobs_of_a_month_ago_are_forgotten(queue: Any, ann: str) -> None:
    for days in (31, 29):
        clock(queue, NOON - timedelta(days=days))
        queue.value("select generate_moments(%s)", ann)
        job = queue.take("generate_moments")
        queue.settle(job)
    clock(queue)
    wants(queue, ann, moments_time="12:10")
    assert asked(queue, ann) == [NOON - timedelta(days=29), NOON + timedelta(minutes=10)]


def test_a_chore_that_fails_keeps_no_other_from_being_done(queue: Any, ann: str) -> None:
    queue.db.execute("insert into kizu.chores (chore, does, every) values ('broken', 'no_such', '1 hour')")
    try:
        clock(queue)
        queue.db.execute("update kizu.chores set due_at = '-infinity'")
        answer = queue.value("select do_chores()")
        assert list(answer["failed"]) == ["broken"]
        assert set(answer["done"]) == {"moments", "renewal", "expiry", "pruning"}
        assert queue.value("select do_chores()") == {"done": [], "failed": {}, "more": False}
    finally:
        queue.db.execute("delete from kizu.chores where chore = 'broken'")


def test_a_chore_that_takes_longer_than_a_statement_may_keeps_no_other_from_being_done(
    queue: Any, ann: str
) -> None:
    queue.db.execute(
        "create function kizu.t_sleep(int) returns boolean language sql begin atomic"
        " select pg_sleep(60) is not null; end"
    )
    queue.db.execute("insert into kizu.chores (chore, does, every) values ('slow', 't_sleep', '1 hour')")
    try:
        clock(queue)
        queue.db.execute("update kizu.chores set due_at = '-infinity'")
        with queue.db.transaction():
            queue.db.execute("set local statement_timeout = '1s'")
            answer = queue.value("select do_chores()")
        assert list(answer["failed"]) == ["slow"]
        assert "moments" in answer["done"]
        assert queue.value("select due_at = kizu.now() + '1 hour' from kizu.chores where chore = 'slow'")
    finally:
        queue.db.execute("delete from kizu.chores where chore = 'slow'")
        queue.db.execute("drop function kizu.t_sleep(int)")


def test_nobody_does_chores_for_more_users_than_there_are_locks_for(queue: Any, ann: str) -> None:
    wants(queue, ann, enabled=False)
    with queue.db.transaction(force_rollback=True):
        queue.db.execute(
            "with crowd as (insert into auth.users (id)"
            " select gen_random_uuid() from generate_series(1, 1010) returning id)"
            " insert into kizu.moment_settings (user_id) select id from crowd"
        )
        queue.db.execute("update kizu.chores set due_at = '-infinity'")
        with queue.acting("authenticated", ann):
            assert queue.value("select do_chores(10000)")["more"]
        queue.db.execute("reset role")
        left = queue.value("select count(*) from kizu.moment_settings where enabled and next_at is null")
        assert left == 10


@pytest.mark.parametrize("role", ["authenticated", "kizu_worker"])
def test_any_worker_does_chores_for_all(queue: Any, ann: str, role: str) -> None:
    wants(queue, ann, moments_time="14:00")
    clock(queue, NOON + timedelta(hours=2))
    queue.db.execute("update kizu.chores set due_at = '-infinity'")
    with queue.acting(role, queue.user() if role == "authenticated" else None):
        assert "moments" in queue.value("select do_chores()")["done"]
    assert len(asked(queue, ann)) == 1


def test_pg_cron_does_chores_where_the_project_has_it(queue: Any) -> None:
    assert queue.value("select kizu.use_pg_cron()") is False
    with queue.db.transaction(force_rollback=True):
        queue.db.execute("create schema cron; create table cron.jobs (name text, at text, does text)")
        queue.db.execute(
            "create function cron.schedule(text, text, text) returns bigint language sql as"
            " 'insert into cron.jobs values ($1, $2, $3) returning 1::bigint'"
        )
        assert queue.value("select kizu.use_pg_cron()") is True
        [row] = queue.rows("select * from cron.jobs")
        assert (row["name"], row["at"]) == ("kizu-chores", "*/4 * * * *")
        queue.db.execute("update kizu.chores set due_at = '-infinity'")
        queue.db.execute(row["does"])
        assert queue.rows("select from kizu.chores where due_at = '-infinity'") == []


@pytest.mark.parametrize(
    "found_out",
    [
        (
            "insert into runs (job_id, job_table, epoch, attempt, user_id, kind, worker_id, outcome,"
            " started_at, finished_at) values (gen_random_uuid(), 't', 1, 1, %s, 'optimize_image', 'w',"
            " 'done', kizu.now(), kizu.now())"
        ),
        "insert into face_verdicts (user_id, verdict) values (%s, 'name')",
    ],
    ids=["photos", "names"],
)
def test_what_is_found_out_on_the_day_renews_its_moments(queue: Any, ann: str, found_out: str) -> None:
    occasion(queue, ann, NOON - timedelta(hours=3))
    Telling(queue, ann).settle()
    chores(queue, NOON + timedelta(minutes=21))
    assert NOON + timedelta(minutes=21) not in asked(queue, ann), "nothing has changed"
    clock(queue, NOON + timedelta(minutes=25))
    queue.db.execute(found_out, (ann,))
    later = NOON + timedelta(minutes=42)
    chores(queue, later)
    assert later in asked(queue, ann)
    end_jobs(queue, ann)
    chores(queue, later + timedelta(minutes=21))
    assert later + timedelta(minutes=21) not in asked(queue, ann), "that was looked at"


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ([], "settings"),
        ({"zone": "Berlin"}, "zone"),
        ({"zone": "UTC+25"}, "zone"),
        ({"zone": 7}, "zone"),
        ({"zone": "posix/Europe/Berlin"}, "zone"),
        ({"moments_time": "24:00"}, "moments_time"),
        ({"moments_time": "9:00"}, "moments_time"),
        ({"moments_time": None}, "moments_time"),
        ({"language": "english!"}, "language"),
        ({"events": "yes"}, "events"),
        ({"auto_delete_days": 0}, "auto_delete_days"),
        ({"auto_delete_days": 1.5}, "auto_delete_days"),
        ({"auto_delete_days": 366}, "auto_delete_days"),
        ({"quiet_from": "22:00"}, "quiet_from"),
        ({"asked_on": "2026-01-01"}, "asked_on"),
        ({"user_id": "00000000-0000-0000-0000-000000000000"}, "user_id"),
    ],
)
def test_settings_that_are_none_are_refused(queue: Any, ann: str, settings: Any, wrong: str) -> None:
    with (
        queue.acting("authenticated", ann),
        pytest.raises(psycopg.DatabaseError, match="bad_params") as caught,
    ):
        queue.value("select set_moment_settings(%s)", json.dumps(settings))
    assert str(caught.value.diag.message_detail).startswith(f"{wrong}: ")


def test_settings_are_answered_as_they_were_set(queue: Any, ann: str) -> None:
    given = {
        "zone": "Europe/Lisbon",
        "moments_time": "07:30",
        "language": "de",
        "auto_delete_days": 30,
        "people": False,
        "notify": False,
        "quiet_from": "22:00",
        "quiet_until": "08:00",
    }
    assert wants(queue, ann, **given).items() >= given.items()
    with queue.acting("authenticated", ann):
        assert queue.value("select moment_settings()").items() >= given.items()
    assert wants(queue, ann, quiet_from=None, quiet_until=None)["quiet_from"] is None


def test_settings_are_ones_own(queue: Any, ann: str) -> None:
    ben = queue.user()
    with queue.acting("authenticated", ben):
        queue.value("select set_moment_settings('{\"events\": false}', %s)", ann)
    with queue.acting("authenticated", ann):
        assert queue.value("select moment_settings()")["events"] is True
    with queue.acting("service_role"):
        assert queue.value("select moment_settings(%s)", ben)["events"] is False
        with pytest.raises(psycopg.DatabaseError, match="not_found"), queue.db.transaction():
            queue.value("select moment_settings(gen_random_uuid())")
        with pytest.raises(psycopg.DatabaseError, match="bad_params"), queue.db.transaction():
            queue.value("select moment_settings()")
