"""Searching by an example: pictures like one, and photos of somebody, each once with its best similarity."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.library import MODEL, Library, like, part

pytestmark = pytest.mark.stack

NOBODY = "00000000-0000-4000-8000-000000000001"
"""As an example in the names of tests, which must be the same in each process of tests."""


@pytest.fixture
def library(queue: Any) -> Library:
    queue.generation(MODEL, "faces", 8, p_same_face=0.5)
    return Library(queue)


def alike(library: Library, **arguments: Any) -> Any:
    names = ", ".join(f"p_{name} => %s" for name in arguments)
    values = [Jsonb(value) if isinstance(value, dict) else value for value in arguments.values()]
    with library.queue.acting("authenticated", library.user):
        return library.queue.value(f"select public.search_alike({names})", *values)


def found(library: Library, **arguments: Any) -> list[tuple[str, float | None]]:
    answer = alike(library, **arguments)
    # Faces are compared as halves.
    scores = [result["score"] and round(result["score"], 3) for result in answer["results"]]
    return list(zip(library.named(answer), scores, strict=True))


def see(library: Library, asset: str, vector: str, **row: Any) -> str:
    """A face with that vector."""
    face = library.face(asset, row.pop("contact_id", None))
    library.queue.db.execute(
        "update face_embeddings set embedding = %s, cluster_id = %s where face_id = %s",
        (vector, row.get("cluster_id"), face),
    )
    return face


def person(library: Library, contact: str | None = None) -> str:
    return str(library.insert("face_clusters", user_id=library.user, contact_id=contact))


def test_pictures_like_an_assets_come_without_itself(library: Library) -> None:
    example = library.photo("example")
    library.looks(example, 1)
    for similarity in (0.9, 0.3, 0.6, 0.2):
        library.looks(library.photo(f"{similarity}"), similarity)
    everything = [("0.9", 0.9), ("0.6", 0.6), ("0.3", 0.3), ("0.2", 0.2)]
    assert found(library, asset_id=example) == everything, "the cut-off of 0.25 is one of sentences"
    assert found(library, asset_id=example, least=0.5) == [("0.9", 0.9), ("0.6", 0.6)]
    answer = alike(library, asset_id=example, limit=1)
    assert answer["results"][0]["evidence"] == [{"source": "picture", "similarity": 0.9}]


def test_parts_narrow_what_is_alike(library: Library) -> None:
    example = library.photo("example")
    library.looks(example, 1)
    for name, place in (("far", "Oslo"), ("here", "Rome")):
        library.looks(library.photo(name, location_name=place), 0.9)
    narrowed = {"parts": [part("place", name="Rome")]}
    assert found(library, asset_id=example, understood=narrowed) == [("here", 0.9)]
    face = see(library, library.photo("me"), like(1))
    see(library, library.photo("roman", location_name="Rome"), like(0.8))
    assert found(library, face_id=face, understood=narrowed) == [("roman", 0.8)]


def test_a_picture_that_was_not_embedded_is_like_nothing_and_the_answer_says_so(library: Library) -> None:
    library.looks(library.photo("a"), 1)
    answer = alike(library, asset_id=library.photo("b"))
    assert (answer["results"], answer["left_out"]) == ([], ["picture"])


def test_an_asset_with_many_faces_is_one_result(library: Library) -> None:
    """S1: a face finds each asset once, with the best of its faces."""
    face = see(library, library.photo("example"), like(1))
    many = library.photo("many")
    for similarity in (0.6, 0.9, 0.7):
        see(library, many, like(similarity))
    see(library, library.photo("stranger"), like(0.3))
    assert found(library, face_id=face) == [("example", 1), ("many", 0.9)]
    evidence = alike(library, face_id=face)["results"][1]["evidence"]
    best = library.queue.value(
        "select face_id::text from face_embeddings"
        " where asset_id = %s order by embedding operator(extensions.<=>) %s limit 1",
        many,
        like(1),
    )
    assert evidence == [{"source": "person", "similarity": 0.8999, "face_id": best, "known": False}]


def test_a_cluster_and_a_contact_find_photos(library: Library) -> None:
    """S1: whoever is asked for by cluster or contact is found, and first where it is known to be them."""
    anna = library.contact("Anna")
    cluster = person(library, anna)
    see(library, library.photo("clustered"), like(0.99), cluster_id=cluster)
    see(library, library.photo("named"), like(0.95), contact_id=anna, cluster_id=cluster)
    see(library, library.photo("unlike"), like(-0.5), contact_id=anna, cluster_id=cluster)
    library.tags(library.photo("tagged"), "Anna", tag_type="person", contact_id=anna)
    see(library, library.photo("alike"), like(0.9))
    see(library, library.photo("stranger"), like(-0.9))
    for example in ({"cluster_id": cluster}, {"contact_id": anna}):
        names = [name for name, _ in found(library, **example)]
        assert set(names[:2]) == {"clustered", "named"}, example
        assert names[2:] == ["unlike", "tagged", "alike"], example
        assert found(library, **example)[3] == ("tagged", None)


def test_who_was_said_to_be_somebody_else_is_not_alike(library: Library) -> None:
    anna, ben = library.contact("Anna"), library.contact("Ben")
    see(library, library.photo("anna"), like(1), contact_id=anna)
    see(library, library.photo("ben"), like(0.9), contact_id=ben)
    excluded = library.photo("excluded")
    face = see(library, excluded, like(0.9))
    library.queue.db.execute(
        "insert into kizu.exclusions (face_id, contact_id, asset_id, user_id) values (%s, %s, %s, %s)",
        (face, anna, excluded, library.user),
    )
    assert [name for name, _ in found(library, contact_id=anna)] == ["anna"]


def test_a_contact_without_a_face_is_found_by_tags_and_the_answer_says_so(library: Library) -> None:
    anna = library.contact("Anna")
    library.tags(library.photo("tagged"), "Anna", tag_type="person", contact_id=anna)
    answer = alike(library, contact_id=anna)
    assert library.named(answer) == ["tagged"]
    assert answer["left_out"] == ["person"]


def test_pages_are_one_list(library: Library) -> None:
    anna = library.contact("Anna")
    for number in range(7):
        see(library, library.photo(f"known {number}"), like(1 - number / 10), contact_id=anna)
        library.tags(library.photo(f"tagged {number}"), "Anna", tag_type="person", contact_id=anna)
        see(library, library.photo(f"alike {number}"), like(0.9 - number / 100))
    whole = [name for name, _ in found(library, contact_id=anna, limit=200)]
    assert len(set(whole)) == len(whole) == 21
    pages, after = [], None
    while True:
        answer = alike(library, contact_id=anna, limit=4, after=after)
        pages += library.named(answer)
        after = answer["next"]
        if not after:
            break
    assert pages == whole


def test_anothers_example_is_not_found(queue: Any, library: Library) -> None:
    theirs = Library(queue)
    asset = theirs.photo("theirs")
    theirs.looks(asset, 1)
    contact = theirs.contact("Anna")
    cluster = person(theirs, contact)
    face = see(theirs, asset, like(1), contact_id=contact, cluster_id=cluster)
    mine = library.photo("mine")
    library.looks(mine, 1)
    own = see(library, mine, like(1))
    for example in (
        {"asset_id": asset},
        {"face_id": face},
        {"cluster_id": cluster},
        {"contact_id": contact},
        {"asset_id": str(uuid.uuid4())},
    ):
        with pytest.raises(psycopg.DatabaseError, match="not_found") as refusal:
            alike(library, **example)
        assert refusal.value.sqlstate == "PT404"
    assert found(library, asset_id=mine) == []
    assert found(library, face_id=own) == [("mine", 1)]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"asset_id": NOBODY, "face_id": NOBODY},
        {"asset_id": NOBODY, "least": 2},
        {"asset_id": NOBODY, "limit": 201},
        {"asset_id": NOBODY, "limit": 0},
        {"asset_id": NOBODY, "after": {"similarity": "much"}},
        {"asset_id": NOBODY, "after": []},
        {"asset_id": NOBODY, "understood": {"parts": 1}},
        {"asset_id": NOBODY, "understood": {"parts": [{"kind": "person", "ids": ["x"]}]}},
    ],
    ids=str,
)
def test_mistakes_are_told(library: Library, arguments: dict[str, Any]) -> None:
    with pytest.raises(psycopg.DatabaseError, match="bad_params") as refusal:
        alike(library, **arguments)
    assert refusal.value.sqlstate == "PT400"
