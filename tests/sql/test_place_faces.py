"""Where a new face belongs among clusters, and that a new look takes nothing from anybody."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.sql.people import HERE, THERE, contact, face, faces_of, look
from tests.sql.people_invariants import locked_faces, violations
from tests.sql.test_recognise_faces import MARGIN, MAYBE, SAME, questions, said, towards


@pytest.fixture
def user(queue: Any) -> str:
    queue.generation("m", "faces", dimension=16, p_same_face=SAME)
    queue.db.execute("update generations set maybe_face = %s, face_margin = %s", (MAYBE, MARGIN))
    return str(queue.user())


def seen(queue: Any, user: str, *vectors: str, quality: float | None = None) -> list[dict[str, Any]]:
    """A new photo's faces, from left to right."""
    asset = queue.asset(user)
    rows = [face(n, {**HERE, "x": 0.25 * n}, vector) for n, vector in enumerate(vectors)]
    look(queue, user, asset, *[row | {"quality": quality} for row in rows])
    assert violations(queue, user) == []
    return [row | {"asset_id": asset} for row in faces_of(queue, asset)]


def now(queue: Any, row: dict[str, Any]) -> Any:
    return queue.value("select cluster_id from face_embeddings where face_id = %s", row["face_id"])


def test_one_is_a_stranger_and_two_are_a_cluster(queue: Any, user: str) -> None:
    [one] = seen(queue, user, towards(1))
    assert now(queue, one) is None
    [two] = seen(queue, user, towards(0.8))
    assert now(queue, one) == now(queue, two) is not None
    [three] = seen(queue, user, towards(0.9))
    assert now(queue, three) == now(queue, one)
    row = queue.rows("select face_count from face_clusters where user_id = %s", user)
    assert row == [{"face_count": 3}]


def test_two_faces_of_a_photo_are_two_people(queue: Any, user: str) -> None:
    one, two = seen(queue, user, towards(1), towards(0.95))
    assert now(queue, one) is now(queue, two) is None
    three, four = seen(queue, user, towards(0.99), towards(0.97))
    assert now(queue, three) is None or now(queue, three) != now(queue, four)


def test_who_may_be_of_a_cluster_is_a_question(queue: Any, user: str) -> None:
    seen(queue, user, towards(1))
    seen(queue, user, towards(0.95))
    [row] = seen(queue, user, towards(0.5))
    assert now(queue, row) is None
    assert [str(row["face_id"]) in pair for pair in questions(queue, user)] == [True]


def test_who_comes_to_somebody_by_others_of_them_is_asked_about_and_not_named(queue: Any, user: str) -> None:
    ada = contact(queue, user)
    known = said(queue, user, ada, towards(1))
    [recognised] = seen(queue, user, towards(0.8, 0.55))
    assert recognised["contact_id"] == uuid.UUID(ada)
    [later] = seen(queue, user, towards(0.3, 0.95))  # less like the named face than anybody who may be her
    assert now(queue, later) == now(queue, recognised)
    assert later["contact_id"] is None
    assert questions(queue, user) == {frozenset((str(later["face_id"]), known))}

    with queue.acting("authenticated", user):
        [asked] = queue.value("select list_face_questions()")["questions"]
        assert [asked["face"]["face_id"], asked["other"]["face_id"]] == [str(later["face_id"]), known]
        queue.value("select answer_face_question(%s, %s, 'same')", later["face_id"], known)
        assert queue.value("select list_face_questions()") == {"questions": []}
    assert faces_of(queue, later["asset_id"])[0]["contact_id"] == uuid.UUID(ada)
    assert violations(queue, user) == []


def test_a_face_of_low_quality_joins_and_founds_nothing(queue: Any, user: str) -> None:
    [one] = seen(queue, user, towards(1), quality=0.1)
    [two] = seen(queue, user, towards(0.95), quality=0.1)
    assert now(queue, one) is now(queue, two) is None
    [good] = seen(queue, user, towards(0.97), quality=0.9)
    assert now(queue, good) is None
    [better] = seen(queue, user, towards(0.96), quality=0.9)
    assert now(queue, better) == now(queue, good) is not None
    [third] = seen(queue, user, towards(0.94), quality=0.1)
    assert now(queue, third) == now(queue, good)


def test_a_blurred_face_joins_whom_it_is_maybe_if_the_next_is_clearly_behind(queue: Any, user: str) -> None:
    [early] = seen(queue, user, towards(0.48), quality=0.1)
    [one] = seen(queue, user, towards(1), quality=0.9)
    assert now(queue, early) is None
    seen(queue, user, towards(0.95), quality=0.9)
    assert now(queue, early) == now(queue, one) is not None, "tried again once there is a person"
    [late] = seen(queue, user, towards(0.48), quality=0.1)
    [sharp] = seen(queue, user, towards(0.48, -0.8), quality=0.9)
    assert [now(queue, late), now(queue, sharp)] == [now(queue, one), None]
    seen(queue, user, towards(0, 1), quality=0.9)
    seen(queue, user, towards(0.05, 0.99), quality=0.9)
    [between] = seen(queue, user, towards(0.5, 0.45), quality=0.1)
    assert now(queue, between) is None


