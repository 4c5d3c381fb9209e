"""Titles in every language: complete, and right about one, many, days and names."""

from __future__ import annotations

import dataclasses
import re
from datetime import date

import pytest

from models.moments.languages import LANGUAGES, words_of
from models.moments.languages.words import Words
from models.moments.photos import Person
from models.search.languages import LANGUAGES as SEARCHED
from tests.models.moments.shots import moments, of_kind, shots

ROME = (41.9, 12.5)


def test_moments_have_the_languages_of_the_search() -> None:
    assert set(LANGUAGES) == set(SEARCHED)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Words)])
def test_texts_of_all_languages_have_the_same_places(field: str) -> None:
    def holes(found: object) -> object:
        match found:
            case str():
                return sorted(re.findall(r"{\w+}", found))
            case tuple():
                return [holes(part) for part in found]
            case dict():
                return {key: holes(part) for key, part in found.items()}
        return None

    assert len({repr(holes(getattr(words, field))) for words in LANGUAGES.values()}) == 1


@pytest.mark.parametrize(
    ("tag", "code"),
    [("de", "de"), ("de-AT", "de"), ("DE_ch.UTF-8", "de"), ("en-GB", "en"), ("fr", "en"), ("", "en")],
)
def test_a_language_is_found_by_its_tag(tag: str, code: str) -> None:
    assert words_of(tag).code == code


@pytest.mark.parametrize(
    ("first", "last", "english", "german"),
    [
        ("2024-06-03", "2024-06-03", "June 3, 2024", "3. Juni 2024"),
        ("2024-06-03", "2024-06-09", "June 3\u20139, 2024", "3.\u20139. Juni 2024"),
        ("2024-06-28", "2024-07-02", "June 28 \u2013 July 2, 2024", "28. Juni \u2013 2. Juli 2024"),
        (
            "2024-12-28",
            "2025-01-02",
            "December 28, 2024 \u2013 January 2, 2025",
            "28. Dezember 2024 \u2013 2. Januar 2025",
        ),
        ("2023-06-03", "2024-06-03", "June 3, 2023 \u2013 June 3, 2024", "3. Juni 2023 \u2013 3. Juni 2024"),
    ],
)
def test_days_are_written_as_people_do(first: str, last: str, english: str, german: str) -> None:
    days = date.fromisoformat(first), date.fromisoformat(last)

    assert (words_of("en").days(*days), words_of("de").days(*days)) == (english, german)


def test_german_titles() -> None:
    anna = Person(contact_id="anna", name="Anna", birth_date=date(2015, 6, 10))
    library = [
        *shots("2026-06-03 14:00", 6, at=ROME, place="Rom, Italien"),
        *shots("2026-05-02 20:00", 6, every_minutes=10),
        *shots("2020-06-10 10:00", 6, who=(0,)),
        *shots("2025-06-08 10:00", 3),
        *shots("2018-02-03 10:00", 6, every_minutes=600, at=ROME, place="Rom, Italien"),
        *[shot for month in range(1, 6) for shot in shots(f"2026-0{month}-20 10:00", 1, who=(0,))],
    ]

    told = moments(library, "2026-06-10", people=[anna], language="de")

    assert {(moment.title, moment.subtitle) for moment in told if moment.kind != "location"} == {
        ("Alles Gute zum Geburtstag, Anna!", "11 Jahre alt · 11 Fotos"),
        ("Heute vor 6 Jahren", "6 Fotos"),
        ("Diese Woche vor 1 Jahr", "3 Fotos"),
        ("Damals und heute", "Anna \u2014 6 Jahre dazwischen"),
        ("Mittwochnachmittag in Rom", "6 Fotos in Rom, Italien"),
        ("Samstagabend, 2. Mai", "6 Fotos"),
    } | {(moment.title, moment.subtitle) for moment in of_kind(told, "season")}
    assert of_kind(told, "location")[0].title.endswith(" Rom")
    assert of_kind(told, "location")[0].subtitle == "6 Fotos aus Rom, Italien"


@pytest.mark.parametrize("name", ["{place}", "{0}", "}{", "%s", "Ä\u0301 名前", "<b>"])
def test_a_name_is_shown_as_it_is(name: str) -> None:
    anna = Person(contact_id="anna", name=name)
    library = [shot for year in range(2010, 2016) for shot in shots(f"{year}-01-20 10:00", 1, who=(0,))]
    visit = shots("2018-02-03 10:00", 6, at=ROME, place=name)

    told = moments([*library, *visit], "2026-06-10", people=[anna])

    assert of_kind(told, "people")[0].title == f"Moments with {name}"
    assert name in of_kind(told, "location")[0].title


def test_the_title_of_a_visit_stays_and_differs_between_visits() -> None:
    visits = [
        of_kind(
            moments(shots(f"2018-02-{day:02} 10:00", 6, at=ROME, place="Rome"), "2026-06-10"), "location"
        )[0].title
        for day in range(1, 21)
    ]
    again = of_kind(moments(shots("2018-02-01 10:00", 6, at=ROME, place="Rome"), "2026-06-10"), "location")

    assert set(visits) == {"Adventures in Rome", "Memories from Rome", "Time in Rome", "Days in Rome"}
    assert again[0].title == visits[0]


def test_a_blank_name_of_a_place_is_none() -> None:
    told = of_kind(moments(shots("2018-02-03 10:00", 6, at=ROME, place="  "), "2026-06-10"), "location")

    assert (told[0].title, told[0].subtitle, told[0].place) == ("A Day Out", "6 photos", None)
