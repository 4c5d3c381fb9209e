"""What users see of their moments, and what they do with one."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.sql.moments import NOON, clock, feed, photos

pytestmark = pytest.mark.stack


@pytest.fixture
def ann(queue: Any) -> str:
    clock(queue)
    return str(queue.user())


def moment(queue: Any, user: str, **columns: Any) -> str:
    row = {
        "user_id": user,
        "grouping_type": "event",
        "title": "t",
        "created_at": NOON,
        "expires_at": NOON + timedelta(days=7),
        **columns,
    }
    names, marks = ", ".join(row), ", ".join(["%s"] * len(row))
    return str(queue.value(f"insert into moments ({names}) values ({marks}) returning id", *row.values()))


def do(queue: Any, user: str, verb: str, *args: Any) -> Any:
    marks = ", ".join(["%s"] * len(args))
    with queue.acting("authenticated", user):
        return queue.value(f"select {verb}({marks})", *args)


def ids(moments: list[dict[str, Any]]) -> list[str]:
    return [one["id"] for one in moments]


@pytest.mark.parametrize(
    ("columns", "is_shown"),
    [
        ({}, True),
        ({"expires_at": NOON}, False),
        ({"expires_at": None}, True),  # an app's own
        ({"dismissed_at": NOON}, False),
        ({"is_saved": True, "expires_at": None}, True),
        ({"is_saved": True, "expires_at": None, "dismissed_at": NOON}, False),
        ({"viewed_at": NOON}, True),
    ],
)
def test_the_feed_has_what_is_saved_or_not_expired_and_not_dismissed(
    queue: Any, ann: str, columns: dict[str, Any], is_shown: bool
) -> None:
    made = moment(queue, ann, **columns)
    assert ids(feed(queue, ann)) == ([made] if is_shown else [])


def test_the_feed_is_paged_newest_first_and_the_best_of_a_day_first(queue: Any, ann: str) -> None:
    made = {
        (day, score): moment(queue, ann, score=score, created_at=NOON - timedelta(days=day))
        for day in range(3)
        for score in (0.2, 0.9, None)
    }
    moment(queue, queue.user())
    expected = [made[day, score] for day in range(3) for score in (0.9, 0.2, None)]
    found: list[str] = []
    after = None
    for _ in range(10):
        with queue.acting("authenticated", ann):
            page = queue.value("select list_moments(2, %s)", after and json.dumps(after))
        found += ids(page["moments"])
        after = page["next"]
        if after is None:
            break
    assert found == expected


@pytest.mark.parametrize(
    ("args", "wrong"),
    [
        ("0", "limit"),
        ("101", "limit"),
        ("1, '{}'", "after"),
        ("1, '7'", "after"),
        ('1, \'{"at": "x", "score": 1, "id": "x"}\'', "after"),
    ],
)
def test_pages_that_are_none_are_refused(queue: Any, ann: str, args: str, wrong: str) -> None:
    with (
        queue.acting("authenticated", ann),
        pytest.raises(psycopg.DatabaseError, match="bad_params") as caught,
    ):
        queue.value(f"select list_moments({args})")
    assert str(caught.value.diag.message_detail).startswith(f"{wrong}: ")


def test_a_saved_moment_never_expires_and_is_no_more_when_it_is_let_go(queue: Any, ann: str) -> None:
    made = moment(queue, ann)
    saved = do(queue, ann, "save_moment", made)
    assert (saved["is_saved"], saved["expires_at"]) == (True, None)
    clock(queue, NOON + timedelta(days=500))
    assert ids(feed(queue, ann, saved=True)) == [made]
    expire(queue)
    assert ids(feed(queue, ann)) == [made]
    freed = do(queue, ann, "save_moment", made, False)
    assert datetime.fromisoformat(freed["expires_at"]) == NOON + timedelta(days=507)
    assert feed(queue, ann, saved=True) == []


def test_a_moment_that_is_saved_again_is_in_the_feed_again(queue: Any, ann: str) -> None:
    made = moment(queue, ann)
    do(queue, ann, "save_moment", made)
    do(queue, ann, "dismiss_moment", made)
    assert feed(queue, ann) == []
    do(queue, ann, "save_moment", made)
    assert ids(feed(queue, ann)) == [made]


def test_what_is_dismissed_comes_back_only_when_it_is_taken_back(queue: Any, ann: str) -> None:
    made = moment(queue, ann)
    first = do(queue, ann, "dismiss_moment", made)["dismissed_at"]
    clock(queue, NOON + timedelta(hours=1))
    assert do(queue, ann, "dismiss_moment", made)["dismissed_at"] == first
    assert do(queue, ann, "dismiss_moment", made, False)["dismissed_at"] is None
    assert ids(feed(queue, ann)) == [made]


def test_the_first_look_is_noted(queue: Any, ann: str) -> None:
    made = moment(queue, ann)
    first = do(queue, ann, "view_moment", made)["viewed_at"]
    clock(queue, NOON + timedelta(hours=1))
    assert do(queue, ann, "view_moment", made)["viewed_at"] == first
    assert datetime.fromisoformat(first) == NOON


def test_a_moment_is_shown_with_its_photos_a_page_at_a_time(queue: Any, ann: str) -> None:
    made = moment(queue, ann)
    taken = photos(queue, ann, [NOON - timedelta(hours=n) for n in range(5)])
    for place, photo in enumerate(taken):
        queue.db.execute(
            "insert into moment_assets (user_id, moment_id, asset_id, display_order) values (%s, %s, %s, %s)",
            (ann, made, photo, place // 2),
        )
    found, after = [], None
    for _ in range(5):
        page = do(queue, ann, "show_moment", made, 2, after and json.dumps(after))
        found += [photo["asset_id"] for photo in page["photos"]]
        after = page["next"]
        if after is None:
            break
    assert sorted(found) == sorted(taken)
    assert len(found) == 5
    assert (page["moment"]["id"], page["moment"]["photos"]) == (made, 5)


@pytest.mark.parametrize("verb", ["show_moment", "view_moment", "save_moment", "dismiss_moment"])
def test_nobody_reaches_anothers_moment(queue: Any, ann: str, verb: str) -> None:
    made, ben = moment(queue, ann), queue.user()
    before = queue.rows("select * from moments where id = %s", made)
    with queue.acting("authenticated", ben), pytest.raises(psycopg.DatabaseError, match="not_found"):
        queue.value(f"select {verb}(%s)", made)
    with queue.acting("authenticated", ben), pytest.raises(psycopg.DatabaseError, match="not_found"):
        queue.value(f"select {verb}(%s, p_user => %s)", made, ann)
    assert queue.rows("select * from moments where id = %s", made) == before
    with queue.acting("service_role"):
        assert queue.value(f"select {verb}(%s, p_user => %s)", made, ann)


def expire(queue: Any) -> None:
    queue.db.execute("update kizu.chores set due_at = '-infinity' where chore = 'expiry'")
    assert queue.value("select do_chores()")["failed"] == {}


def test_what_has_expired_is_deleted_a_day_later_with_its_photos(queue: Any, ann: str) -> None:
    old, new = moment(queue, ann), moment(queue, ann, expires_at=NOON + timedelta(days=8, hours=1))
    [photo] = photos(queue, ann, [NOON])
    queue.db.execute(
        "insert into moment_assets (user_id, moment_id, asset_id) values (%s, %s, %s)", (ann, old, photo)
    )
    dismissed = moment(queue, ann, dismissed_at=NOON)
    clock(queue, NOON + timedelta(days=7, hours=12))
    expire(queue)
    assert queue.value("select count(*) from moments where user_id = %s", ann) == 3
    clock(queue, NOON + timedelta(days=8, minutes=1))
    expire(queue)
    left = queue.rows("select id from moments where user_id = %s", ann)
    assert [str(row["id"]) for row in left] == [new]
    assert dismissed not in ids(feed(queue, ann))
    assert queue.rows("select from moment_assets where moment_id = %s", old) == []
    assert queue.rows("select from assets where id = %s", photo) != []


def test_a_story_is_forgotten_after_its_season_unless_it_is_in_the_feed(queue: Any, ann: str) -> None:
    kept = moment(queue, ann, expires_at=NOON + timedelta(days=300))
    for made, key in ((kept, "kept"), ("00000000-0000-0000-0000-000000000001", "gone")):
        queue.db.execute(
            "insert into kizu.told_stories (user_id, moment_id, key, kind, told_on, photos, at)"
            " values (%s, %s, %s, 'event', '2026-07-15', '{}', %s)",
            (ann, made, key, NOON),
        )
    stories = "select key from kizu.told_stories where user_id = %s order by key"
    clock(queue, NOON + timedelta(days=91))
    expire(queue)
    assert len(queue.rows(stories, ann)) == 2
    clock(queue, NOON + timedelta(days=93))
    expire(queue)
    assert [row["key"] for row in queue.rows(stories, ann)] == ["kept"]
