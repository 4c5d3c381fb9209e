"""Matches of tags and faces that an app's user chose: what they name, and what is refused."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.people import HERE, THERE, contact, face, faces_of, look, somebody
from tests.sql.people_invariants import violations

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def _model(queue: Any) -> None:
    queue.generation("m", "faces")


@pytest.fixture
def user(queue: Any) -> Any:
    made = str(queue.user())
    yield made
    assert violations(queue, made) == []


def photo(queue: Any, user: str, *people: int) -> tuple[str, list[dict[str, Any]]]:
    """A photo of one or two people, and their faces."""
    asset = str(queue.asset(user))
    boxes = (HERE, THERE)
    look(queue, user, asset, *(face(n, boxes[n], somebody(who)) for n, who in enumerate(people)))
    return asset, faces_of(queue, asset)


def tag(queue: Any, user: str, asset: str, who: str | None) -> str:
    """A tag of its owner's without a box, which names nothing by itself."""
    with queue.acting("authenticated", user):
        return str(
            queue.value(
                "insert into asset_tags (user_id, asset_id, tag_type, tag_value, contact_id)"
                " values (%s, %s, 'person', 'Ada', %s) returning id",
                user,
                asset,
                who,
            )
        )


def link(queue: Any, user: str, *links: tuple[Any, Any]) -> dict[str, Any]:
    told = [{"tag_id": str(one), "face_id": str(other)} for one, other in links]
    with queue.acting("authenticated", user):
        answer: dict[str, Any] = queue.value("select link_tags(%s)", Jsonb(told))
        return answer


def refused(queue: Any, user: str, links: Any) -> tuple[str | None, str | None]:
    with pytest.raises(psycopg.Error) as caught, queue.acting("authenticated", user):
        queue.value("select link_tags(%s)", Jsonb(links))
    return caught.value.sqlstate, caught.value.diag.message_primary


def test_faces_are_named_by_the_tags_that_were_chosen_and_others_like_them(queue: Any, user: str) -> None:
    ada, bob = contact(queue, user, "Ada"), contact(queue, user, "Bob")
    asset, (one, other) = photo(queue, user, 1, 2)
    later, _ = photo(queue, user, 1)
    chosen = (tag(queue, user, asset, ada), one["id"]), (tag(queue, user, asset, bob), other["face_id"])
    assert link(queue, user, *chosen) == {"linked": 2, "contacts": sorted([ada, bob])}
    assert [(str(row["contact_id"]), row["recognised"]) for row in faces_of(queue, asset)] == [
        (ada, False),
        (bob, False),
    ]
    recognised, more = 0, True
    while more:  # the one name or the other comes first
        answer = queue.value("select spread_names()")
        recognised, more = recognised + answer["recognised"], answer["more"]
    assert recognised == 1
    assert [(str(row["contact_id"]), row["recognised"]) for row in faces_of(queue, later)] == [(ada, True)]

    before = queue.value("select count(*) from face_verdicts where user_id = %s", user)
    assert link(queue, user, *chosen) == {"linked": 0, "contacts": []}
    assert queue.value("select count(*) from face_verdicts where user_id = %s", user) == before
    with queue.acting("authenticated", user):
        queue.value("select undo_verdict()")
    assert [row["contact_id"] for row in faces_of(queue, asset)].count(None) == 1


def test_what_was_chosen_holds_against_what_was_said_before(queue: Any, user: str) -> None:
    ada, bob = contact(queue, user, "Ada"), contact(queue, user, "Bob")
    asset, (one,) = photo(queue, user, 1)
    with queue.acting("authenticated", user):
        queue.value("select assign_face(%s, %s)", one["id"], bob)
    assert link(queue, user, (tag(queue, user, asset, ada), one["face_id"]))["linked"] == 1
    assert [str(row["contact_id"]) for row in faces_of(queue, asset)] == [ada]


def test_a_tag_names_faces_of_its_own_photo_alone_and_nobodys_else(queue: Any, user: str) -> None:
    stranger = str(queue.user())
    ada, theirs = contact(queue, user), contact(queue, stranger)
    asset, (one,) = photo(queue, user, 1)
    _, (far,) = photo(queue, user, 2)
    hers, (face_of_hers,) = photo(queue, stranger, 1)
    mine = tag(queue, user, asset, ada)
    with queue.acting("authenticated", user):
        thing = queue.value(
            "insert into asset_tags (user_id, asset_id, tag_type, tag_value)"
            " values (%s, %s, 'object', 'cat') returning id",
            user,
            asset,
        )
    for one_tag, one_face in (
        (mine, far["face_id"]),
        (mine, face_of_hers["face_id"]),
        (tag(queue, stranger, hers, theirs), face_of_hers["face_id"]),
        (tag(queue, user, asset, None), one["face_id"]),
        (thing, one["face_id"]),
        (uuid.uuid4(), one["face_id"]),
    ):
        links = [
            {"tag_id": mine, "face_id": str(one["id"])},
            {"tag_id": str(one_tag), "face_id": str(one_face)},
        ]
        assert refused(queue, user, links) == ("PT404", "not_found")
    assert [row["contact_id"] for row in faces_of(queue, asset)] == [None]
    assert [row["contact_id"] for row in faces_of(queue, hers)] == [None]


def test_one_face_is_one_person(queue: Any, user: str) -> None:
    asset, (one,) = photo(queue, user, 1)
    links = [
        {"tag_id": tag(queue, user, asset, contact(queue, user, name)), "face_id": str(one["face_id"])}
        for name in ("Ada", "Bob")
    ]
    assert refused(queue, user, links) == ("PT400", "bad_params")


@pytest.mark.parametrize(
    "links",
    [
        None,
        {},
        [],
        [7],
        [None],
        [{"tag_id": str(uuid.uuid4())}],
        [{"tag_id": "ada", "face_id": str(uuid.uuid4())}],
        [{"tag_id": str(uuid.uuid4()), "face_id": str(uuid.uuid4())}] * 201,
    ],
)
def test_what_is_no_list_of_matches_is_refused(queue: Any, user: str, links: Any) -> None:
    assert refused(queue, user, links) == ("PT400", "bad_params")
