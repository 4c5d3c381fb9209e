"""What holds for any text: it is read in time that grows with its length, and what is left says no date."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date
from types import FrameType

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.search.names import Known, Names
from models.search.query import DatePart, PersonPart
from models.search.understanding import LONGEST_TEXT, people_names, understand
from models.search.words import tokens
from tests.models.search.library import ask

# Words that mean something, and signs between them.
_WORDS = """
in on at the of a with without and or not no from to between since before after until last this past
early late end mid 3 5 12 2019 2021 99 1990 90s 3rd second may march june Jan spring summer fall week
weeks days month years ago year sunday sundays weekend morning night tonight yesterday christmas easter
new york eve day Anna Schmidt Rose rose mark May april Ben dogs two cat orange couple photos videos
iPhone 12 Pro Berlin text people nobody faces im am vor drei Tagen letzten Sommer Mai Herbst bis und oder
von vom zwischen seit Jahren Jahre 90er Ende Anfang Fotos mit ohne kein Hund Menschen Annas Weihnachten
Sonntag abends heute Morgen der die more less than earlier later nineties '98 seit weder noch neither nor
New York may mit Rose 2019-2021 24.12.2023 3.-5.
"""
_SIGNS = """ ' " \u201e \u201c - . , / ( & \u2019s 's \u00ab ! \U0001f600 """
_SPACES = [" ", " ", " ", "", "\n"]
_PIECES = st.tuples(st.sampled_from(_WORDS.split() * 3 + _SIGNS.split()), st.sampled_from(_SPACES)).map(
    "".join
)
_SENTENCES = st.lists(_PIECES, max_size=40).map("".join).map(lambda text: text[:LONGEST_TEXT])
_TEXTS = st.text(max_size=LONGEST_TEXT) | _SENTENCES


@settings(max_examples=100, deadline=None)
@given(text=_TEXTS, language=st.sampled_from([None, "en", "de"]))
@example(text="3 Anna may", language=None)
@example(text="vor vor vor 3 Tagen 3 Tagen 3 Tagen", language=None)
@example(text="\u0130stanbul \u00b2 \u0661\u0669 \ud800 \x00", language=None)
def test_any_text_is_read(text: str, language: str | None) -> None:
    understood = ask(text, language)

    end = 0
    for part in understood.parts:
        assert end <= part.start < part.end <= len(text)
        end = part.end
    assert _is_in_order([token.text for token in tokens(understood.semantic)], tokens_of(text))
    assert understood.as_json()["text"] == text


@settings(max_examples=200, deadline=None)
@given(text=_TEXTS)
def test_no_text_is_much_work(text: str) -> None:
    """Per character there are twice the function calls of the worst of 400 texts (420), at most."""
    ask("a dog in may")  # what is read once

    assert _calls(lambda: ask(text)) <= 840 * (len(text) + 10)


@settings(max_examples=100, deadline=None)
@given(text=_TEXTS)
@example(text="3 Anna may")
@example(text="summer Anna")
@example(text="may Weihnachten Anna the fall")
def test_what_is_left_says_no_date_and_no_name(text: str) -> None:
    again = ask(ask(text).semantic)

    assert [part for part in again.parts if isinstance(part, DatePart | PersonPart)] == []


@settings(max_examples=100, deadline=None)
@given(text=_SENTENCES, data=st.data())
def test_every_part_can_be_taken_out(text: str, data: st.DataObject) -> None:
    understood = ask(text)
    index = data.draw(st.integers(0, max(len(understood.parts) - 1, 0)))
    without = understood.without([index])

    assert without.parts == (*understood.parts[:index], *understood.parts[index + 1 :])
    if understood.parts:
        part = understood.parts[index]
        words = [token.text for token in tokens(text[part.start : part.end]) if token.word]
        assert _is_in_order(words, [token.text for token in tokens(without.semantic)])


@settings(max_examples=100, deadline=None)
@given(text=_SENTENCES, today=st.dates(date(1900, 1, 1), date(2100, 12, 31)))
def test_any_day_can_be_today(text: str, today: date) -> None:
    for hemisphere in ("north", "south"):
        for part in understand(text, today=today, hemisphere=hemisphere).parts:
            if isinstance(part, DatePart) and part.since and part.before:
                assert part.since < part.before


@pytest.mark.parametrize(
    "unit",
    [
        "may ",
        "from may to ",
        "vor ",
        "vor 3 ",
        "the ",
        "without ",
        "not in the ",
        "2019 and ",
        "may and ",
        "photos ",
        "show me photos ",
        '"',
        "' a",
        "\u201e",
        "3.",
        "3-",
        "2019-",
        "two black ",
        "Anna and ",
        "Anna-",
        "taken with the ",
        "end of the ",
        "x",
        "hund",
        "\u0308",
        "last ",
        "rose ",
        "a couple of ",
    ],
)
def test_work_grows_with_the_length(unit: str) -> None:
    """Twice the text is little more than twice the work, in function calls, which no clock disturbs."""
    half, whole = unit * (240 // len(unit)), unit * (480 // len(unit))
    ask(half)

    assert _calls(lambda: ask(whole)) <= 2.5 * _calls(lambda: ask(half)) + 500


def test_index_is_as_quick_with_100_times_the_names() -> None:
    """The names that begin with one word are no list to be gone through."""
    few, many = (
        people_names(Known(ids=(str(number),), names=(f"Anna Maria {number}",)) for number in range(count))
        for count in (100, 10_000)
    )
    text = "Anna Maria 99 and Anna at the beach with Anna Maria 98"

    def read(people: Names) -> None:
        (*_, part) = understand(text, today=date(2025, 10, 15), people=people).parts
        assert isinstance(part, PersonPart)

    assert _calls(lambda: read(many)) == _calls(lambda: read(few))


def tokens_of(text: str) -> list[str]:
    return [token.text for token in tokens(text)]


def _is_in_order(words: list[str], whole: list[str]) -> bool:
    rest = iter(whole)
    return all(word in rest for word in words)


def _calls(read: Callable[[], object]) -> int:
    """How many functions are called, written in Python or not."""
    count = 0

    def counted(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        read()
    finally:
        sys.setprofile(before)
    return count