def test_clusters_that_a_face_shows_to_be_one_are_joined(queue: Any, user: str) -> None:
    """Each is of its own until a face is seen that is like both, and they are alike on average."""
    ends = [seen(queue, user, vector)[0] for vector in (towards(1), towards(0.98, 0.1))]
    first = now(queue, ends[0])
    others = [seen(queue, user, towards(0.5, 0.86)), seen(queue, user, towards(0.51, 0.85))]
    assert now(queue, others[0][0]) != first
    queue.db.execute("update generations set same_face = 0.45")
    [between] = seen(queue, user, towards(0.83, 0.55))
    clusters = {now(queue, row) for row in (*ends, *(other[0] for other in others), between)}
    assert clusters == {first}


@pytest.mark.parametrize("apart", ["different", "locked", "not born yet"])
def test_what_people_said_is_never_joined_over(queue: Any, user: str, apart: str) -> None:
    one, two = (seen(queue, user, vector)[0] for vector in (towards(1), towards(0.9)))
    cluster = now(queue, one)
    if apart == "locked":
        queue.db.execute("update face_clusters set locked = true where id = %s", (cluster,))
    elif apart == "not born yet":
        queue.db.execute(
            "update face_clusters set contact_id = %s where id = %s", (contact(queue, user), cluster)
        )
        queue.db.execute("update contacts set birth_date = '2030-01-01'")
        queue.db.execute("update assets set taken_at = '2020-01-01'")
        queue.db.execute("alter table assets alter taken_at set default '2020-01-01'")
    held = locked_faces(queue, user)
    vector = towards(0.95)
    try:
        if apart == "different":
            queue.db.execute("delete from face_embeddings where face_id = %s", (two["face_id"],))
            [row] = seen(queue, user, towards(0.1, 0.1))
            verdict = queue.value(
                "insert into face_verdicts (user_id, verdict) values (%s, 'different') returning id", user
            )
            queue.db.execute(
                "with face as"
                " (select face_id, asset_id, user_id from face_embeddings where face_id in (%s, %s))"
                " insert into kizu.face_pairs"
                " select one.face_id, other.face_id, one.user_id, one.asset_id, other.asset_id, false, %s"
                "   from face as one join face as other on one.face_id < other.face_id",
                (one["face_id"], row["face_id"], verdict),
            )
            queue.db.execute("update face_embeddings set embedding = %s where id = %s", (vector, row["id"]))
            queue.value("select kizu.recognise_again(%s, array[%s]::uuid[])", user, row["asset_id"])
        else:
            [row] = seen(queue, user, vector)
    finally:
        queue.db.execute("alter table assets alter taken_at drop default")
    if apart == "not born yet":  # those who were in the contact's cluster have left it, too
        assert now(queue, row) != cluster
    else:
        assert now(queue, row) is None
    assert violations(queue, user, held) == []


def test_who_is_recognised_does_not_join_who_cannot_leave_for_somebody_else(queue: Any, user: str) -> None:
    """Both faces of a photo are recognised, and the one whose cluster the other comes to has to stay."""
    cay, bob = sorted((contact(queue, user, "Cay"), contact(queue, user, "Bob")))
    [like_x] = seen(queue, user, towards(0, 0, 1))
    [like_y] = seen(queue, user, towards(0, 1))
    x, y = seen(queue, user, towards(0, 0, 0.9), towards(0, 0.9))
    [one] = seen(queue, user, towards(1))
    seen(queue, user, towards(0.97))

    def say(verb: str, *arguments: Any) -> None:
        places = ", ".join(["%s"] * len(arguments))
        with queue.acting("authenticated", user):
            queue.value(f"select {verb}({places})", *arguments)
        assert violations(queue, user) == []

    say("merge_people", now(queue, one), [now(queue, like_y)])
    say("assign_faces", [one["face_id"]], cay)
    said(queue, user, bob, towards(0, 0.99))
    assert now(queue, y) == now(queue, one), "people said so"
    say("assign_faces", [like_x["face_id"]], cay)
    assert now(queue, y) == now(queue, one) != now(queue, x)


def test_another_look_keeps_a_face_in_its_cluster(queue: Any, user: str) -> None:
    rows = [seen(queue, user, vector)[0] for vector in (towards(1), towards(0.9), towards(0.95))]
    cluster = now(queue, rows[0])
    look(queue, user, rows[0]["asset_id"], face(0, {**HERE, "x": 0.0}, towards(0.98)))
    assert faces_of(queue, rows[0]["asset_id"])[0]["id"] == rows[0]["id"]
    assert now(queue, rows[0]) == cluster
    assert violations(queue, user) == []


def test_who_was_named_and_is_overlooked_comes_back(queue: Any, user: str) -> None:
    ada = contact(queue, user)
    known = said(queue, user, ada, towards(1))
    asset = queue.value("select asset_id from face_embeddings where face_id = %s", known)
    for _ in range(2):
        look(queue, user, asset)
        assert faces_of(queue, asset) == []
        assert violations(queue, user) == []
    look(queue, user, asset, face(0, THERE, towards(0.9)))
    assert faces_of(queue, asset)[0]["contact_id"] is None
    look(queue, user, asset, face(0, HERE, towards(0.9)))
    [row] = faces_of(queue, asset)
    assert (str(row["face_id"]), str(row["contact_id"]), row["recognised"]) == (known, ada, False)
    assert queue.value("select contact_id::text from face_clusters where id = %s", row["cluster_id"]) == ada
    assert queue.value("select count(*) from kizu.former_faces where user_id = %s", user) == 0
    assert violations(queue, user) == []
