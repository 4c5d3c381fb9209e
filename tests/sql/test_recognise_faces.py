"""Whom a face is taken for: by the nearest faces that people named, whether these are few or many."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.sql.people import HERE, THERE, contact, face, faces_of, look, name_face
from tests.sql.people_invariants import violations

SAME, MAYBE, MARGIN = 0.6, 0.4, 0.05
FURTHER = {"x": 0.35, "y": 0.10, "width": 0.20, "height": 0.20}


def towards(*shares: float) -> str:
    """A unit vector with these cosines to the first axes, and the rest along an axis of its own."""
    rest = math.sqrt(max(1 - sum(share**2 for share in shares), 0))
    numbers = [*shares, *[0.0] * (16 - len(shares))]
    numbers[8 + random.Random(str(shares)).randrange(8)] = rest
    return "[" + ",".join(f"{number:.6f}" for number in numbers) + "]"


@pytest.fixture(params=["few", "many"])
def user(queue: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    """Whose faces are compared one by one, or found by the index."""
    queue.generation("m", "faces", dimension=16, p_same_face=SAME)
    queue.db.execute("update generations set maybe_face = %s, face_margin = %s", (MAYBE, MARGIN))
    queue.db.execute(
        "select set_config('kizu.test_few_faces', %s, false)", ("0" if request.param == "many" else "",)
    )
    yield queue.user()
    queue.db.execute("reset kizu.test_few_faces")


def said(queue: Any, user: str, who: str, vector: str, quality: float | None = None) -> str:
    """A photo whose face people said is `who`; the id of the face."""
    asset = queue.asset(user)
    look(queue, user, asset, face(0, HERE, vector) | {"quality": quality})
    row = faces_of(queue, asset)[0]
    name_face(queue, row["id"], who)
    queue.value("select kizu.recognise_again(%s, array[%s]::uuid[])", user, asset)
    return str(row["face_id"])


def seen(queue: Any, user: str, *faces: dict[str, Any], at: str | None = None) -> list[dict[str, Any]]:
    asset = queue.asset(user)
    if at:
        queue.db.execute("update assets set taken_at = %s where id = %s", (at, asset))
    look(queue, user, asset, *faces)
    assert violations(queue, user) == []
    return faces_of(queue, asset)


def who(row: dict[str, Any]) -> str | None:
    return str(row["contact_id"]) if row["contact_id"] and row["recognised"] else None


def questions(queue: Any, user: str) -> set[frozenset[str]]:
    rows = queue.rows(
        "select face_id::text, other_id::text from kizu.face_questions where user_id = %s", user
    )
    return {frozenset(row.values()) for row in rows}


def test_who_is_alike_is_recognised_and_in_the_contacts_cluster(queue: Any, user: str) -> None:
    ada = contact(queue, user)
    said(queue, user, ada, towards(1))
    [row] = seen(queue, user, face(0, THERE, towards(0.7)))
    assert who(row) == ada
    assert queue.value("select contact_id::text from face_clusters where id = %s", row["cluster_id"]) == ada
    assert questions(queue, user) == set()


def test_who_may_be_is_a_question_and_no_guess(queue: Any, user: str) -> None:
    known = said(queue, user, contact(queue, user), towards(1))
    [row] = seen(queue, user, face(0, THERE, towards(0.5)))
    [stranger] = seen(queue, user, face(0, THERE, towards(0.3)))
    assert who(row) is who(stranger) is None
    assert questions(queue, user) == {frozenset({known, str(row["face_id"])})}


def test_within_the_margin_of_another_person_nobody_is_guessed(queue: Any, user: str) -> None:
    ada, bob = contact(queue, user), contact(queue, user, "Bob")
    known = said(queue, user, ada, towards(1))
    said(queue, user, bob, towards(0, 1))
    [row] = seen(queue, user, face(0, THERE, towards(0.70, 0.67)))
    assert who(row) is None
    assert frozenset({known, str(row["face_id"])}) in questions(queue, user)
    [clear] = seen(queue, user, face(0, THERE, towards(0.74, 0.62)))
    assert who(clear) == ada


def test_a_second_face_of_the_same_person_is_no_second_person(queue: Any, user: str) -> None:
    ada = contact(queue, user)
    said(queue, user, ada, towards(1))
    said(queue, user, ada, towards(0.98, 0.1))
    [row] = seen(queue, user, face(0, THERE, towards(0.7)))
    assert who(row) == ada


def test_a_person_is_in_a_photo_once_and_the_other_is_the_next_likely(queue: Any, user: str) -> None:
    ada, bob = contact(queue, user), contact(queue, user, "Bob")
    said(queue, user, ada, towards(1))
    said(queue, user, bob, towards(0, 1))
    rows = seen(
        queue,
        user,
        face(0, HERE, towards(0.70, 0.61)),
        face(1, THERE, towards(0.9)),
        face(2, FURTHER, towards(0.8)),
    )
    assert [who(row) for row in rows] == [bob, ada, None]


def test_nobody_is_who_a_face_beside_them_is_said_to_be_though_this_model_does_not_see_it(
    queue: Any, user: str
) -> None:
    queue.generation("n", "faces", dimension=16, p_same_face=SAME)
    ada, taught, beside = contact(queue, user), towards(1), towards(0.8)
    known, asset = queue.asset(user), queue.asset(user)
    for model in ("m", "n"):
        look(queue, user, known, face(0, HERE, taught, model))
    look(queue, user, asset, face(0, HERE, towards(0.9)), face(1, THERE, beside))
    for row in (faces_of(queue, known)[0], faces_of(queue, asset)[0]):
        queue.value("select assign_faces(array[%s]::uuid[], %s)", row["face_id"], ada)

    look(queue, user, asset, face(0, THERE, beside, "n"))

    (seen_by_n,) = faces_of(queue, asset, "n")
    assert seen_by_n["face_id"] == faces_of(queue, asset)[1]["face_id"]
    assert who(seen_by_n) is None
    assert violations(queue, user) == []


def test_who_was_not_born_yet_and_who_it_is_not_are_passed_over(queue: Any, user: str) -> None:
    ada = contact(queue, user)
    said(queue, user, ada, towards(1))
    queue.db.execute("update contacts set birth_date = '2000-01-01' where id = %s", (ada,))
    [before] = seen(queue, user, face(0, HERE, towards(0.9)), at="1999-12-31T12:00Z")
    [after] = seen(queue, user, face(0, HERE, towards(0.9)), at="2000-06-01T12:00Z")
    assert (who(before), who(after)) == (None, ada)
    assert before["cluster_id"] is None
    queue.db.execute(
        "insert into kizu.exclusions (face_id, contact_id, asset_id, user_id)"
        " select face_id, %s, asset_id, user_id from face_embeddings where id = %s",
        (ada, after["id"]),
    )
    asset = queue.value("select asset_id from face_embeddings where id = %s", after["id"])
    queue.value("select kizu.recognise_again(%s, array[%s]::uuid[])", user, asset)
    assert who(faces_of(queue, asset)[0]) is None
    assert violations(queue, user) == []


def test_a_face_of_low_quality_teaches_nothing_and_is_asked_about(queue: Any, user: str) -> None:
    ada, bob = contact(queue, user), contact(queue, user, "Bob")
    known = said(queue, user, ada, towards(1))
    said(queue, user, bob, towards(0, 1), quality=0.1)
    [blurred] = seen(queue, user, face(0, HERE, towards(0.9)) | {"quality": 0.1})
    assert who(blurred) is None
    assert frozenset({known, str(blurred["face_id"])}) in questions(queue, user)
    [of_bob] = seen(queue, user, face(0, HERE, towards(0, 0.9)))
    assert who(of_bob) is None


def test_the_last_of_ten_thousand_named_faces_is_found(queue: Any, user: str) -> None:
    ada = contact(queue, user)
    queue.db.execute(
        "insert into assets (id, user_id, path, media_type)"
        " select md5(%(user)s::text || n)::uuid, %(user)s::uuid, %(user)s::text || '/' || n, 'document'"
        "   from generate_series(1, 10000) as n",
        {"user": user},
    )
    queue.db.execute(
        "insert into face_embeddings (user_id, asset_id, embedding, bounding_box, model_version, contact_id)"
        " select %(user)s::uuid, md5(%(user)s::text || n)::uuid,"
        "        array(select random() - 0.5 + 0 * n from generate_series(1, 16))::extensions.vector,"
        "        %(box)s, 'm', %(bob)s"
        "   from generate_series(1, 10000) as n",
        {"user": user, "box": Jsonb(HERE), "bob": contact(queue, user, "Bob")},
    )
    queue.db.execute("analyze face_embeddings, kizu.face_vectors")
    said(queue, user, ada, towards(1))
    asset = queue.asset(user)
    look(queue, user, asset, face(0, HERE, towards(0.99)))
    assert who(faces_of(queue, asset)[0]) == ada
