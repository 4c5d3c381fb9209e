"""Words that were mistyped give way to the user's own where nothing else is found, and the answer says so."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sql.library import QUERY, Library, asks, like, part

pytestmark = pytest.mark.stack


@pytest.fixture
def library(queue: Any) -> Library:
    return Library(queue)


def found(library: Library, text: str, **more: Any) -> tuple[list[str], list[tuple[str, str]]]:
    answer = library.answer(asks(text, **more))
    return library.named(answer), [(each["from"], each["to"]) for each in answer["corrected"]]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("lightouse", "lighthouse"),
        ("lighthhouse", "lighthouse"),
        ("lighthpuse", "lighthouse"),
        ("lgihthouse", "lighthouse"),
        ("Ighthouse", "lighthouse"),
        ("ightohuse", None),
        ("iighthouse", "lighthouse"),
        ("muncih", "munich"),
        ("Annna", "anna"),
        ("recieptt", None),
        ("reciept", "receipt"),
        ("beach2O19", "beach2019"),
    ],
)
def test_one_letter_may_be_wrong(library: Library, written: str, meant: str | None) -> None:
    library.describes(library.photo("light"), "A lighthouse in a storm.")
    library.reads(library.photo("paper"), "RECEIPT No. 12")
    library.tags(library.photo("person"), "Anna", tag_type="person")
    library.photo("town", location_name="München, Munich, Germany")
    library.photo("file", file_name="Beach2019.jpg")
    names, corrected = found(library, f"{written} ")
    assert corrected == ([(written.lower(), meant)] if meant else [])
    assert len(names) == (1 if meant else 0)


def test_the_person_may_take_it_back(library: Library) -> None:
    library.describes(library.photo("light"), "a lighthouse")
    assert found(library, "lightouse") == (["light"], [("lightouse", "lighthouse")])
    assert found(library, "lightouse", as_written=True) == ([], [])
    answer = library.answer(asks("lightouse"))
    [evidence] = library.evidence(answer, "light")
    assert (evidence["source"], evidence["marks"]) == ("caption", [[2, 12]])


def test_a_word_that_exists_is_never_changed(library: Library) -> None:
    library.describes(library.photo("bench"), "a bench")
    library.describes(library.photo("beach"), "a beach")
    library.describes(library.photo("dogs"), "dogs")
    assert found(library, "beach") == (["beach"], [])
    assert found(library, "beach bench") == ([], []), "both exist, on no photo together"
    assert found(library, "dog") == (["dogs"], []), "another form exists"
    assert found(library, "ben") == (["bench"], []), "a beginning of one exists"


def test_where_anything_is_found_nothing_is_corrected(library: Library) -> None:
    sea = library.photo("sea")
    library.looks(sea, 0.9)
    library.describes(library.photo("subset"), "a subset")
    answer = library.answer(asks("sunset"), p_vector=QUERY)
    assert (library.named(answer), answer["corrected"]) == (["sea"], [])
    answer = library.answer(asks("sunset"), p_vector=like(-0.9))
    assert (library.named(answer), len(answer["corrected"])) == (["subset"], 1)


def test_the_word_that_more_photos_have_is_meant(library: Library) -> None:
    for name, caption in (("a", "a boot"), ("b", "a boat"), ("c", "the boat"), ("d", "boots")):
        library.describes(library.photo(name), caption)
    names, corrected = found(library, "boqt ")
    assert (set(names), corrected) == ({"b", "c"}, [("boqt", "boat")])


def test_parts_narrow_what_a_corrected_word_finds(library: Library) -> None:
    for name, year in (("old", 2001), ("new", 2020)):
        library.describes(library.photo(name, taken_at=f"{year}-05-05T12:00:00Z"), "a lighthouse")
    year = part("date", since="2020-01-01", before="2021-01-01")
    answer = library.answer(asks("lightouse", year))
    assert (library.named(answer), len(answer["corrected"])) == (["new"], 1)


def test_short_words_and_nonsense_are_left_alone(library: Library) -> None:
    library.describes(library.photo("cat"), "a cat on a mat")
    for text in ("cot ", "qwertzuiop", "xyzzy plugh", "x" * 300, "%ighthouse'", "c%t|m:*"):
        assert found(library, text) == ([], []), text


LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("text", "corrected"),
    [
        (LETTERS[:23] + "q", [LETTERS[:23] + "q"]),
        (LETTERS[:24] + "q", []),
        (f"lighthouze {LETTERS[:17]}q", ["lighthouze"]),
        (f"{LETTERS[:17]}q lighthouze", [LETTERS[:17] + "q"]),
    ],
)
def test_so_many_letters_are_looked_at(library: Library, text: str, corrected: list[str]) -> None:
    library.describes(
        library.photo("a"), f"a lighthouse, {LETTERS[:17]}x, {LETTERS[:23]}x and {LETTERS[:24]}x"
    )
    asked = library.answer(asks(f"{text} "))
    assert [each["from"] for each in asked["corrected"]] == corrected


def test_every_page_is_of_the_same_words(library: Library) -> None:
    for number in range(5):
        library.describes(library.photo(f"{number}"), "a lighthouse")
    seen, after, offset = [], None, []
    for number in range(3):
        page = library.answer(asks("lightouse"), p_limit=2, p_after=after)
        assert page["corrected"] == [{"from": "lightouse", "to": "lighthouse"}]
        offset += library.named(library.answer(asks("lightouse"), p_limit=2, p_offset=2 * number))
        seen += library.named(page)
        after = page["next"]
    assert after is None
    assert seen == offset
    assert sorted(seen) == list("01234")
    assert library.named(library.answer(asks("lighthouse"), p_offset=5)) == []


def test_nobody_learns_the_words_of_another(library: Library, queue: Any) -> None:
    theirs = Library(queue)
    theirs.describes(theirs.photo("x"), "secretword")
    theirs.tags(theirs.photo("y"), "Zebulon", tag_type="person")
    for word in ("secretwrd", "secretword", "Zebuloon"):
        assert found(library, word) == ([], [])
    assert found(theirs, "secretwrd") == (["x"], [("secretwrd", "secretword")])


def test_few_texts_are_read_for_a_word_that_many_have(library: Library, queue: Any) -> None:
    queue.db.execute(
        "with photo as (insert into assets (user_id, path, media_type)"
        "  select %(user)s::uuid, concat(%(user)s::text, '/', gen_random_uuid()), 'document'"
        "    from generate_series(1, 3000) returning id)"
        " insert into image_descriptions (user_id, asset_id, description, model_version)"
        " select %(user)s::uuid, id, 'a lighthouse', 'm' from photo",
        {"user": library.user},
    )
    queue.db.execute("analyze image_descriptions")
    with queue.db.transaction():
        read = "select idx_tup_fetch + seq_tup_read from pg_stat_xact_user_tables where relname = %s"
        before = queue.value(read, "image_descriptions")
        assert queue.value("select kizu.correction(%s, 'lightouse')", library.user) == "lighthouse"
        assert queue.value(read, "image_descriptions") - before <= 40
