"""What there is to search for: things with their counts, and what may be meant by a beginning."""

from __future__ import annotations

import random
from typing import Any

import psycopg
import pytest

from tests.sql.library import Library

pytestmark = pytest.mark.stack


@pytest.fixture
def library(queue: Any) -> Library:
    return Library(queue)


def things(library: Library, *arguments: Any) -> Any:
    with library.queue.acting("authenticated", library.user):
        places = ", ".join(["%s"] * len(arguments))
        return library.queue.value(f"select public.list_things({places})", *arguments)


def suggested(library: Library, prefix: str | None, limit: int | None = 10) -> list[tuple[str, str]]:
    with library.queue.acting("authenticated", library.user):
        answer = library.queue.value("select public.suggest_search(%s, %s)", prefix, limit)
    return [(each["kind"], each["text"]) for each in answer["suggestions"]]


def test_things_are_counted_by_photo(library: Library, queue: Any) -> None:
    for name, classes in {"a": ["dog", "cat"], "b": ["dog"], "c": ["zebra"]}.items():
        asset = library.photo(name)
        for each in classes:
            library.tags(asset, each, created_by=None)
    library.tags(asset, "zebra", created_by=library.user)
    library.tags(asset, "Anna", tag_type="person")
    theirs = Library(queue)
    theirs.tags(theirs.photo("x"), "dog")
    counted = [
        {"class": "cat", "photos": 1},
        {"class": "dog", "photos": 2},
        {"class": "zebra", "photos": 1},
    ]
    assert things(library) == {"things": counted, "next": None}
    assert things(library, 2) == {"things": counted[:2], "next": "dog"}
    assert things(library, 2, "dog") == {"things": counted[2:], "next": None}
    assert things(library, 3) == {"things": counted, "next": None}
    assert things(theirs)["things"] == [{"class": "dog", "photos": 1}]


def test_names_places_things_and_files_are_suggested_by_their_beginning(library: Library) -> None:
    library.contact("Anna Berg")
    library.contact("Bert")
    for number in range(3):
        asset = library.photo(
            f"{number}", location_name="Berlin, Germany", file_name="Berlin_2019.jpg" if number else None
        )
        library.tags(asset, "bear")
    library.photo("o", location_name="Bern")
    library.photo("p", location_name="Oslo")
    assert suggested(library, "be") == [
        ("person", "Anna Berg"),
        ("person", "Bert"),
        ("place", "Berlin, Germany"),
        ("place", "Bern"),
        ("thing", "bear"),
        ("name", "Berlin_2019.jpg"),
    ]
    assert suggested(library, "be", 3) == suggested(library, "be")[:3]
    assert suggested(library, "BERLIN GER") == [("place", "Berlin, Germany")]
    assert suggested(library, "anna b") == [("person", "Anna Berg")]
    assert suggested(library, "x") == []


def test_a_camera_is_suggested_by_any_of_its_words(library: Library, queue: Any) -> None:
    for camera in ("Google Pixel 7", "Google Pixel 7", "Apple iPhone 12"):
        library.photo(camera, camera=camera)
    theirs = Library(queue)
    theirs.photo("x", camera="Google Pixel 9")
    assert suggested(library, "goo") == suggested(library, "pixel 7") == [("camera", "Google Pixel 7")]
    assert suggested(library, "pi%") == [("camera", "Google Pixel 7")]
    assert suggested(library, "phone") == []


def test_a_contact_is_suggested_with_its_id(library: Library) -> None:
    anna = library.contact("Änna")
    with library.queue.acting("authenticated", library.user):
        answer = library.queue.value("select public.suggest_search('ann')")
    assert answer == {"suggestions": [{"kind": "person", "text": "Änna", "contact_id": anna}]}


@pytest.mark.parametrize("prefix", ["", " ", "%", "_", "*", ":*", "'", "\\", None])
def test_wildcards_are_inert(library: Library, prefix: str | None) -> None:
    library.contact("Anna")
    library.photo("a", location_name="Rome", file_name="a.jpg")
    library.tags(library.photo("b"), "dog")
    assert suggested(library, prefix) == []


def test_two_users_get_their_own(queue: Any, library: Library) -> None:
    theirs = Library(queue)
    for each, ending in ((library, "mine"), (theirs, "theirs")):
        each.contact(f"Anna {ending}")
        asset = each.photo("a", location_name=f"Anna {ending}", file_name=f"anna {ending}")
        each.tags(asset, f"anna {ending}")
    for each, ending in ((library, "mine"), (theirs, "theirs")):
        found = suggested(each, "anna")
        assert len(found) == 4
        assert all(text.endswith(ending) for _, text in found)


@pytest.mark.parametrize(("prefix", "limit"), [("a", 0), ("a", 51), ("a", None), ("a" * 201, 10)])
def test_suggestions_are_bounded(library: Library, prefix: str, limit: int | None) -> None:
    with pytest.raises(psycopg.DatabaseError, match="bad_params") as refusal:
        suggested(library, prefix, limit)
    assert refusal.value.sqlstate == "PT400"


@pytest.mark.parametrize("limit", [0, 501, None])
def test_lists_of_things_are_bounded(library: Library, limit: int | None) -> None:
    with pytest.raises(psycopg.DatabaseError, match="bad_params"):
        things(library, limit)


def test_a_value_of_many_photos_costs_one_look(library: Library, queue: Any) -> None:
    queue.db.execute(
        "with made as (insert into assets (user_id, path, media_type, location_name)"
        " select %(user)s::uuid, %(user)s::text || '/' || n, 'document', 'Berlin'"
        "   from generate_series(1, 2000) as n returning id, user_id)"
        " insert into asset_tags (user_id, asset_id, tag_type, tag_value, created_by)"
        " select user_id, id, 'object', 'bear', null from made",
        {"user": library.user},
    )
    library.photo("a", location_name="Bern")
    suggested(library, "be")  # to plan a statement for the first time is to peek at the ends of indexes
    with queue.db.transaction():
        before = queue.value(ROWS_READ)
        with queue.acting("authenticated", library.user):
            queue.value("select public.suggest_search('be')")
        read = queue.value(ROWS_READ) - before
    assert suggested(library, "be") == [("place", "Berlin"), ("place", "Bern"), ("thing", "bear")]
    assert read < 100


ROWS_READ = """
    select sum(pg_stat_get_xact_tuples_returned(id) + of_indexes)::int
      from unnest('{assets,asset_tags,contacts}'::regclass[]) as id,
           lateral (select coalesce(sum(pg_stat_get_xact_tuples_returned(indexrelid)), 0) as of_indexes
                      from pg_index where indrelid = id) as indexes
"""


def test_the_longest_names_are_suggested_by_their_beginning(library: Library) -> None:
    """An entry of an index that keeps an order has 2,704 bytes at most."""
    chance = random.Random(1)
    place, thing = ("".join(chr(chance.randint(0x4E00, 0x9FFF)) for _ in range(most)) for most in (1000, 500))
    library.tags(library.photo("a", location_name=place), thing)
    assert suggested(library, place[0]) == [("place", place[:200])]
    assert suggested(library, thing[:60]) == [("thing", thing[:200])]
