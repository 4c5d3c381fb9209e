"""A text as tokens, and words folded so that they can be compared: without case, marks and umlauts."""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

T = TypeVar("T")

APOSTROPHES: Final = frozenset("'\u2019\u02bc`\u00b4")
HYPHENS: Final = frozenset("-\u2010\u2011\u2012\u2013\u2014")
_JOINERS: Final = APOSTROPHES | HYPHENS | {"."}
# Germans write ae, oe, ue where the keyboard has no umlauts.
_UMLAUTS: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
_MARKS_AND_SIGNS: Final = frozenset("+|=~<>^$")
LONGEST_RUN: Final = 8
"""Words that a name or a phrase may have; the words of a longer one are never read as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A run of letters and digits, or one other character; `start` and `end` are code points of the text."""

    text: str
    start: int
    end: int
    word: bool
    folded: str
    plain: str

    @property
    def number(self) -> int | None:
        """The whole number that the token is, of at most eight ASCII digits."""
        return int(self.text) if self.word and _is_number(self.text) else None

    @property
    def punctuation(self) -> bool:
        """Whether the token separates words and says nothing itself, as a comma and unlike an emoji."""
        return not self.word and (
            self.text in _MARKS_AND_SIGNS
            or self.text in APOSTROPHES
            or unicodedata.category(self.text)[0] in "PC"
        )

    @property
    def capital(self) -> bool:
        """Whether the word begins with a capital letter."""
        return self.text[0].isupper()


def fold(word: str) -> str:
    """The word without case and marks, umlauts written out: Zoë is zoe, Jürgen is juergen, Groß is gross."""
    if word.isascii():
        return word.lower()
    return plain(unicodedata.normalize("NFC", word.casefold()).translate(_UMLAUTS))


