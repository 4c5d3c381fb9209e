"""Moments are written with their photos and one notification, once, and follow what comes after."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import psycopg.types.json
import pytest

from tests.sql.moments import (
    HOME,
    LISBON,
    NOON,
    Telling,
    clock,
    feed,
    give_vectors,
    members,
    notifications,
    occasion,
    photos,
    tell,
)

pytestmark = pytest.mark.stack

YESTERDAY = NOON - timedelta(days=1)


@pytest.fixture
def ann(queue: Any) -> str:
    clock(queue)
    return str(queue.user())


def settle(queue: Any, user: str, settings: str) -> None:
    with queue.acting("authenticated", user):
        queue.value("select set_moment_settings(%s)", settings)


def rows_of(queue: Any, user: str) -> dict[str, list[Any]]:
    """Everything about moments that is kept of a user."""
    tables = {
        "moments": "user_id",
        "moment_assets": "user_id",
        "kizu.told_stories": "user_id",
        "actions_log": "user_id",
        "notification_queue": "recipient_user_id",
    }
    return {
        table: queue.rows(f"select * from {table} where {owner} = %s order by id", user)
        for table, owner in tables.items()
    }


def test_an_event_goes_from_photos_to_the_feed(queue: Any, ann: str) -> None:
    taken = occasion(queue, ann, YESTERDAY, count=6)
    assert tell(queue, ann) == {"moments_generated": 1, "moments_created": 1}
    [moment] = feed(queue, ann)
    assert (moment["grouping_type"], moment["title"], moment["photos"]) == (
        "event",
        "Tuesday afternoon, July 14",
        6,
    )
    assert members(queue, moment["id"]) == taken
    assert set(moment["cover_asset_ids"]) <= set(taken)
    assert [cover["asset_id"] for cover in moment["covers"]] == moment["cover_asset_ids"]
    assert datetime.fromisoformat(moment["expires_at"]) == NOON + timedelta(days=7)
    [notice] = notifications(queue, ann)
    assert (notice["title"], notice["deep_link_type"], notice["deep_link_id"]) == (
        "New Moment Available",
        "moment",
        "feed",
    )
    [action] = queue.rows("select * from actions_log where user_id = %s", ann)
    assert (action["id"], action["action_type"], action["metadata"]) == (
        notice["action_log_id"],
        "moment_generated",
        {"count": 1},
    )


def test_run_twice_on_a_day_changes_nothing(queue: Any, ann: str) -> None:
    occasion(queue, ann, YESTERDAY)
    tell(queue, ann)
    before = rows_of(queue, ann)
    assert tell(queue, ann, NOON + timedelta(hours=3))["moments_created"] == 0
    assert rows_of(queue, ann) == before


def test_photos_that_come_on_the_same_day_go_into_the_moment_that_is_there(queue: Any, ann: str) -> None:
    first = occasion(queue, ann, YESTERDAY)
    tell(queue, ann)
    [before] = feed(queue, ann)
    more = occasion(queue, ann, YESTERDAY + timedelta(hours=1), count=3)
    tell(queue, ann, NOON + timedelta(hours=1))
    [after] = feed(queue, ann)
    assert after["id"] == before["id"]
    assert members(queue, after["id"]) == first + more
    assert after["expires_at"] == before["expires_at"], "it is not kept for longer"
    assert after["updated_at"] is not None
    assert len(notifications(queue, ann)) == 1, "nothing new was told"


def test_a_photo_that_is_deleted_leaves_its_moment_and_the_last_takes_it_along(queue: Any, ann: str) -> None:
    taken = occasion(queue, ann, YESTERDAY)
    tell(queue, ann)
    [moment] = feed(queue, ann)
    cover = moment["cover_asset_ids"][0]
    with queue.acting("authenticated", ann):
        queue.db.execute("delete from assets where id = %s", (cover,))
    [moment] = feed(queue, ann)
    assert cover not in moment["cover_asset_ids"]
    assert members(queue, moment["id"]) == [photo for photo in taken if photo != cover]
    assert queue.value("select photos from kizu.told_stories where user_id = %s", ann) is not None
    assert queue.rows("select from kizu.told_stories where photos @> array[%s]::uuid[]", cover) == []
    with queue.acting("authenticated", ann):
        queue.db.execute("delete from assets where user_id = %s", (ann,))
    assert feed(queue, ann) == []
    assert rows_of(queue, ann)["moments"] == []


def test_a_user_who_is_deleted_leaves_nothing(queue: Any, ann: str) -> None:
    occasion(queue, ann, YESTERDAY)
    tell(queue, ann)
    assert all(rows_of(queue, ann).values())
    queue.db.execute("delete from auth.users where id = %s", (ann,))
    assert not any(rows_of(queue, ann).values())
    assert queue.rows("select from kizu.moment_settings where user_id = %s", ann) == []


def test_two_users_with_interleaved_photos_are_told_of_their_own(queue: Any, ann: str) -> None:
    ben = queue.user()
    mine, theirs = [], []
    for place in range(6):
        at = YESTERDAY + timedelta(minutes=5 * place)
        mine += photos(queue, ann, [at], LISBON, location_name="Lisbon, Portugal")
        theirs += photos(queue, ben, [at], LISBON, location_name="Lisbon, Portugal")
    for user in (ann, ben):
        tell(queue, user)
    for user, own in ((ann, mine), (ben, theirs)):
        seen = {photo for moment in feed(queue, user) for photo in members(queue, moment["id"])}
        assert seen == set(own)
    with queue.acting("authenticated", ben), pytest.raises(psycopg.DatabaseError, match="not_found"):
        queue.value("select show_moment(%s)", feed_id(queue, ann))


def feed_id(queue: Any, user: str) -> Any:
    return queue.value("select id from moments where user_id = %s limit 1", user)


def test_users_write_each_other_no_moments_through_a_job(queue: Any, ann: str) -> None:
    ben = queue.user()
    occasion(queue, ann, YESTERDAY)
    theirs = occasion(queue, ben, YESTERDAY)
    tell(queue, ben)
    telling = Telling(queue, ann)
    write = telling.writes[0]
    page = queue.value("select rows from kizu.staged where job_id = %s", telling.job["id"])
    for row in page:
        row.update({"members": theirs} if "members" in row else {"updates": str(feed_id(queue, ben))})
    queue.db.execute(
        "update kizu.staged set rows = %s where job_id = %s",
        (psycopg.types.json.Jsonb(page), telling.job["id"]),
    )
    before = rows_of(queue, ben)
    assert queue.settle(telling.job, writes=[write])["answer"] == "settled"
    assert rows_of(queue, ben) == before
    assert feed(queue, ann) == []


def test_killed_before_it_is_settled_nothing_is_there(queue: Any, ann: str) -> None:
    occasion(queue, ann, YESTERDAY)
    telling = Telling(queue, ann)
    before = rows_of(queue, ann)
    assert not any(before.values())
    clock(queue, NOON + timedelta(hours=1))  # its lease is over
    queue.value("select rescue_jobs(100)")
    assert queue.settle(telling.job, writes=telling.writes)["answer"] == "lost"
    assert rows_of(queue, ann) == before


@pytest.mark.parametrize("table", ["moments", "moment_assets", "kizu.told_stories", "notification_queue"])
def test_a_settlement_that_fails_at_any_table_writes_none(queue: Any, ann: str, table: str) -> None:
    occasion(queue, ann, YESTERDAY)
    telling = Telling(queue, ann)
    before = rows_of(queue, ann)
    queue.db.execute(
        "create function kizu.fail() returns trigger language plpgsql as"
        " 'begin raise exception ''killed''; end'"
    )
    try:
        queue.db.execute(f"create trigger fails after insert on {table} execute function kizu.fail()")
        assert queue.settle(telling.job, writes=telling.writes)["answer"] == "refused"
    finally:
        queue.db.execute("drop function kizu.fail cascade")
    assert rows_of(queue, ann) == before
    telling.settle()
    assert all(rows_of(queue, ann).values())


def test_of_two_runs_at_once_the_later_asks_to_look_again(queue: Any, ann: str) -> None:
    occasion(queue, ann, YESTERDAY)
    first, second = Telling(queue, ann), Telling(queue, ann)
    first.settle()
    before = rows_of(queue, ann)
    second.settle()
    assert rows_of(queue, ann) == before
    waiting = "select from jobs where user_id = %s and job_type = 'generate_moments' and status = 'pending'"
    assert len(queue.rows(waiting, ann)) == 1


@pytest.mark.parametrize(("days", "is_told"), [(0, False), (6, False), (89, False), (90, True)])
def test_a_story_is_not_told_twice_whatever_a_worker_says(
    queue: Any, ann: str, days: int, is_told: bool
) -> None:
    """The engine knows what was told; a worker that did not look is stopped by the ledger."""
    occasion(queue, ann, YESTERDAY)
    first, second = Telling(queue, ann), Telling(queue, ann)
    first.settle()
    queue.db.execute("delete from moments where user_id = %s", (ann,))
    [write] = second.writes
    newest = queue.value("select max(id) from kizu.told_stories where user_id = %s", ann)
    scope = {"last_story": newest, "today": str((NOON + timedelta(days=days)).date())}
    write["scope"] |= scope
    clock(queue, NOON + timedelta(days=days))
    assert queue.settle(second.job, writes=[write])["answer"] == "settled"
    assert len(feed(queue, ann)) == is_told


def test_what_was_dismissed_or_saved_meanwhile_stays_as_it_is(queue: Any, ann: str) -> None:
    occasion(queue, ann, YESTERDAY)
    tell(queue, ann)
    [moment] = feed(queue, ann)
    occasion(queue, ann, YESTERDAY + timedelta(hours=1), count=3)
    for verb in ("dismiss_moment", "save_moment"):
        telling = Telling(queue, ann)
        with queue.acting("authenticated", ann):
            queue.value(f"select {verb}(%s)", moment["id"])
        telling.settle()
        assert len(members(queue, moment["id"])) == 6
        assert queue.value("select count(*) from moments where user_id = %s", ann) == 1


def test_a_month_of_daily_runs_repeats_no_story(queue: Any, ann: str) -> None:
    chance = random.Random(1)
    start = NOON - timedelta(days=400)
    for _ in range(40):
        day = start + timedelta(days=chance.randrange(425), hours=chance.randrange(10))
        place, name = chance.choice([(HOME, "Berlin, Germany"), (LISBON, "Lisbon, Portugal")])
        occasion(queue, ann, day, count=chance.randint(4, 6), place=place, location_name=name)
    told = 0
    for day in range(30):
        told += tell(queue, ann, NOON + timedelta(days=day))["moments_created"]
        expire(queue)
    stories = queue.rows("select key, kind, told_on from kizu.told_stories where user_id = %s", ann)
    keys = [story["key"] for story in stories if story["kind"] != "on_this_day"]
    assert told == len(stories) > 5
    assert len(keys) == len(set(keys))
    assert len(notifications(queue, ann)) == len({story["told_on"] for story in stories})


def expire(queue: Any) -> None:
    queue.db.execute("update kizu.chores set due_at = '-infinity' where chore = 'expiry'")
    answer = queue.value("select do_chores()")
    assert answer["failed"] == {}
    assert "expiry" in answer["done"]


def test_who_has_turned_moments_off_is_told_nothing(queue: Any, ann: str) -> None:
    occasion(queue, ann, YESTERDAY)
    settle(queue, ann, '{"enabled": false}')
    assert tell(queue, ann) == {"skipped": True, "reason": "moments_disabled"}
    assert not any(rows_of(queue, ann).values())


def test_who_turns_them_off_while_a_job_runs_is_told_nothing(queue: Any, ann: str) -> None:
    occasion(queue, ann, YESTERDAY)
    telling = Telling(queue, ann)
    settle(queue, ann, '{"enabled": false}')
    telling.settle()
    assert not any(rows_of(queue, ann).values())


def test_a_switch_turns_its_sort_off(queue: Any, ann: str) -> None:
    occasion(queue, ann, YESTERDAY)
    settle(queue, ann, '{"events": false}')
    tell(queue, ann)
    assert "event" not in {moment["grouping_type"] for moment in feed(queue, ann)}


@pytest.mark.parametrize(
    ("settings", "sent_after"),
    [
        ('{"notify": false}', None),
        ('{"quiet_from": "22:00", "quiet_until": "08:00"}', NOON),
        ('{"quiet_from": "11:00", "quiet_until": "13:30"}', NOON + timedelta(minutes=90)),
        # In New York it is eight in the morning.
        (
            '{"quiet_from": "22:00", "quiet_until": "09:00", "zone": "America/New_York"}',
            NOON + timedelta(hours=1),
        ),
        (
            '{"quiet_from": "21:00", "quiet_until": "07:00", "zone": "Asia/Tokyo"}',
            datetime(2026, 7, 15, 22, tzinfo=UTC),
        ),
    ],
)
def test_who_wants_quiet_has_it(queue: Any, ann: str, settings: str, sent_after: datetime | None) -> None:
    occasion(queue, ann, YESTERDAY)
    settle(queue, ann, settings)
    tell(queue, ann)
    assert len(feed(queue, ann)) == 1
    told = [notice["send_after"] for notice in notifications(queue, ann)]
    assert told == ([sent_after] if sent_after else [])
    assert queue.value("select count(*) from actions_log where user_id = %s", ann) == 1


def test_a_german_user_is_told_in_german(queue: Any, ann: str) -> None:
    occasion(queue, ann, YESTERDAY)
    settle(queue, ann, '{"language": "de-AT"}')
    tell(queue, ann)
    assert feed(queue, ann)[0]["title"].startswith("Dienstag")
    assert notifications(queue, ann)[0]["title"] == "Neuer Moment"


def test_covers_differ_by_the_vectors_of_the_generation_that_answers(queue: Any, ann: str) -> None:
    queue.generation("m", dimension=8)
    taken = occasion(queue, ann, YESTERDAY, count=12)
    give_vectors(queue, ann, taken)
    clock(queue)
    telling = Telling(queue, ann)
    asked = [args["assets"] for verb, args in telling.asked if verb == "moments_vectors"]
    assert [sorted(some) for some in asked] == [sorted(taken)]
    telling.settle()
    [moment] = feed(queue, ann)
    assert len(set(moment["cover_asset_ids"])) == 6


def test_no_worker_tells_a_user_more_than_fifty_stories_a_day(queue: Any, ann: str) -> None:
    [photo] = photos(queue, ann, [YESTERDAY])

    def tell_many(at: datetime, days: int) -> int:
        """As a user's own worker that says whatever it likes; answers how many stories are kept."""
        clock(queue, at)
        kind = queue.kind()
        last = queue.value("select coalesce(max(id), 0) from kizu.told_stories where user_id = %s", ann)
        scope = {"last_story": last, "today": str((at + timedelta(days=days)).date()), "notice": {}}
        rows: list[dict[str, Any]] = []
        for number in range(30):
            key = f"{kind} {number}"
            rows += [{"key": key, "kind": "event", "title": "t"}, {"of": key, "members": [photo]}]
        with queue.acting("authenticated", ann):
            queue.db.execute("select enqueue_job(%s)", [kind])
            write = {"table": "moments", "scope": scope, "rows": rows}
            assert queue.settle(queue.take(kind), writes=[write])["answer"] == "settled"
        return int(queue.value("select count(*) from kizu.told_stories where user_id = %s", ann))

    assert [tell_many(NOON, days) for days in (0, 1, 2)] == [30, 50, 50]
    assert len(queue.rows("select from actions_log where user_id = %s", ann)) == 2
    assert tell_many(NOON + timedelta(days=1), 0) == 80


@pytest.mark.parametrize("today", ["infinity", "0044-03-15 BC", "2026-07-18", "2026-07-12", None])
def test_no_story_is_told_on_another_day(queue: Any, ann: str, today: str | None) -> None:
    [photo] = photos(queue, ann, [YESTERDAY])
    kind = queue.kind()
    scope = {"last_story": 0, "today": today, "notice": {}}
    rows = [{"key": "k", "kind": "event", "title": "t"}, {"of": "k", "members": [photo]}]
    with queue.acting("authenticated", ann):
        queue.db.execute("select enqueue_job(%s)", [kind])
        answer = queue.settle(queue.take(kind), writes=[{"table": "moments", "scope": scope, "rows": rows}])
    assert answer["answer"] == "refused"
