"""Ranking: parts narrow before any limit, sources fuse by rank, the list ends where evidence ends."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.library import MODEL, QUERY, Library, asks, like, part

pytestmark = pytest.mark.stack


@pytest.fixture
def library(queue: Any) -> Library:
    return Library(queue)


# Evidence.


def test_pictures_come_as_near_as_they_are_and_end_at_the_cutoff(library: Library) -> None:
    for similarity in (0.3, 0.6, 0.24, 0.45, -0.2):
        library.looks(library.photo(f"{similarity}"), similarity)
    answer = library.answer(asks("dogs on a beach"), p_vector=QUERY)
    assert library.named(answer) == ["0.6", "0.45", "0.3"]
    assert library.evidence(answer, "0.45") == [{"source": "picture", "similarity": 0.45}]
    assert answer["left_out"] == []
    assert answer["relaxed"] is False
    assert answer["next"] is None


def test_nonsense_finds_nothing(library: Library) -> None:
    asset = library.photo("a", file_name="IMG_0001.jpg")
    library.looks(asset, 0.1)
    library.describes(asset, "A beach with two dogs.")
    assert library.search("xylophone of regret", vector=QUERY) == []
    assert library.search("beach xylophone", vector=QUERY) == [], "every word is to be shown"
    assert library.search("") == [], "nothing is asked for"
    assert library.search("  ,.!  ") == []
    assert library.answer({})["results"] == []


def test_words_are_found_without_a_vector_and_the_answer_says_so(library: Library) -> None:
    asset = library.photo("a")
    library.describes(asset, "Two dogs play at the beach.")
    library.photo("b")
    answer = library.answer(asks("a dog on beaches", language="en"))
    assert library.named(answer) == ["a"]
    assert answer["left_out"] == ["picture"]
    assert library.evidence(answer, "a") == [
        {"source": "caption", "excerpt": "Two dogs play at the beach.", "marks": [[4, 8], [21, 26]]}
    ]
    assert library.answer(asks("", part("media", media="photo")))["left_out"] == []


def test_words_may_stand_in_several_sources_together(library: Library) -> None:
    both, one = library.photo("both"), library.photo("one")
    library.describes(both, "A pizza on a table")
    library.reads(both, "Ristorante LUIGI\nVia Roma 3")
    library.describes(one, "A pizza on a table")
    assert library.search("luigi pizza") == ["both"]


def test_sources_are_fused_by_their_ranks(library: Library) -> None:
    """The second of two sources is better than the first of one: 2/62 > 1/61 + nothing."""
    seen, both, read = library.photo("seen"), library.photo("both"), library.photo("read")
    library.looks(seen, 0.9)
    library.looks(both, 0.5)
    library.reads(both, "Happy birthday to you, dear Anna, and many more of them")
    library.reads(read, "Happy birthday")
    answer = library.answer(asks("happy birthday"), p_vector=QUERY)
    assert library.named(answer)[0] == "both"
    scores = {
        name: result["score"] for name, result in zip(library.named(answer), answer["results"], strict=True)
    }
    assert scores["both"] == pytest.approx(2 / 62, abs=1e-8)
    assert scores["seen"] == scores["read"] == pytest.approx(1 / 61, abs=1e-8)


def test_texts_that_show_some_of_the_words_count_less_than_a_picture(library: Library) -> None:
    """In three sources, a blue circle is no blue star."""
    seen, told, other = (library.photo(name) for name in ("seen", "told", "other"))
    library.looks(seen, 0.9)
    library.looks(told, 0.3)
    library.describes(told, "A star, and it is blue.")
    library.looks(other, 0.5)
    library.describes(other, "A blue circle.")
    library.reads(other, "blue circle")
    library.tags(other, "blue circle")
    assert library.search("blue star", vector=QUERY) == ["told", "seen", "other"]


def test_an_asset_is_one_result_whatever_shows_it(library: Library) -> None:
    asset = library.photo("a", file_name="beach_1.jpg", location_name="Beach of Sylt")
    library.looks(asset, 0.7)
    for _ in range(3):
        library.reads(asset, "beach bar")
        library.describes(asset, "a beach")
    library.tags(asset, "beach")
    answer = library.answer(asks("beach"), p_vector=QUERY)
    assert library.named(answer) == ["a"]
    sources = [evidence["source"] for evidence in library.evidence(answer, "a")]
    assert set(sources) == {"picture", "text", "caption", "name", "tag", "place"}


def test_the_newer_of_equals_comes_first(library: Library) -> None:
    for year in (2019, 2021, 2020):
        library.tags(library.photo(f"{year}", taken_at=f"{year}-06-01"), "kite")
    assert library.search("kite") == ["2021", "2020", "2019"]


# Words.


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("Café Zürich", "cafe zurich"),
        ("cafe", "CAFÉ"),
        ("Straße", "strasse"),
        ("dogs", "dog"),
        ("a dog", "dogs"),
        ("zwei Hunde", "hund"),
        ("Häuser", "Haus"),
        ("well-known", "known"),
        ("www.luigi-pizza.it", "luigi pizza"),
        ("東京タワー", "東京"),
        ("ДЖУДЖ", "джудж"),
        ("mountains", "moun"),
        ("what's", "what's"),
    ],
)
def test_words_are_the_same_without_capitals_accents_and_endings(
    library: Library, stored: str, asked: str
) -> None:
    library.reads(library.photo("a"), stored)
    library.reads(library.photo("b"), "something else")
    assert library.search(asked) == ["a"]


@pytest.mark.parametrize(
    "asked",
    ["%", "_", "*", "be*ch", "b_ach", "be%", "'beach", "beach' or '1", "!beach", "x | beach", "\\beach"],
)
def test_wildcards_and_operators_are_inert(library: Library, asked: str) -> None:
    """They are no letters: what is left is looked for word by word."""
    library.reads(library.photo("a"), "harbour")
    library.reads(library.photo("b"), "beach")
    found = library.search(asked)
    assert found == (["b"] if asked in ("'beach", "!beach", "\\beach") else [])


def test_only_the_last_word_may_be_a_beginning(library: Library) -> None:
    library.reads(library.photo("a"), "mountain lake")
    assert library.search("lake mount") == ["a"]
    assert library.search("mount lake") == []
    assert library.search("lake mount ") == [], "a blank ends the word"
    assert library.search("la") == [], "two letters begin too much"


@pytest.mark.parametrize("asked", ["beach", "day", "2019", "beach day", "beachday2019", "BeachDay2019_b.jpg"])
def test_file_names_are_found_by_their_parts(library: Library, asked: str) -> None:
    library.photo("a", file_name="BeachDay2019_b.jpg")
    library.photo("b", file_name="IMG_2020.jpg")
    if not asked.endswith(".jpg"):
        assert library.search(asked) == ["a"]
    assert library.search("jpg") == [], "what a file is says nothing of it"


def test_the_exact_word_comes_before_its_other_forms(library: Library) -> None:
    for name, text in (("form", "dogs"), ("exact", "dog"), ("beginning", "doggerel")):
        library.reads(library.photo(name), text)
    assert library.search("dog") == ["exact", "form", "beginning"] or library.search("dog")[0] == "exact"


# Parts narrow.


def test_parts_narrow_before_the_limit(library: Library) -> None:
    """S2: however many of other days are nearer, the one of the day is found."""
    for number in range(60):
        library.looks(library.photo(f"other {number}", taken_at="2021-05-05"), 0.9)
    library.looks(library.photo("it", taken_at="2018-07-04T12:00:00Z"), 0.3)
    day = part("date", since="2018-07-04", before="2018-07-05")
    assert library.search("beach", day, vector=QUERY, p_limit=1) == ["it"]
    assert library.search("", day) == ["it"]


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({"since": "2025-06-01", "before": "2025-09-01"}, ["last", "first"]),
        ({"since": "2025-08-31", "before": "2025-09-01"}, ["last"]),
        ({"since": "2025-09-01"}, ["after"]),
        ({"before": "2025-06-01"}, ["before"]),
        ({"months": [6, 8]}, ["last", "first"]),
        ({"weekdays": [7]}, ["last", "first"]),
        ({"hours": [23]}, ["last", "before"]),
        ({"hours": [0]}, ["after", "first"]),
        ({}, []),
        ({"since": "2025-06-01", "before": "2025-09-01", "negated": True}, ["after", "before"]),
    ],
)
def test_dates_are_the_users_days_to_their_end(
    library: Library, asked: dict[str, Any], names: list[str]
) -> None:
    """S3: the last day counts to its end, and the first from its beginning, where the user is."""
    for name, at in {
        "before": "2025-05-31T23:59:59-04:00",
        "first": "2025-06-01T00:00:00-04:00",
        "last": "2025-08-31T23:59:59-04:00",
        "after": "2025-09-01T00:00:00-04:00",
    }.items():
        library.photo(name, taken_at=at)
    answer = library.answer(asks("", part("date", **asked), zone="America/New_York"))
    assert library.named(answer) == names
    for result in answer["results"]:
        if not asked.get("negated"):
            assert result["evidence"] == [{"source": "date", "at": result["taken_at"]}]


def test_a_photo_without_a_time_is_of_the_day_it_came(library: Library) -> None:
    library.photo("a", taken_at=None, created_at="2024-02-03T10:00:00Z")
    assert library.search("", part("date", since="2024-02-03", before="2024-02-04")) == ["a"]


def test_people_are_all_in_the_photo(library: Library) -> None:
    anna, ben, other = library.contact("Anna"), library.contact("Ben"), library.contact("Anna")
    both, alone, recognised, tagged, namesake = map(
        library.photo, ["both", "alone", "recognised", "tagged", "namesake"]
    )
    library.face(both, anna)
    library.face(both, ben)
    library.face(alone, anna)
    library.face(recognised, anna, recognised=True)
    library.tags(tagged, "Anna", tag_type="person", contact_id=anna)
    library.face(namesake, other)
    library.photo("nobody")
    of_anna, of_ben = part("person", ids=[anna], name="Anna"), part("person", ids=[ben], name="Ben")
    assert set(library.search("", of_anna)) == {"both", "alone", "recognised", "tagged"}
    assert library.search("", of_anna, of_ben) == ["both"]
    assert "namesake" in library.search("", part("person", ids=[anna, other], name="Anna"))
    assert set(library.search("", of_anna, part("person", ids=[ben], negated=True))) == {
        "alone", "recognised", "tagged",
    }  # fmt: skip
    answer = library.answer(asks("", of_anna, of_ben))
    assert library.evidence(answer, "both") == [
        {"source": "person", "name": "Anna"},
        {"source": "person", "name": "Ben"},
    ]


def test_what_nobody_knows_matches_nothing(library: Library) -> None:
    """S1: a missing place, person, thing or kind of part never matches everything."""
    library.photo("somewhere", location_name="Berlin, Germany")
    library.photo("nowhere")
    for unknown in (
        part("place", name=""),
        part("place"),
        part("place", name="Rome"),
        part("place", name="%"),
        part("place", name="erlin"),
        part("person", ids=[]),
        part("person"),
        part("things", **{"class": "unicorn"}),
        part("things"),
        part("text", text=""),
        part("text"),
        part("media"),
        part("camera", name="Canon EOS R5"),
        part("weather", name="rain"),
        part("weather", negated=True),
        {},
    ):
        assert library.search("", unknown) == [], unknown
        assert library.search("berlin", unknown) == [], unknown


def test_a_place_is_its_name_or_what_is_near(library: Library) -> None:
    library.photo("centre", location_name="Berlin, Germany", latitude=52.52, longitude=13.40)
    library.photo("potsdam", latitude=52.40, longitude=13.06)
    library.photo("hamburg", location_name="Hamburg", latitude=53.55, longitude=9.99)
    library.photo("berliner", location_name="Berliner Straße, Hamburg")
    assert library.search("", part("place", name="berlin")) == ["centre"]
    assert set(library.search("", part("place", name="Berlin", near=True))) == {"centre", "potsdam"}
    assert library.search("", part("place", name="x", latitude=53.5, longitude=10.0, radius_km=10)) == [
        "hamburg"
    ]
    assert set(library.search("", part("place", name="Berlin", negated=True))) == {
        "potsdam",
        "hamburg",
        "berliner",
    }
    answer = library.answer(asks("", part("place", name="berlin")))
    assert library.evidence(answer, "centre") == [{"source": "place", "name": "Berlin, Germany"}]


def test_a_camera_is_any_of_its_names_and_nothing_else(library: Library, queue: Any) -> None:
    for name, camera in {"r5": "Canon EOS R5", "r6": "Canon EOS R6", "phone": "Google Pixel 7"}.items():
        library.photo(name, camera=camera)
    library.photo("before")
    theirs = Library(queue)
    theirs.photo("theirs", camera="Canon EOS R5")
    canon = part("camera", name="Canon", names=["Canon EOS R5", "Canon EOS R6"])
    assert set(library.search("", canon)) == {"r5", "r6"}
    assert library.search("", part("camera", name="Google Pixel 7")) == ["phone"]
    assert set(library.search("", {**canon, "not": True})) == {"phone", "before"}
    for name in ("Canon", "canon eos r5", "%", "", None):
        assert library.search("", part("camera", name=name)) == []
    assert library.search("", part("camera")) == []
    assert library.search("", part("camera", names=[]), part("media", media="photo")) == []
    answer = library.answer(asks("", part("camera", name="Google Pixel 7")))
    assert library.evidence(answer, "phone") == [{"source": "camera", "name": "Google Pixel 7"}]


def test_things_are_counted(library: Library) -> None:
    one, two, likely = library.photo("one"), library.photo("two"), library.photo("likely")
    library.shows(one, "dog")
    library.shows(two, "dog", 2, 0.8)
    library.shows(likely, "dog", 2, 0.4, sure=False)
    library.shows(library.photo("cat"), "cat", 3)

    def dogs(text: str, least: int, **more: Any) -> Any:
        return library.answer(
            asks(text, part("things", **{"class": "dog", "least": least, "from": 0, "to": len(text), **more}))
        )

    answer = dogs("two dogs", 2)
    assert library.named(answer) == ["two"]
    assert {"source": "thing", "class": "dog", "count": 2, "confidence": 0.8} in library.evidence(
        answer, "two"
    )
    assert set(library.named(dogs("dog", 1))) == {"one", "two", "likely"}
    assert library.named(dogs("dog", 1))[-1] == "likely"
    assert set(library.search("", part("things", negated=True, **{"class": "dog"}))) == {"likely", "cat"}


def test_a_thing_and_more_words_need_evidence_of_the_words(library: Library) -> None:
    """The thing speaks for its own words only."""
    text = "two dogs at the beach"
    dogs = part("things", **{"class": "dog", "least": 2, "from": 0, "to": 8})
    there, elsewhere = library.photo("there"), library.photo("elsewhere")
    for asset in (there, elsewhere):
        library.shows(asset, "dog", 2)
    library.describes(there, "The beach in the evening")
    library.looks(library.photo("no dogs"), 0.9)
    assert library.search(text, dogs) == ["there"]
    library.looks(elsewhere, 0.5)
    assert set(library.search(text, dogs, vector=QUERY)) == {"there", "elsewhere"}


def test_a_hint_excludes_nothing_and_shows_its_words(library: Library) -> None:
    hint = part("things", **{"class": "book", "least": 1, "hint": True, "from": 0, "to": 4})
    library.shows(library.photo("shown"), "book")
    library.looks(library.photo("seen"), 0.6)
    assert set(library.search("book", hint, vector=QUERY)) == {"shown", "seen"}


def test_quoted_text_is_a_phrase_in_any_source(library: Library) -> None:
    read, described, named, tagged = map(library.photo, ["read", "described", "named", "tagged"])
    library.reads(read, "HAPPY\nBirthday, Anna")
    library.describes(described, "a cake says happy birthday")
    library.queue.db.execute("update assets set file_name = 'HappyBirthday.png' where id = %s", (named,))
    library.tags(tagged, "Happy Birthday!")
    library.reads(library.photo("turned"), "birthday happy")
    library.reads(library.photo("apart"), "happy 40th birthday")
    assert set(library.search("", part("text", text="happy birthday"))) == {
        "read",
        "described",
        "named",
        "tagged",
    }
    assert set(library.search("", part("text", text="happy birth"))) == set()
    answer = library.answer(asks("", part("text", text="Happy Birthday")))
    (shown,) = library.evidence(answer, "read")
    assert shown == {"source": "text", "excerpt": "HAPPY\nBirthday, Anna", "marks": [[0, 5], [6, 14]]}
    without = library.search("", part("text", text="happy birthday", negated=True))
    assert set(without) == {"turned", "apart"}


def test_media_faces_and_writing(library: Library) -> None:
    photo, film = library.photo("photo", media_type="image/jpeg"), library.photo("film", media_type="video")
    empty = library.photo("empty")
    face = library.face(photo)
    library.reads(film, "THE END")
    library.reads(empty, "")
    for fact in ("faces", "ocr"):
        library.looked_at(empty, fact)
        library.looked_at(photo, fact)
    assert library.search("", part("media", media="photo")) == ["photo"]
    assert library.search("", part("media", media="video")) == ["film"]
    assert library.search("", part("faces")) == ["photo"]
    assert library.search("", part("faces", negated=True)) == ["empty"], "nobody knows of the film"
    assert library.search("", part("writing")) == ["film"]
    assert set(library.search("", part("writing", negated=True))) == {"photo", "empty"}
    library.shows(empty, "person")
    assert library.search("", part("faces", negated=True)) == [], "somebody without a face"
    library.queue.db.execute(
        "with said as (insert into face_verdicts (user_id, verdict)"
        "              values (%(user)s, 'not_a_face') returning id)"
        " insert into kizu.face_marks select %(face)s, %(user)s, %(photo)s, 'not_a_face', id from said",
        {"user": library.user, "face": face, "photo": photo},
    )
    assert library.search("", part("faces")) == []


def test_all_parts_have_to_hold(library: Library) -> None:
    """S1: what one part leaves empty, no other fills."""
    anna = library.contact("Anna")
    right = library.photo("right", location_name="Rome", taken_at="2019-06-01T12:00:00Z")
    library.face(right, anna)
    library.face(library.photo("elsewhere", location_name="Oslo", taken_at="2019-06-01T12:00:00Z"), anna)
    library.photo("alone", location_name="Rome", taken_at="2019-06-01T12:00:00Z")
    library.face(library.photo("later", location_name="Rome"), anna)
    parts = [
        part("person", ids=[anna]),
        part("place", name="Rome"),
        part("date", since="2019-06-01", before="2019-07-01"),
    ]
    assert library.search("", *parts) == ["right"]
    assert library.search("", *parts, part("things", **{"class": "dog"})) == []


# Pages.


def test_two_hundred_a_page_and_no_more(library: Library) -> None:
    """S1: a limit above 50 works with everything combined."""
    for number in range(205):
        library.shows(library.photo(f"{number}"), "dog")
    dogs = part("things", **{"class": "dog", "from": 0, "to": 4})
    for found in (
        library.search("dogs", dogs, p_limit=200),
        library.search("", part("date", since="2020-01-01"), p_limit=200),
    ):
        assert len(set(found)) == len(found) == 200
    for limit in (0, 201, None):
        with pytest.raises(psycopg.DatabaseError, match="bad_params") as refusal:
            library.search("dogs", p_limit=limit)
        assert refusal.value.sqlstate == "PT400"


@pytest.mark.parametrize("semantic", ["kite", ""])
def test_pages_are_one_list(library: Library, semantic: str) -> None:
    for number in range(23):
        asset = library.photo(f"{number}", taken_at=f"2020-01-{1 + number // 2:02}")
        library.tags(asset, "kite")
        if number % 3:
            library.looks(asset, 0.3 + number / 100)
    asked = asks(semantic, part("date", since="2020-01-01"))
    vector = QUERY if semantic else None
    whole = library.named(library.answer(asked, p_vector=vector, p_limit=200))
    assert len(set(whole)) == 23
    pages, after = [], None
    while True:
        answer = library.answer(asked, p_vector=vector, p_limit=5, p_after=after)
        pages += library.named(answer)
        after = answer["next"]
        if not after:
            break
    assert pages == whole
    assert library.named(library.answer(asked, p_vector=vector, p_limit=5, p_offset=20)) == whole[20:]
    assert library.named(library.answer(asked, p_vector=vector, p_limit=5, p_offset=7)) == whole[7:12]


# Mistakes.


@pytest.mark.parametrize(
    "arguments",
    [
        {"p_understood": []},
        *({"p_understood": asks("x"), "p_after": after} for after in ([], {}, {"at": "2026-01-01"})),
        {
            "p_understood": asks("x"),
            "p_after": {"at": "2026-01-01", "id": "00000000-0000-0000-0000-000000000000"},
        },
        {"p_understood": asks("x" * 2001)},
        {"p_understood": asks("x", zone="Mars/Olympus")},
        {"p_understood": {"parts": [1]}},
        {"p_understood": {"parts": {}}},
        {"p_understood": {"parts": [{}] * 51}},
        {"p_understood": asks("", text="x" * 40_000)},
        {"p_understood": asks("", part("date", since="yesterday"))},
        {"p_understood": asks("", part("person", ids=["'; drop table assets"]))},
        {"p_understood": asks("", part("things", least="two", **{"class": "dog"}))},
        {"p_understood": asks("x"), "p_vector": "[1,2]"},
        {"p_understood": asks("x"), "p_vector": "[0,0,0,0,0,0,0,0]"},
        {"p_understood": asks("x"), "p_offset": -1},
        {"p_understood": asks("x"), "p_offset": 10_001},
        {"p_understood": asks("x"), "p_after": {"id": "no"}},
        {"p_understood": asks("x"), "p_after": {"score": "high"}},
    ],
    ids=lambda arguments: str(arguments)[:70],
)
def test_mistakes_are_told(library: Library, arguments: dict[str, Any]) -> None:
    wish = {
        name: Jsonb(value) if isinstance(value, dict | list) else value for name, value in arguments.items()
    }
    names = ", ".join(f"{name} => %s" for name in wish)
    with (
        pytest.raises(psycopg.DatabaseError, match="bad_params") as refusal,
        library.queue.acting("authenticated", library.user),
    ):
        library.queue.value(f"select public.rank_search({names})", *wish.values())
    assert refusal.value.sqlstate == "PT400"


def test_a_generation_that_is_none_is_told(library: Library) -> None:
    with pytest.raises(psycopg.DatabaseError, match="unknown_generation") as refusal:
        library.search("x", vector=QUERY, p_version="unheard-of")
    assert refusal.value.sqlstate == "PT409"


# Others.


def test_two_users_never_see_each_other(queue: Any) -> None:
    mine, theirs = Library(queue), Library(queue)
    for each in (mine, theirs):
        asset = each.photo(
            "a", file_name="secret beach.jpg", location_name="Rome", latitude=41.9, longitude=12.5
        )
        each.looks(asset, 0.8)
        each.reads(asset, "secret")
        each.shows(asset, "dog")
        each.face(asset, each.contact("Anna"))
    anna = theirs.queue.value("select id from contacts where user_id = %s", theirs.user)
    for semantic, parts in (
        ("secret", []),
        ("sec", []),
        ("", [part("place", name="Rome", near=True)]),
        ("", [part("things", **{"class": "dog"})]),
        ("", [part("date", since="2000-01-01")]),
        ("", [part("text", text="secret")]),
    ):
        assert mine.search(semantic, *parts, vector=QUERY if semantic else None) == ["a"]
    assert mine.search("", part("person", ids=[str(anna)])) == []
    assert mine.search("secret", p_user=theirs.user) == ["a"], "of their own, whoever they name"
    queue.db.execute("delete from assets where user_id = %s", (mine.user,))
    assert mine.search("secret", vector=QUERY) == []


# Times as they are known.

NEW_YORK = "America/New_York"


@pytest.mark.parametrize(
    ("row", "day", "zone"),
    [
        ({"taken_at": "2025-06-30T22:30:00Z", "taken_at_offset_minutes": 120}, "2025-07-01", NEW_YORK),
        ({"taken_at": "2025-07-01T03:00:00Z", "taken_at_source": "original"}, "2025-07-01", NEW_YORK),
        ({"taken_at": "2025-07-01T03:00:00Z", "taken_at_source": "person"}, "2025-06-30", NEW_YORK),
        ({"taken_at": "2025-07-01T03:00:00Z", "taken_at_source": "satellite"}, "2025-06-30", NEW_YORK),
        ({"taken_at": "2025-06-30T23:30:00Z"}, "2025-07-01", "Europe/Berlin"),
        ({"taken_at": None, "created_at": "2025-06-30T23:30:00Z"}, "2025-07-01", "Asia/Tokyo"),
    ],
)  # fmt: skip
def test_a_photo_is_of_the_day_that_the_clock_on_the_wall_showed(
    library: Library, row: dict[str, Any], day: str, zone: str
) -> None:
    library.photo("a", **row)
    for asked, after in (("2025-06-30", "2025-07-01"), ("2025-07-01", "2025-07-02")):
        understood = asks("", part("date", since=asked, before=after), zone=zone)
        assert library.named(library.answer(understood)) == (["a"] if asked == day else []), asked


@pytest.mark.parametrize(
    ("precision", "asked", "found"),
    [
        ("year", {"since": "2019-01-01", "before": "2020-01-01"}, True),
        ("year", {"since": "2019-01-01", "before": "2019-02-01"}, False),
        ("year", {"months": [1]}, False),
        ("month", {"since": "2019-01-01", "before": "2019-02-01"}, True),
        ("month", {"since": "2019-01-01", "before": "2019-01-02"}, False),
        ("month", {"months": [1]}, True),
        ("month", {"weekdays": [2]}, False),
        ("day", {"since": "2019-01-01", "before": "2019-01-02"}, True),
        ("day", {"weekdays": [2]}, True),
        ("day", {"hours": [0]}, False),
        ("second", {"hours": [0]}, True),
    ],
)
def test_no_more_is_asked_of_a_time_than_is_known(
    library: Library, precision: str, asked: dict[str, Any], found: bool
) -> None:
    library.photo(
        "a", taken_at="2019-01-01T00:00:00Z", taken_at_precision=precision, taken_at_source="original"
    )
    assert library.search("", part("date", **asked)) == (["a"] if found else [])


# Long texts.


def test_a_word_in_a_long_text_is_shown_where_it_stands(library: Library) -> None:
    filler = "Lorem ipsum, dolor sit amet. " * 400
    library.reads(library.photo("a"), f"{filler}\nUne CAFÉ crème, s'il vous plaît. {filler}")
    answer = library.answer(asks("cafe"))
    (shown,) = library.evidence(answer, "a")
    ((start, end),) = shown["marks"]
    assert shown["excerpt"][start:end] == "CAFÉ"
    assert len(shown["excerpt"]) <= 200


def test_texts_that_no_index_holds_whole_are_stored_all_the_same(library: Library) -> None:
    """A tsvector has at most a megabyte; the first 30,000 characters are searched."""
    words = " ".join(
        f"{chr(0x20000 + number // 200)}{chr(0x20000 + number % 200)}" for number in range(40_000)
    )
    library.reads(library.photo("a"), f"first {words} last")
    library.reads(library.photo("b"), "x" * 1_000_000)
    assert library.search("first") == ["a"]
    assert library.search("last") == []


def test_who_may_write_rows_keeps_their_words_up_to_date(library: Library) -> None:
    asset = library.photo("a", file_name="kite.jpg", location_name="Oslo")
    with library.queue.acting("authenticated", library.user):
        library.queue.db.execute(
            "update assets set file_name = 'boat.jpg', location_name = 'Rome' where id = %s", (asset,)
        )
        library.queue.db.execute(
            "insert into asset_tags (asset_id, tag_type, tag_value) values (%s, 'object', 'anchor')", (asset,)
        )
    assert library.search("kite") == library.search("oslo") == []
    assert library.search("boat rome anchor") == ["a"]


def test_a_vector_alone_ranks_what_the_parts_leave(library: Library) -> None:
    for name, similarity, place in (("near", 0.6, "Rome"), ("nearer", 0.8, "Oslo"), ("far", 0.1, "Rome")):
        library.looks(library.photo(name, location_name=place), similarity)
    assert library.search("", vector=QUERY) == ["nearer", "near"]
    assert library.search("", part("place", name="Rome"), vector=QUERY) == ["near"]


@pytest.fixture
def common(library: Library) -> Library:
    """Thousands of photos whose file names all have one word, and whose places have another."""
    library.queue.db.execute("set session_replication_role = replica")
    library.queue.db.execute(
        "insert into assets (user_id, path, media_type, file_name, location_name, taken_at)"
        " select %(user)s::uuid, %(user)s || '/c' || n, 'document', 'IMG_' || n || '.jpg', 'Rome',"
        " '2019-01-01'::timestamptz + n * interval '1 minute' from generate_series(1, 2500) as n",
        {"user": library.user},
    )
    library.queue.db.execute("reset session_replication_role")
    return library


@pytest.mark.parametrize(
    ("words", "found", "cut"),
    [
        ("img 2400", 1, []),
        ("2400 img", 1, []),
        ("rome 2400", 1, []),
        ("rome img kite", 1, []),
        ("kite rome", 1, []),
        ("rome nothing", 0, []),
        ("img", 200, ["text"]),
        ("rome img", 200, ["text"]),
    ],
)
def test_words_of_most_texts_are_looked_for_among_what_has_the_rarer_ones(
    common: Library, words: str, found: int, cut: list[str]
) -> None:
    kite = common.photo("kite", file_name="IMG_x.jpg", location_name="Rome")
    common.describes(kite, "a kite")
    answer = common.answer(asks(f"{words} "), p_limit=200)
    assert (len(answer["results"]), answer["cut_short"]) == (found, cut)


def test_words_of_most_texts_are_looked_for_among_what_parts_leave(common: Library) -> None:
    for name in ("dog", "other dog"):
        common.shows(common.photo(name, file_name="IMG_x.jpg"), "dog")
    answer = common.answer(asks("img ", part("things", **{"class": "dog", "least": 1, "from": 0, "to": 0})))
    assert (set(common.named(answer)), answer["cut_short"]) == ({"dog", "other dog"}, [])


def test_more_pictures_than_are_ranked_are_told_of(common: Library) -> None:
    common.queue.db.execute(
        "insert into image_embeddings (user_id, asset_id, embedding, model_version)"
        " select user_id, id, %s, %s from assets where user_id = %s limit 999",
        (like(0.9), MODEL, common.user),
    )
    assert common.answer(asks("sea"), p_vector=QUERY)["cut_short"] == []
    common.looks(common.photo("one more"), 0.8)
    assert common.answer(asks("sea"), p_vector=QUERY)["cut_short"] == ["picture"]
    assert common.answer(asks("sea"), p_vector=QUERY, p_offset=990)["cut_short"] == ["picture"]
