"""What apps do to tags and contacts without a verb of ours is heard as well, and does not come back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sql.people import HERE, THERE, contact, face, faces_of, look, somebody
from tests.sql.people_invariants import violations

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def model(queue: Any) -> int:
    """The generation of faces that answers."""
    return int(queue.generation("m", "faces"))


@pytest.fixture
def user(queue: Any) -> str:
    return str(queue.user())


def photo(queue: Any, user: str, *vectors: str) -> str:
    asset = str(queue.asset(user))
    look(queue, user, asset, *(face(n, (HERE, THERE)[n], each) for n, each in enumerate(vectors)))
    return asset


def do(queue: Any, user: str, statement: str, *parameters: Any) -> int:
    """As an app does it; the rules of people hold then."""
    with queue.acting("authenticated", user):
        rows = int(queue.db.execute(statement, parameters).rowcount)
    assert violations(queue, user) == []
    return rows


def name(queue: Any, user: str, asset: str, who: str) -> None:
    do(queue, user, "select assign_face(%s, %s)", faces_of(queue, asset)[0]["id"], who)


def people(queue: Any, asset: str) -> list[tuple[str, str, str | None]]:
    """The tags of people in a photo: their name, contact, and the user who gave them."""
    rows = queue.rows(
        "select tag_value, contact_id, created_by from asset_tags"
        " where asset_id = %s and tag_type = 'person' order by 1, 3",
        asset,
    )
    return [
        (row["tag_value"], str(row["contact_id"]), row["created_by"] and str(row["created_by"]))
        for row in rows
    ]


def contacts(queue: Any, asset: str) -> list[tuple[str | None, bool]]:
    return [
        (row["contact_id"] and str(row["contact_id"]), row["recognised"]) for row in faces_of(queue, asset)
    ]


@pytest.mark.parametrize("said", [False, True])
def test_a_persons_tag_that_was_deleted_does_not_come_back(queue: Any, user: str, said: bool) -> None:
    ada = contact(queue, user)
    named, alike = photo(queue, user, somebody(1)), photo(queue, user, somebody(1, blur=0.3))
    name(queue, user, named, ada)
    if said:
        name(queue, user, alike, ada)
    assert people(queue, alike) == [("Ada", ada, None)]

    assert do(queue, user, "delete from asset_tags where asset_id = %s", alike) == 1

    assert contacts(queue, alike) == [(None, False)]
    assert people(queue, alike) == []
    look(queue, user, alike, face(0, HERE, somebody(1, blur=0.3)))
    name(queue, user, photo(queue, user, somebody(1, blur=0.2)), ada)
    assert people(queue, alike) == []
    assert contacts(queue, named) == [(ada, False)]
    (verdict,) = queue.rows(
        "select verdict, contact_id::text, said_by::text from face_verdicts where user_id = %s"
        " and verdict = 'is_not'",
        user,
    )
    assert verdict == {"verdict": "is_not", "contact_id": ada, "said_by": user}

    for _ in range(2):
        do(queue, user, "select undo_verdict()")
    assert people(queue, alike) == [("Ada", ada, None)]


def test_nobody_else_in_the_photo_is_them_then(queue: Any, user: str) -> None:
    ada = contact(queue, user)
    named = photo(queue, user, somebody(1))
    alike = photo(queue, user, somebody(1, blur=0.2), somebody(1, blur=0.9))
    name(queue, user, named, ada)
    assert people(queue, alike) == [("Ada", ada, None)]
    do(queue, user, "delete from asset_tags where asset_id = %s", alike)
    assert people(queue, alike) == []


def test_who_was_tagged_as_another_is_that_other(queue: Any, user: str) -> None:
    ada, bob = contact(queue, user), contact(queue, user, "Bob")
    named, alike = photo(queue, user, somebody(1)), photo(queue, user, somebody(1, blur=0.3))
    name(queue, user, named, ada)
    statement = "update asset_tags set contact_id = %s, tag_value = 'Bob' where asset_id = %s"
    assert do(queue, user, statement, bob, alike) == 1
    assert contacts(queue, alike) == [(bob, False)]
    look(queue, user, alike, face(0, HERE, somebody(1, blur=0.3)))
    assert contacts(queue, alike) == [(bob, False)]
    assert {tag[1] for tag in people(queue, alike)} == {bob}


def test_a_tag_without_its_contact_is_not_them(queue: Any, user: str) -> None:
    ada = contact(queue, user)
    named, alike = photo(queue, user, somebody(1)), photo(queue, user, somebody(1, blur=0.3))
    name(queue, user, named, ada)
    do(queue, user, "update asset_tags set contact_id = null where asset_id = %s", alike)
    look(queue, user, alike, face(0, HERE, somebody(1, blur=0.3)))
    assert contacts(queue, alike) == [(None, False)]
    assert people(queue, alike) == [("Ada", "None", user)]


def test_a_tag_of_ones_own_says_nothing_when_it_goes(queue: Any, user: str) -> None:
    ada = contact(queue, user)
    named, alike = photo(queue, user, somebody(1)), photo(queue, user, somebody(1, blur=0.3))
    name(queue, user, named, ada)
    add = (
        "insert into asset_tags (asset_id, tag_type, tag_value, contact_id) values (%s, 'person', 'Ada', %s)"
    )
    do(queue, user, add, alike, ada)
    assert do(queue, user, "delete from asset_tags where created_by = %s", user) == 1
    assert contacts(queue, alike) == [(ada, True)]


def objects(queue: Any, asset: str) -> list[str]:
    rows = queue.rows(
        "select tag_value from asset_tags where asset_id = %s and tag_type = 'object' order by 1", asset
    )
    return [row["tag_value"] for row in rows]


def see(queue: Any, user: str, asset: str, *things: str) -> None:
    kind = queue.kind()
    queue.enqueue(kind, user, asset)
    rows = [{"tag_value": thing} for thing in things]
    assert (
        queue.settle(queue.take(kind), writes=[{"table": "asset_tags", "rows": rows}])["answer"] == "settled"
    )


def test_a_thing_that_was_said_not_to_be_there_does_not_come_back(queue: Any, user: str) -> None:
    asset, other = queue.asset(user), queue.asset(user)
    for each in (asset, other):
        see(queue, user, each, "cat", "dog", "tree")
    do(queue, user, "delete from asset_tags where asset_id = %s and tag_value = 'cat'", asset)
    do(
        queue,
        user,
        "update asset_tags set tag_value = 'wolf' where asset_id = %s and tag_value = 'dog'",
        asset,
    )
    for each in (asset, other):
        see(queue, user, each, "cat", "dog", "tree")
    assert objects(queue, asset) == ["tree", "wolf"]
    assert objects(queue, other) == ["cat", "dog", "tree"]
    do(
        queue,
        user,
        "insert into asset_tags (asset_id, tag_type, tag_value) values (%s, 'object', 'cat')",
        asset,
    )
    do(queue, user, "delete from asset_tags where asset_id = %s and created_by = %s", asset, user)
    see(queue, user, asset, "cat", "dog")
    assert objects(queue, asset) == ["cat"], "whoever tags it says that it is there"


def test_a_photo_may_go_with_its_tags(queue: Any, user: str) -> None:
    ada, named = contact(queue, user), photo(queue, user, somebody(1))
    name(queue, user, named, ada)
    see(queue, user, named, "cat")
    assert do(queue, user, "delete from assets where id = %s", named) == 1
    assert queue.value("select count(*) from kizu.deleted_tags where user_id = %s", user) == 0
    assert queue.value("select count(*) from kizu.exclusions where user_id = %s", user) == 0


def test_a_renamed_contact_is_renamed_everywhere(queue: Any, user: str) -> None:
    ada, named = contact(queue, user), photo(queue, user, somebody(1))
    name(queue, user, named, ada)
    do(queue, user, "update contacts set display_name = 'Ada L.' where id = %s", ada)
    assert people(queue, named) == [("Ada L.", ada, None)]
    clusters = "select name, contact_id::text from face_clusters where user_id = %s"
    assert queue.rows(clusters, user) == [{"name": "Ada L.", "contact_id": ada}]


def test_a_deleted_contact_leaves_a_person_without_a_name(queue: Any, user: str) -> None:
    ada, bob = contact(queue, user), contact(queue, user, "Bob")
    named, alike = photo(queue, user, somebody(1)), photo(queue, user, somebody(1, blur=0.3))
    name(queue, user, named, ada)
    moved = photo(queue, user, somebody(2))
    name(queue, user, moved, bob)
    name(queue, user, moved, ada)
    do(queue, user, "delete from contacts where id = any (%s::uuid[])", [ada, bob])
    (cluster,) = queue.rows("select name, contact_id, face_count from face_clusters where user_id = %s", user)
    assert cluster == {"name": None, "contact_id": None, "face_count": 3}
    assert contacts(queue, named) == contacts(queue, alike) == [(None, False)]
    assert people(queue, named) == people(queue, alike) == []


def test_nobody_is_recognised_before_their_birth(queue: Any, user: str) -> None:
    ada = contact(queue, user)
    named, old = photo(queue, user, somebody(1)), photo(queue, user, somebody(1, blur=0.3))
    queue.db.execute("update assets set taken_at = '1999-12-31' where id = %s", (old,))
    name(queue, user, named, ada)
    assert people(queue, old) == [("Ada", ada, None)]
    do(queue, user, "update contacts set birth_date = '2000-01-01' where id = %s", ada)
    assert (contacts(queue, old), people(queue, old)) == ([(None, False)], [])
    do(queue, user, "update contacts set birth_date = '1990-01-01' where id = %s", ada)
    do(queue, user, "select spread_names()")
    assert people(queue, old) == [("Ada", ada, None)]


@pytest.mark.parametrize("change", ["tag_type = 'object'", "asset_id = %(other)s"])
def test_a_tag_of_something_else_is_not_them(queue: Any, user: str, change: str) -> None:
    ada = contact(queue, user)
    asset, other = photo(queue, user, somebody(1)), photo(queue, user)
    name(queue, user, asset, ada)
    with queue.acting("authenticated", user):
        queue.db.execute(
            f"update asset_tags set {change} where asset_id = %(asset)s", {"asset": asset, "other": other}
        )
    assert violations(queue, user) == []
    assert contacts(queue, asset) == [(None, False)]
    do(queue, user, "select undo_verdict()")
    assert contacts(queue, asset) == [(ada, False)]
