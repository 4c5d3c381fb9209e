"""Words that are the same whatever their case, marks and umlauts; phrases; names."""

from __future__ import annotations

import pytest

from models.search.names import Known, Names
from models.search.words import Line, Phrases, each, fold, plain, tokens

TEXT = "Anna's  3rd, IMG_2019.jpg \U0001f600"


@pytest.mark.parametrize(
    ("word", "folded", "plainly"),
    [
        ("Zoë", "zoe", "zoe"),
        ("Zoe\u0308", "zoe", "zoe"),
        ("Jürgen", "juergen", "jurgen"),
        ("Ju\u0308rgen", "juergen", "jurgen"),
        ("GROß", "gross", "gross"),
        ("Ångström", "angstroem", "angstrom"),
        ("\u0130stanbul", "istanbul", "istanbul"),
        ("東京", "東京", "東京"),
    ],
)
def test_word_is_folded(word: str, folded: str, plainly: str) -> None:
    assert (fold(word), plain(word)) == (folded, plainly)


def test_tokens_are_words_and_single_signs() -> None:
    found = tokens(TEXT)

    assert [token.text for token in found] == [
        *("Anna", "'", "s", "3rd", ",", "IMG_2019", ".", "jpg", "\U0001f600"),
    ]
    assert [token.punctuation for token in found if not token.word] == [True, True, True, False]
    assert all(
        "Anna's  3rd, IMG_2019.jpg \U0001f600"[token.start : token.end] == token.text for token in found
    )


def test_longest_phrase_is_found_over_what_ties_words_together() -> None:
    phrases = Phrases({"new year": 1, "new year's eve": 2})

    assert phrases.at(Line(tokens("New Year's Eve party")).run(0)) == (5, 2)
    assert phrases.at(Line(tokens("new-year party")).run(0)) == (3, 1)
    assert phrases.at(Line(tokens("new, year")).run(0)) is None


@pytest.mark.parametrize("meanings", [{"a b": 1, "A-b": 2}, {"": 1}, {"1 2 3 4 5 6 7 8 9": 1}])
def test_phrase_that_could_never_be_found_is_refused(meanings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="is empty, too long, or there twice"):
        Phrases(meanings)


def test_meaning_goes_on_in_an_indented_line() -> None:
    assert each("dog: dog,\n    hot\ncat: cat") == {"dog": "dog", "hot": "dog", "cat": "cat"}


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("Anna Maria Schmidt", ("1",)),
        ("Anna", ("1", "2")),
        ("Dr", None),
        ("Weber", None),
        ("dr weber", ("3",)),
        ("the", None),
        ("A", None),
        ("one two three four five six seven eight nine", ("6",)),
    ],
)
def test_first_word_of_a_name_is_a_name_unless_it_is_a_title(text: str, ids: tuple[str, ...] | None) -> None:
    names = Names(
        [
            Known(ids=("1",), names=("Anna Maria Schmidt",)),
            Known(ids=("2",), names=("Anna",)),
            Known(ids=("3",), names=("Dr. Weber",)),
            Known(ids=("4",), names=("The Boss", "", "\u2026")),
            Known(ids=("5",), names=("A. Smith",)),
            Known(ids=("6",), names=("one two three four five six seven eight ten",)),
        ],
        first_names=True,
    )

    found = names.at(Line(tokens(text)).run(0))

    assert (found.ids if found else None) == ids
