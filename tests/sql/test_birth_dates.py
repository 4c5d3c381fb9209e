"""Nobody is recognised in a photo from before their birth, whichever of the two is known first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sql.people import HERE, face, faces_of, look, somebody
from tests.sql.people_invariants import locked_faces, violations

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def model(queue: Any) -> int:
    """The generation of faces that answers."""
    return int(queue.generation("m", "faces"))


@pytest.fixture
def user(queue: Any) -> Iterator[str]:
    made = str(queue.user())
    yield made
    assert violations(queue, made) == []


def photo(queue: Any, user: str, vector: str, taken: str | None = None) -> str:
    asset = str(queue.asset(user))
    queue.db.execute("update assets set taken_at = %s where id = %s", (taken, asset))
    look(queue, user, asset, face(0, HERE, vector))
    return asset


def name(queue: Any, user: str, asset: str, who: str = "Ada") -> str:
    [found] = faces_of(queue, asset)
    with queue.acting("authenticated", user):
        return str(queue.value("select assign_face(%s, p_name => %s)", found["id"], who)["contact_id"])


def born(queue: Any, user: str, who: str, day: str | None) -> None:
    with queue.acting("authenticated", user):
        queue.db.execute("update contacts set birth_date = %s where id = %s", (day, who))


def taken(queue: Any, user: str, asset: str, at: str | None) -> None:
    with queue.acting("authenticated", user):
        queue.db.execute("update assets set taken_at = %s where id = %s", (at, asset))


def spread(queue: Any, user: str) -> None:
    with queue.acting("authenticated", user):
        while queue.value("select spread_names()")["more"]:
            pass


def of(queue: Any, asset: str) -> tuple[str | None, bool, str | None]:
    """The contact of a photo's face, whether it was recognised, and the cluster's contact."""
    [row] = queue.rows(
        "select face.contact_id::text as a, recognised as b, cluster.contact_id::text as c"
        "  from face_embeddings as face left join face_clusters as cluster on cluster.id = cluster_id"
        " where asset_id = %s",
        asset,
    )
    return row["a"], row["b"], row["c"]


def tags(queue: Any, asset: str) -> list[str]:
    return [
        row["tag_value"] for row in queue.rows("select tag_value from asset_tags where asset_id = %s", asset)
    ]


NOBODY = (None, False, None)


def test_a_birth_date_takes_back_who_was_recognised_before(queue: Any, user: str) -> None:
    said = photo(queue, user, somebody(1), "2015-06-01")
    before, after, dateless = (
        photo(queue, user, somebody(1, blur=blur), at)
        for blur, at in ((0.2, "2004-05-05"), (0.3, "2010-01-01"), (0.25, None))
    )
    ada = name(queue, user, said)
    assert of(queue, before) == of(queue, after) == of(queue, dateless) == (ada, True, ada)

    born(queue, user, ada, "2005-01-01")

    assert (of(queue, before), tags(queue, before)) == (NOBODY, [])
    assert of(queue, after) == of(queue, dateless) == (ada, True, ada)
    assert (of(queue, said), tags(queue, after)) == ((ada, False, ada), ["Ada"])
    spread(queue, user)
    look(queue, user, before, face(0, HERE, somebody(1, blur=0.2)))
    assert of(queue, before) == NOBODY, "nor is it said again"
    later = photo(queue, user, somebody(1, blur=0.1), "2004-12-31")
    assert of(queue, later)[0] is None


def test_who_people_said_it_is_stays(queue: Any, user: str) -> None:
    said = photo(queue, user, somebody(1), "2004-05-05")
    ada = name(queue, user, said)
    born(queue, user, ada, "2005-01-01")
    assert of(queue, said) == (ada, False, ada)


def test_who_people_said_is_one_with_them_stays_with_them(queue: Any, user: str) -> None:
    said, like = photo(queue, user, somebody(1), "2015-05-05"), photo(queue, user, somebody(2), "2004-05-05")
    [one], [other] = faces_of(queue, said), faces_of(queue, like)
    with queue.acting("authenticated", user):
        queue.value("select answer_face_question(%s, %s, 'same')", one["face_id"], other["face_id"])
    ada = name(queue, user, said)
    assert of(queue, like)[2] == ada
    born(queue, user, ada, "2005-01-01")
    assert of(queue, like) == (None, False, ada)


def test_an_earlier_date_gives_them_back(queue: Any, user: str) -> None:
    said, before = (photo(queue, user, somebody(1, blur=blur), "2004-05-05") for blur in (0.1, 0.2))
    ada = name(queue, user, said)
    for day, known in (("2005-01-01", False), ("2003-01-01", True), ("2005-01-01", False), (None, True)):
        born(queue, user, ada, day)
        spread(queue, user)
        assert (of(queue, before)[0] == ada) == known, day


def test_a_photo_that_turns_out_to_be_older_takes_them_back(queue: Any, user: str) -> None:
    said, other, dateless = (
        photo(queue, user, somebody(1, blur=blur), at)
        for blur, at in ((0.1, "2015-05-05"), (0.2, "2015-05-05"), (0.3, None))
    )
    ada = name(queue, user, said)
    born(queue, user, ada, "2005-01-01")
    assert of(queue, other) == of(queue, dateless) == (ada, True, ada)
    for asset in (other, dateless):
        taken(queue, user, asset, "2005-01-02")
        assert of(queue, asset) == (ada, True, ada)
        taken(queue, user, asset, "2004-12-31")
        assert (of(queue, asset), tags(queue, asset)) == (NOBODY, [])
    taken(queue, user, said, "2004-12-31")
    assert of(queue, said) == (ada, False, ada)


def test_a_time_that_a_worker_finds_counts_too(queue: Any, user: str) -> None:
    said, other = (photo(queue, user, somebody(1, blur=blur)) for blur in (0.1, 0.2))
    ada = name(queue, user, said)
    born(queue, user, ada, "2005-01-01")
    kind = queue.kind()
    queue.enqueue(kind, user, other)
    answer = queue.settle(queue.take(kind), writes=[{"table": "assets", "fill": {"taken_at": "2001-01-01"}}])
    assert answer["answer"] == "settled", answer
    assert of(queue, other) == NOBODY


def test_a_photo_is_of_the_day_where_it_was_taken(queue: Any, user: str) -> None:
    ada = name(queue, user, photo(queue, user, somebody(1)))
    night = photo(queue, user, somebody(1, blur=0.3), "2000-05-04T16:00Z")
    queue.db.execute("update assets set taken_at_offset_minutes = 540 where id = %s", (night,))  # in Tokyo
    born(queue, user, ada, "2000-05-05")
    spread(queue, user)
    assert of(queue, night) == (ada, True, ada)

    with queue.acting("authenticated", user):
        queue.db.execute("update assets set taken_at_offset_minutes = 0 where id = %s", (night,))

    assert of(queue, night) == NOBODY


@pytest.mark.parametrize("first", ["birth", "photo"])
def test_who_is_in_a_locked_cluster_stays_without_the_name(queue: Any, user: str, first: str) -> None:
    ada = name(queue, user, photo(queue, user, somebody(1)))
    alike = photo(queue, user, somebody(1, blur=0.3), "2000-01-01" if first == "photo" else "2020-01-01")
    assert of(queue, alike) == (ada, True, ada)
    with queue.acting("authenticated", user):
        queue.db.execute("select lock_person(id) from face_clusters")
    held = locked_faces(queue, user)
    born(queue, user, ada, "2010-01-01")
    taken(queue, user, alike, "2000-01-01")
    spread(queue, user)
    assert of(queue, alike) == (None, False, ada)
    assert violations(queue, user, held) == []


def test_nobody_is_asked_about_a_photo_from_before_their_birth(queue: Any, user: str) -> None:
    said, before = (
        photo(queue, user, somebody(1), "2015-05-05"),
        photo(queue, user, somebody(1, blur=1.9), "2004-05-05"),
    )
    ada = name(queue, user, said)
    [other] = faces_of(queue, before)
    queue.db.execute(
        "insert into kizu.face_questions (face_id, other_id, user_id, asset_id, other_asset, likeness)"
        " select one.face_id, other.face_id, %s, one.asset_id, other.asset_id, 0.5"
        "   from face_embeddings as one, face_embeddings as other"
        "  where one.user_id = %s and other.user_id = %s and one.face_id < other.face_id"
        "     on conflict do nothing",
        (user, user, user),
    )
    with queue.acting("authenticated", user):
        [question] = queue.value("select list_face_questions()")["questions"]
    assert question["face"]["face_id"] == str(other["face_id"])
    born(queue, user, ada, "2005-01-01")
    with queue.acting("authenticated", user):
        assert queue.value("select list_face_questions()")["questions"] == []