def plain(word: str) -> str:
    """The word without case and marks, umlauts as their vowels: Jürgen is jurgen."""
    if word.isascii():
        return word.lower()
    letters = unicodedata.normalize("NFKD", word.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def tokens(text: str) -> list[Token]:
    """The tokens of a text in order; white space is none."""
    found: list[Token] = []
    start = 0
    while start < len(text):
        if text[start].isspace():
            start += 1
            continue
        end = start
        while end < len(text) and _is_of_a_word(text[end]):
            end += 1
        is_word = end > start
        end = max(end, start + 1)
        part = text[start:end]
        found.append(
            Token(
                text=part,
                start=start,
                end=end,
                word=is_word,
                folded=fold(part),
                plain=plain(part),
            )
        )
        start = end
    return found


def words(text: str) -> tuple[str, ...]:
    """The folded words of a text, without what stands between them."""
    return tuple(token.folded for token in tokens(text) if token.word)


@dataclass(frozen=True, slots=True)
class Run:
    """The words from one token on, as texts of the first, the first two, and so on to `LONGEST_RUN`.

    Of each text also the place of the token where it ends.
    """

    folded: tuple[str, ...]
    plain: tuple[str, ...]
    ends: tuple[int, ...]


class Line(list[Token]):
    """Tokens in a row, of a text or of what is left of it."""

    def __init__(self, found: Iterable[Token]) -> None:
        """Tokens are not to be changed any more."""
        super().__init__(found)
        self._runs: dict[int, Run] = {}

    def run(self, at: int) -> Run:
        """The words from this token on, over hyphens, apostrophes and full stops that tie two together."""
        if at not in self._runs:
            self._runs[at] = _run_from(self, at)
        return self._runs[at]

    def among(self, at: int, listed: Container[str]) -> bool:
        """Whether there is such a token and its word is one of these."""
        return 0 <= at < len(self) and self[at].folded in listed

    def sign(self, at: int, signs: Container[str]) -> bool:
        """Whether there is such a token and it is one of these signs."""
        return 0 <= at < len(self) and self[at].text in signs

    def look_up(self, at: int, table: Mapping[str, T]) -> T | None:
        """What its word means, if there is such a token and it means anything."""
        return table.get(self[at].folded) if 0 <= at < len(self) else None


def _run_from(found: Sequence[Token], at: int) -> Run:
    folded: list[str] = []
    plainly: list[str] = []
    ends: list[int] = []
    while at < len(found) and len(folded) < LONGEST_RUN:
        if folded and joins(found, at):
            at += 1
        if not found[at].word:
            break
        folded.append(f"{folded[-1]} {found[at].folded}" if folded else found[at].folded)
        plainly.append(f"{plainly[-1]} {found[at].plain}" if plainly else found[at].plain)
        at += 1
        ends.append(at)
    return Run(tuple(folded), tuple(plainly), tuple(ends))


def joins(found: Sequence[Token], at: int) -> bool:
    """Whether this token ties the word after it to what stands before: O'Brien, St. Gallen."""
    token = found[at]
    if token.text not in _JOINERS or at + 1 >= len(found) or not found[at + 1].word:
        return False
    return touch(found, at - 1) and (token.text == "." or touch(found, at))


def touch(found: Sequence[Token], at: int) -> bool:
    """Whether nothing stands between this token and the next one."""
    return 0 <= at < len(found) - 1 and found[at].end == found[at + 1].start


class Phrases(Generic[T]):
    """Phrases of one to eight words and what each means; the longest that fits is found in constant time."""

    def __init__(self, meanings: Mapping[str, T]) -> None:
        """Keys are phrases as people write them; they are folded here.

        Raises:
            ValueError: two phrases are the same when folded and mean different things, or one is too long.
        """
        self.meanings: dict[str, T] = {}
        self._longest: dict[str, int] = {}
        for phrase, meaning in meanings.items():
            folded = words(phrase)
            key = " ".join(folded)
            if not 0 < len(folded) <= LONGEST_RUN or self.meanings.setdefault(key, meaning) != meaning:
                raise ValueError(f"{phrase!r} is empty, too long, or there twice")
            self._longest[folded[0]] = max(self._longest.get(folded[0], 0), len(folded))

    def at(self, run: Run) -> tuple[int, T] | None:
        """Where the longest phrase ends that the run begins with, and what it means."""
        longest = self._longest.get(run.folded[0], 0) if run.folded else 0
        for count in range(min(longest, len(run.folded)), 0, -1):
            if run.folded[count - 1] in self.meanings:
                return run.ends[count - 1], self.meanings[run.folded[count - 1]]
        return None

    def first_words(self) -> set[str]:
        """The words that phrases begin with."""
        return set(self._longest)


def each(listed: str) -> dict[str, str]:
    """Meanings by phrase, of lines such as `dog: dog, dogs, puppy`; an indented line goes on."""
    meanings: dict[str, str] = {}
    for line in listed.strip("\n").replace("\n ", " ").splitlines():
        meaning, _, phrases = line.partition(":")
        meanings |= dict.fromkeys((phrase.strip() for phrase in phrases.split(",")), meaning)
    return meanings


def by_phrase(meanings: Mapping[T, str]) -> dict[str, T]:
    """Meanings by phrase, of `phrase, phrase` by meaning."""
    return {phrase.strip(): meaning for meaning, listed in meanings.items() for phrase in listed.split(",")}


def any_of(listed: str) -> Phrases[None]:
    """Phrases that all mean the same, between commas."""
    return Phrases(dict.fromkeys(listed.split(",")))


def in_order(listed: str) -> tuple[str, ...]:
    """Folded words in their order."""
    return tuple(fold(word) for word in listed.split())


def folded_set(listed: str | Iterable[str]) -> frozenset[str]:
    """A set of single words, given as a text or one by one, folded."""
    return frozenset(fold(word) for word in (listed.split() if isinstance(listed, str) else listed))


def _is_of_a_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_" or (letter > "\x7f" and unicodedata.category(letter)[0] == "M")


def _is_number(text: str) -> bool:
    return len(text) <= 8 and text.isascii() and text.isdigit()
