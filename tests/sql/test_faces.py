"""A new look at a photo: what people said about its faces and things stays, what we said gives way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sql.people import HERE, NEARLY_HERE, THERE, contact, face, faces_of, look, name_face, somebody

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def model(queue: Any) -> None:
    """The generation of faces that is active."""
    queue.generation("m", "faces")


def test_a_face_found_again_keeps_its_id_and_its_person(queue: Any) -> None:
    user = queue.user()
    asset, ada = queue.asset(user), contact(queue, user)
    look(queue, user, asset, face(0, HERE, somebody(1)), face(1, THERE, somebody(2)))
    before = faces_of(queue, asset)
    name_face(queue, before[1]["id"], ada)

    look(queue, user, asset, face(0, THERE, somebody(2)), face(1, NEARLY_HERE, somebody(1)))

    after = faces_of(queue, asset)
    assert [row["id"] for row in after] == [before[1]["id"], before[0]["id"]]
    assert [str(row["contact_id"]) for row in after] == [ada, "None"]


def test_fewer_faces_leave_none_behind(queue: Any) -> None:
    user = queue.user()
    asset = queue.asset(user)
    look(queue, user, asset, face(0, HERE, somebody(1)), face(1, THERE, somebody(2)))
    look(queue, user, asset, face(0, THERE, somebody(2)))
    assert [row["face_index"] for row in faces_of(queue, asset)] == [0]
    look(queue, user, asset)
    assert faces_of(queue, asset) == []


def test_a_face_elsewhere_is_a_new_face(queue: Any) -> None:
    user = queue.user()
    asset, ada = queue.asset(user), contact(queue, user)
    look(queue, user, asset, face(0, HERE, somebody(1)))
    name_face(queue, faces_of(queue, asset)[0]["id"], ada)
    look(queue, user, asset, face(0, THERE, somebody(7)))
    assert faces_of(queue, asset)[0]["contact_id"] is None


def test_somebody_known_is_recognised_and_tagged(queue: Any) -> None:
    user = queue.user()
    first, second, ada = queue.asset(user), queue.asset(user), contact(queue, user)
    look(queue, user, first, face(0, HERE, somebody(1)))
    name_face(queue, faces_of(queue, first)[0]["id"], ada)

    look(queue, user, second, face(0, THERE, somebody(1, blur=0.5)), face(1, HERE, somebody(2)))

    known, unknown = faces_of(queue, second)
    assert (str(known["contact_id"]), known["recognised"]) == (ada, True)
    assert (unknown["contact_id"], unknown["recognised"]) == (None, False)
    [tag] = queue.rows("select * from asset_tags where asset_id = %s", second)
    assert (tag["tag_type"], tag["tag_value"], str(tag["contact_id"])) == ("person", "Ada", ada)
    assert tag["created_by"] is None
    assert tag["tagged_by"]["similarity"] >= 0.55


def test_what_was_recognised_teaches_nothing(queue: Any) -> None:
    user = queue.user()
    assets, ada = [queue.asset(user) for _ in range(3)], contact(queue, user)
    look(queue, user, assets[0], face(0, HERE, somebody(1)))
    name_face(queue, faces_of(queue, assets[0])[0]["id"], ada)
    look(queue, user, assets[1], face(0, HERE, somebody(1, blur=0.9)))
    assert faces_of(queue, assets[1])[0]["recognised"]
    queue.db.execute("delete from assets where id = %s", (assets[0],))

    look(queue, user, assets[2], face(0, HERE, somebody(1, blur=0.9)))
    assert faces_of(queue, assets[2])[0]["contact_id"] is None


def test_a_person_is_in_a_photo_once(queue: Any) -> None:
    user = queue.user()
    first, second, ada = queue.asset(user), queue.asset(user), contact(queue, user)
    look(queue, user, first, face(0, HERE, somebody(1)))
    name_face(queue, faces_of(queue, first)[0]["id"], ada)
    look(queue, user, second, face(0, HERE, somebody(1, blur=0.6)), face(1, THERE, somebody(1, blur=0.1)))
    assert [str(row["contact_id"]) for row in faces_of(queue, second)] == ["None", ada]


def test_nobody_is_recognised_by_another_users_people(queue: Any) -> None:
    user, another = queue.user(), queue.user()
    theirs, ours = queue.asset(another), queue.asset(user)
    look(queue, another, theirs, face(0, HERE, somebody(1)))
    name_face(queue, faces_of(queue, theirs)[0]["id"], contact(queue, another))
    look(queue, user, ours, face(0, HERE, somebody(1)))
    assert faces_of(queue, ours)[0]["contact_id"] is None


def test_faces_of_another_model_are_not_compared(queue: Any) -> None:
    queue.generation("other", "faces")
    user = queue.user()
    first, second = queue.asset(user), queue.asset(user)
    look(queue, user, first, face(0, HERE, somebody(1)))
    name_face(queue, faces_of(queue, first)[0]["id"], contact(queue, user))
    look(queue, user, second, face(0, HERE, somebody(1), model="other"))
    assert faces_of(queue, second, "other")[0]["contact_id"] is None


def test_a_second_look_changes_nothing(queue: Any) -> None:
    user = queue.user()
    first, second = queue.asset(user), queue.asset(user)
    look(queue, user, first, face(0, HERE, somebody(1)))
    name_face(queue, faces_of(queue, first)[0]["id"], contact(queue, user))
    seen = [face(0, HERE, somebody(1, blur=0.2)), face(1, THERE, somebody(3))]
    look(queue, user, second, *seen)
    once = faces_of(queue, second)
    look(queue, user, second, *seen)
    assert faces_of(queue, second) == once
    assert queue.value("select count(*) from asset_tags where asset_id = %s", second) == 1


@pytest.mark.parametrize("named_first", [False, True])
def test_who_was_recognised_stays_so_when_the_model_changes(queue: Any, named_first: bool) -> None:
    user = queue.user()
    queue.generation("newer", "faces")
    named, other, ada = queue.asset(user), queue.asset(user), contact(queue, user)
    look(queue, user, named, face(0, HERE, somebody(1)))
    name_face(queue, faces_of(queue, named)[0]["id"], ada)
    look(queue, user, other, face(0, THERE, somebody(1, blur=0.3)))
    before = faces_of(queue, named), faces_of(queue, other)

    again = [(named, HERE, somebody(11)), (other, THERE, somebody(11, blur=0.3))]
    for asset, box, vector in again if named_first else reversed(again):
        look(queue, user, asset, face(0, box, vector, model="newer"))

    assert (faces_of(queue, named), faces_of(queue, other)) == before, "rows of a generation are its own"
    for asset, recognised in ((named, False), (other, True)):
        [old], [new] = faces_of(queue, asset), faces_of(queue, asset, "newer")
        assert new["id"] != old["id"]
        assert new["face_id"] == old["face_id"]
        assert (str(new["contact_id"]), new["recognised"]) == (ada, recognised)
    with queue.acting("authenticated", user):
        assert queue.value("select count(*) from asset_tags where asset_id = %s", other) == 1


def test_somebody_else_in_the_same_place_is_somebody_else(queue: Any) -> None:
    user = queue.user()
    asset, ada = queue.asset(user), contact(queue, user)
    look(queue, user, asset, face(0, HERE, somebody(1)))
    before = faces_of(queue, asset)[0]["id"]
    name_face(queue, before, ada)

    look(queue, user, asset, face(0, NEARLY_HERE, somebody(2)))

    [after] = faces_of(queue, asset)
    assert after["id"] != before
    assert after["contact_id"] is None


def test_a_mistaken_recognition_leaves_nothing_behind(queue: Any) -> None:
    user = queue.user()
    first, second, ada = queue.asset(user), queue.asset(user), contact(queue, user)
    cluster = queue.value(
        "insert into face_clusters (user_id, contact_id) values (%s, %s) returning id", user, ada
    )
    look(queue, user, first, face(0, HERE, somebody(1)))
    named = faces_of(queue, first)[0]["id"]
    name_face(queue, named, ada)
    queue.db.execute("update face_embeddings set cluster_id = %s where id = %s", (cluster, named))
    look(queue, user, second, face(0, HERE, somebody(1, blur=0.3)))
    assert faces_of(queue, second)[0]["cluster_id"] == cluster

    queue.db.execute(
        "update face_embeddings set contact_id = null, cluster_id = null where id = %s", (named,)
    )
    look(queue, user, second, face(0, HERE, somebody(1, blur=0.3)))

    [mistaken] = faces_of(queue, second)
    assert mistaken["contact_id"] is None
    assert mistaken["cluster_id"] == faces_of(queue, first)[0]["cluster_id"] != cluster


def test_a_person_that_somebody_confirmed_stays_tagged(queue: Any) -> None:
    user = queue.user()
    first, second, ada = queue.asset(user), queue.asset(user), contact(queue, user)
    look(queue, user, first, face(0, HERE, somebody(1)))
    name_face(queue, faces_of(queue, first)[0]["id"], ada)
    look(queue, user, second, face(0, HERE, somebody(1, blur=0.3)))
    name_face(queue, faces_of(queue, second)[0]["id"], ada)

    look(queue, user, second, face(0, HERE, somebody(1, blur=0.3)))

    [tag] = queue.rows("select * from asset_tags where asset_id = %s", second)
    assert str(tag["contact_id"]) == ada
    assert "similarity" not in tag["tagged_by"]


def test_a_tag_that_its_owner_corrected_is_the_owners(queue: Any) -> None:
    user, another = queue.user(), queue.user()
    asset = queue.asset(user)

    def see(*names: str) -> None:
        kind = queue.kind()
        queue.enqueue(kind, user, asset)
        rows = [{"tag_value": name, "tagged_by": {}} for name in names]
        queue.settle(queue.take(kind), writes=[{"table": "asset_tags", "rows": rows}])

    see("dog", "cat")
    with queue.acting("authenticated", user):
        queue.db.execute("update asset_tags set tag_value = 'wolf' where tag_value = 'dog'")
        queue.db.execute(
            "insert into asset_tags (asset_id, tag_type, tag_value, created_by)"
            " values (%s, 'object', 'hill', %s)",
            (asset, another),
        )
    see("cat")

    rows = queue.rows("select tag_value, created_by from asset_tags where asset_id = %s", asset)
    assert {row["tag_value"]: row["created_by"] and str(row["created_by"]) for row in rows} == {
        "wolf": str(user),
        "hill": str(user),
        "cat": None,
    }


def test_things_we_saw_are_tagged_once_and_peoples_tags_stay(queue: Any) -> None:
    user = queue.user()
    asset = queue.asset(user)
    queue.db.execute(
        "insert into asset_tags (user_id, asset_id, tag_type, tag_value, created_by)"
        " values (%s, %s, 'object', 'bicycle', %s)",
        (user, asset, user),
    )

    def see(*things: str) -> list[str]:
        kind = queue.kind()
        queue.enqueue(kind, user, asset)
        rows = [{"tag_value": thing, "tagged_by": {"source": "kizu"}} for thing in things]
        queue.settle(queue.take(kind), writes=[{"table": "asset_tags", "rows": rows}])
        tags = queue.rows("select tag_value from asset_tags where asset_id = %s order by 1", asset)
        return [row["tag_value"] for row in tags]

    assert see("dog", "dog", "bicycle") == ["bicycle", "bicycle", "dog"]
    assert see("cat") == ["bicycle", "cat"]
    assert see() == ["bicycle"]


@pytest.mark.parametrize(("same_face", "recognised"), [(None, True), (0.5, True), (0.7, False)])
def test_each_model_says_from_where_on_two_faces_are_one_person(
    queue: Any, same_face: float | None, recognised: bool
) -> None:
    """The two vectors have a cosine of about 0.6; 0.55 is meant where nothing is said."""
    user = queue.user()
    ada = contact(queue, user)
    known, new = queue.asset(user), queue.asset(user)
    look(queue, user, known, face(0, HERE, somebody(1)))
    name_face(queue, faces_of(queue, known)[0]["id"], ada)
    look(queue, user, new, {**face(0, HERE, somebody(1, blur=1.25)), "same_face": same_face})
    [found] = faces_of(queue, new)
    assert found["recognised"] is recognised


def test_a_face_without_a_vector_is_refused(queue: Any) -> None:
    """The cosine of a zero vector is NaN, which Postgres takes for more than any number."""
    user, kind = queue.user(), queue.kind()
    queue.enqueue(kind, user, queue.asset(user))
    zero = face(0, HERE, "[" + ",".join(["0"] * 512) + "]")
    answer = queue.settle(queue.take(kind), writes=[{"table": "face_embeddings", "rows": [zero]}])
    assert answer["answer"] == "refused"
    assert "vector_is_not_zero" in answer["error"]
