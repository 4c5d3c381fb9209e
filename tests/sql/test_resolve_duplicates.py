"""What owners say of duplicates: one is kept with all that the others alone had, or all are kept."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.sql.duplicates import Album, bits
from tests.sql.people import HERE, THERE, contact, face, faces_of, look, somebody

pytestmark = pytest.mark.stack


@pytest.fixture
def album(queue: Any) -> Album:
    return Album(queue)


def trio(album: Album) -> tuple[str, str, str]:
    """Three near-duplicates."""
    a, b, c = (album.photo(name) for name in "abc")
    assert album.together() == [{"a", "b", "c"}]
    return a, b, c


def resolve(album: Album, keep: str, *remove: str) -> Any:
    return album.call("resolve_duplicates", keep=keep, remove=list(remove))


def refused(album: Album, code: str, message: str, keep: str | None, *remove: str | None) -> None:
    with pytest.raises(psycopg.Error, match=message) as refusal:
        album.call("resolve_duplicates", keep=keep, remove=list(remove))
    assert refusal.value.sqlstate == code


def test_the_others_are_gone_with_their_files(album: Album) -> None:
    a, b, c = trio(album)
    paths = {row["id"]: row["path"] for row in album.queue.rows("select id::text, path from assets")}
    answer = resolve(album, a, b, c)
    assert (answer["status"], answer["kept"], answer["removed"], answer["gone"]) == ("resolved", a, 2, 0)
    left = album.queue.rows("select id::text from assets where user_id = %s", album.user)
    assert [row["id"] for row in left] == [a]
    thrown = album.queue.rows("select key from kizu.trash where user_id = %s", album.user)
    assert {paths[b], paths[c]} <= {row["key"] for row in thrown}
    assert not any(paths[a] == row["key"] or a in row["key"] for row in thrown)
    assert album.together() == []


def test_said_again_it_changes_nothing(album: Album) -> None:
    a, b, c = trio(album)
    resolve(album, a, b)
    again = resolve(album, a, b)
    assert (again["status"], again["removed"], again["gone"]) == ("resolved", 0, 1)
    more = resolve(album, a, b, c)
    assert (more["removed"], more["gone"]) == (1, 1)


def test_what_is_not_ones_own_or_not_there_is_refused_and_nothing_is_done(queue: Any, album: Album) -> None:
    a, b, _ = trio(album)
    another = Album(queue).photo("theirs")
    refused(album, "PT404", "not_found", a, b, another)
    refused(album, "PT404", "not_found", another, a)
    refused(album, "PT404", "not_found", a, b, str(uuid.uuid4()))
    refused(album, "PT404", "not_found", str(uuid.uuid4()), a)
    refused(album, "PT400", "bad_params", a, b, a)
    refused(album, "PT400", "bad_params", None, a)
    refused(album, "PT400", "bad_params", a)
    refused(album, "PT400", "bad_params", a, None)
    refused(album, "PT400", "bad_params", a, *(str(uuid.uuid4()) for _ in range(101)))
    resolve(album, a, b)
    # What was removed for another photo is not there for this one.
    refused(album, "PT404", "not_found", album.ids["c"], b)
    assert album.queue.value("select count(*) from assets where user_id = %s", album.user) == 2
    assert album.queue.value("select count(*) from assets where id = %s", another) == 1


def test_what_was_removed_for_one_that_is_removed_now_is_gone(album: Album) -> None:
    a, b, c = trio(album)
    resolve(album, a, b)
    chained = resolve(album, c, a, b)
    assert (chained["removed"], chained["gone"]) == (1, 1)
    again = resolve(album, c, a, b)
    assert (again["removed"], again["gone"]) == (0, 2)


def test_what_is_no_duplicate_of_one_is_none_of_what_is_kept_for_it(album: Album) -> None:
    a, b, c = trio(album)
    album.call("keep_duplicates", asset_ids=[b, c])
    resolve(album, a, b)
    assert album.together() == []
    assert album.call("keep_duplicates", asset_ids=[a, c], kept=False)["pairs"] == 1
    assert album.together() == [{"a", "c"}]


def test_a_user_may_say_so_much_of_what_is_no_duplicate(album: Album) -> None:
    a, b, c = trio(album)
    album.queue.db.execute("update queue_settings set value = 2 where name = 'kept_duplicates_per_user'")
    try:
        album.call("keep_duplicates", asset_ids=[a, b])
        with pytest.raises(psycopg.Error, match="conflict") as refusal:
            album.call("keep_duplicates", asset_ids=[a, b, c])
        assert refusal.value.sqlstate == "PT409"
        assert album.call("keep_duplicates", asset_ids=[a, b])["pairs"] == 0
        assert album.call("keep_duplicates", asset_ids=[a, c])["pairs"] == 1
    finally:
        album.queue.db.execute(
            "update queue_settings set value = 100000 where name = 'kept_duplicates_per_user'"
        )


def test_a_photo_without_a_file_is_not_kept_for_one_that_has_it(album: Album) -> None:
    there, empty = album.photo("there"), album.photo("empty", path=None, stored=False)
    refused(album, "PT409", "conflict", empty, there)
    assert resolve(album, there, empty)["removed"] == 1
    assert resolve(
        album, album.photo("a", path=None, stored=False), album.photo("b", path=None, stored=False)
    )


def test_the_last_file_is_not_thrown_away(album: Album) -> None:
    lost, there = album.photo("lost", stored=False), album.photo("there")
    refused(album, "PT409", "conflict", lost, there)
    assert resolve(album, there, lost)["removed"] == 1


def test_tags_of_people_go_to_the_kept_once(album: Album) -> None:
    a, b, c = trio(album)
    tags = (
        (a, "beach", album.user),
        (b, "beach", album.user),
        (b, "friends", album.user),
        (c, "friends", album.user),
        (c, "dog", None),
    )
    for asset, value, by in tags:
        album.queue.db.execute(
            "insert into asset_tags (user_id, asset_id, tag_type, tag_value, created_by)"
            " values (%s, %s, 'object', %s, %s)",
            (album.user, asset, value, by),
        )
    assert resolve(album, a, b, c)["moved"]["tags"] == 1
    found = album.queue.rows("select asset_id::text, tag_value, created_by::text as by from asset_tags")
    assert sorted((row["asset_id"], row["tag_value"], row["by"]) for row in found) == [
        (a, "beach", album.user),
        (a, "friends", album.user),
    ]


def test_places_in_albums_and_moments_go_to_the_kept(album: Album) -> None:
    a, b, c = trio(album)
    queue, user = album.queue, album.user
    path = queue.value("select path from assets where id = %s", b)
    both, one = (
        queue.value(
            "insert into albums (user_id, title, keyphoto) values (%s, 't', %s) returning id", user, key
        )
        for key in (None, path)
    )
    for within, asset, order in ((both, a, 1), (both, b, 2), (one, c, 7), (one, b, 5)):
        queue.db.execute(
            "insert into album_assets (user_id, album_id, asset_id, asset_uri, display_order)"
            " values (%s, %s, %s, %s, %s)",
            (user, within, asset, f"{user}/{asset}.jpg", order),
        )
    moment = queue.value(
        "insert into moments (user_id, title, grouping_type, cover_asset_ids)"
        " values (%s, 't', 'trip', %s::uuid[]) returning id",
        user,
        [b, a, c],
    )
    queue.db.execute(
        "insert into moment_assets (user_id, moment_id, asset_id) values (%s, %s, %s)", (user, moment, c)
    )
    moved = resolve(album, a, b, c)["moved"]
    assert (moved["albums"], moved["moments"]) == (1, 1)
    kept = queue.value("select path from assets where id = %s", a)
    items = queue.rows("select album_id, asset_id::text, asset_uri, display_order from album_assets")
    assert {(row["album_id"], row["asset_id"], row["display_order"]) for row in items} == {
        (both, a, 1),
        (one, a, 5),
    }
    assert [row["asset_uri"] for row in items if row["album_id"] == one] == [kept]
    assert queue.value("select keyphoto from albums where id = %s", one) == kept
    assert queue.value("select cover_asset_ids::text[] from moments where id = %s", moment) == [a]
    assert queue.value("select asset_id::text from moment_assets where moment_id = %s", moment) == a


def test_who_was_named_is_named_in_the_kept(album: Album) -> None:
    a, b, c = trio(album)
    queue = album.queue
    queue.generation("m", "faces")
    ada, bob = contact(queue, album.user), contact(queue, album.user, "Bob")
    look(queue, album.user, a, face(0, HERE, somebody(1)))
    look(queue, album.user, b, face(0, HERE, somebody(1, blur=3)), face(1, THERE, somebody(2)))
    album.call("assign_face", face_id=faces_of(queue, b)[0]["face_id"], contact_id=ada)
    album.call("assign_face", face_id=faces_of(queue, b)[1]["face_id"], contact_id=bob)
    assert faces_of(queue, a)[0]["contact_id"] is None, "they are too unlike to be recognised"

    assert resolve(album, a, b, c)["moved"]["names"] == 2
    (known,) = faces_of(queue, a)
    assert (str(known["contact_id"]), known["recognised"]) == (ada, False)
    tag = queue.rows(
        "select contact_id::text, created_by::text as by, bounding_box from asset_tags"
        " where asset_id = %s and tag_value = 'Bob'",
        a,
    )
    assert tag == [{"contact_id": bob, "by": album.user, "bounding_box": THERE}]


def test_a_name_that_people_gave_the_kept_stays(album: Album) -> None:
    a, b, _ = trio(album)
    queue = album.queue
    queue.generation("m", "faces")
    ada, bob = contact(queue, album.user), contact(queue, album.user, "Bob")
    for asset, who in ((a, ada), (b, bob)):
        look(queue, album.user, asset, face(0, HERE, somebody(1)))
        album.call("assign_face", face_id=faces_of(queue, asset)[0]["face_id"], contact_id=who)
    resolve(album, a, b)
    assert str(faces_of(queue, a)[0]["contact_id"]) == ada


def test_what_people_said_is_no_face_of_the_kept_stays_none(album: Album) -> None:
    a, b, _ = trio(album)
    queue = album.queue
    queue.generation("m", "faces")
    ada = contact(queue, album.user)
    for asset, who in ((a, 1), (b, 2)):
        look(queue, album.user, asset, face(0, HERE, somebody(who)))
    (marked,), (named,) = faces_of(queue, a), faces_of(queue, b)
    album.call("mark_faces", face_ids=[marked["face_id"]], mark="not_a_face")
    album.call("assign_face", face_id=named["face_id"], contact_id=ada)
    resolve(album, a, b)
    assert faces_of(queue, a)[0]["contact_id"] is None
    assert (
        queue.value("select mark from kizu.face_marks where face_id = %s", marked["face_id"]) == "not_a_face"
    )
    assert queue.value("select contact_id::text from asset_tags where asset_id = %s", a) == ada


@pytest.mark.parametrize(
    ("kept", "other", "after"),
    [
        ((None, None), ("2020-01-01", "original"), ("2020-01-01", "person")),
        (("2021-01-01", "original"), ("2020-01-01", "original"), ("2021-01-01", "original")),
        (("2021-01-01", "original"), ("2020-01-01", "person"), ("2020-01-01", "person")),
        (("2021-01-01", "person"), ("2020-01-01", "person"), ("2021-01-01", "person")),
    ],
)
def test_when_it_was_taken_is_filled_in_and_corrections_are_kept(
    album: Album, kept: tuple[Any, Any], other: tuple[Any, Any], after: tuple[str, str]
) -> None:
    a = album.photo("a", taken_at=kept[0], taken_at_source=kept[1])
    b = album.photo("b", taken_at=other[0], taken_at_source=other[1])
    resolve(album, a, b)
    assert album.queue.rows(
        "select (taken_at at time zone 'UTC')::date::text as taken, taken_at_source as source from assets"
        " where id = %s",
        a,
    ) == [{"taken": after[0], "source": after[1]}]


def test_where_it_was_taken_and_what_it_is_called_are_filled_in(album: Album) -> None:
    a = album.photo("a")
    b = album.photo(
        "b", latitude=41.9, longitude=12.5, location_name="Rome", file_name="IMG_1.jpg", folder="x"
    )
    resolve(album, a, b)
    columns = "latitude, longitude, location_name, place_source, file_name, folder"
    assert album.queue.rows(f"select {columns} from assets where id = %s", a) == [
        {
            "latitude": 41.9,
            "longitude": 12.5,
            "location_name": "Rome",
            "place_source": "person",
            "file_name": "IMG_1.jpg",
            "folder": "x",
        }
    ]


def test_films_raws_and_sidecars_come_along_and_are_not_thrown_away(album: Album) -> None:
    a, b, c = trio(album)
    digests = {"b.mov": None, "a.xmp": "1" * 64, "b.xmp": "2" * 64, "c.xmp": "2" * 64, "same.xmp": "1" * 64}
    for asset, name in ((b, "b.mov"), (b, "b.xmp"), (c, "c.xmp"), (c, "same.xmp"), (a, "a.xmp")):
        album.queue.db.execute(
            "insert into asset_parts (user_id, asset_id, kind, path, sha256) values (%s, %s, %s, %s, %s)",
            (
                album.user,
                asset,
                "live" if name == "b.mov" else "sidecar",
                f"{album.user}/{name}",
                digests[name],
            ),
        )
    assert resolve(album, a, b, c)["moved"]["parts"] == 2
    parts = album.queue.rows(
        "select kind, sha256 from asset_parts where asset_id = %s order by kind, created_at", a
    )
    assert [(part["kind"], part["sha256"]) for part in parts] == [
        ("live", None),
        ("sidecar", "1" * 64),
        ("sidecar", "2" * 64),
    ], "its own comes first"
    thrown = {
        row["key"].removeprefix(f"{album.user}/")
        for row in album.queue.rows("select key from kizu.trash where user_id = %s", album.user)
    }
    assert thrown & set(digests) in ({"b.xmp", "same.xmp"}, {"c.xmp", "same.xmp"}), "copies"


def test_kept_duplicates_are_never_shown_together_again(album: Album) -> None:
    a, b, c = trio(album)
    assert album.call("keep_duplicates", asset_ids=[b, a]) == {"status": "kept", "pairs": 1}
    assert album.call("keep_duplicates", asset_ids=[a, b]) == {"status": "kept", "pairs": 0}
    assert all(not {"a", "b"} <= group for group in album.together())
    album.call("keep_duplicates", asset_ids=[a, b, c])
    assert album.together() == []
    for asset in (a, b, c):
        album.look(
            asset,
            sha256=uuid.uuid4().hex * 2,
            looks=bits("looks", 64),
            fine=bits("fine", 256),
            sharpness=1,
            exposure=1,
            contrast=50,
        )
    assert album.together() == []
    assert album.call("keep_duplicates", asset_ids=[a, b, c], kept=False)["pairs"] == 3
    assert album.together() == [{"a", "b", "c"}]


def test_who_keeps_photos_that_are_being_deleted_asks_again(
    album: Album, connect: Callable[[], psycopg.Connection]
) -> None:
    a, b, _ = trio(album)
    other = connect()
    album.queue.db.execute("set statement_timeout = '20s'")  # where nothing else ends the wait
    with other.transaction(force_rollback=True):
        other.execute("delete from assets where id = %s", (b,))
        with pytest.raises(psycopg.Error, match="database_busy") as refusal:
            album.call("keep_duplicates", asset_ids=[a, b])
    assert refusal.value.sqlstate == "PT503"


def test_what_was_said_of_another_file_is_said_no_more(album: Album) -> None:
    a, b, _ = trio(album)
    album.call("keep_duplicates", asset_ids=[a, b])
    album.queue.db.execute(
        "insert into kizu.contents (asset_id, content, since) values (%s, 'new', kizu.now())", (a,)
    )
    assert album.together() == [{"a", "b", "c"}]


def test_only_ones_own_are_kept(queue: Any, album: Album) -> None:
    a, *_ = trio(album)
    for wrong in ([a, Album(queue).photo("theirs")], [a, str(uuid.uuid4())]):
        with pytest.raises(psycopg.Error, match="not_found"):
            album.call("keep_duplicates", asset_ids=wrong)
    for wrong in ([a], [], [a, None], [str(uuid.uuid4()) for _ in range(101)]):
        with pytest.raises(psycopg.Error, match="bad_params"):
            album.call("keep_duplicates", asset_ids=wrong)
