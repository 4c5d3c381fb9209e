"""The pieces that dates are made of: days, months, years, numbers, lengths of time."""

from __future__ import annotations

import calendar
from datetime import date
from typing import Final

from models.search.languages.language import Language
from models.search.spans import MOST_BACK, Span, days
from models.search.words import APOSTROPHES, HYPHENS, Line, touch

_FIRST_YEAR: Final = 1826  # of the oldest photograph that is left


class Pieces:
    """Reads pieces of dates at places of a text's tokens, in one language."""

    def __init__(self, found: Line, language: Language, today: date) -> None:
        """All days are those of the zone in which it is `today`."""
        self._tokens = found
        self._words = language
        self._today = today

    def year_number(self, at: int) -> int | None:
        if at >= len(self._tokens) or len(self._tokens[at].text) != 4:
            return None
        number = self._tokens[at].number
        return number if number is not None and self.is_a_year(number) else None

    def short_year(self, at: int) -> tuple[int, int] | None:
        """The year that '98 is, and where it ends."""
        if not self._tokens.sign(at, APOSTROPHES) or not touch(self._tokens, at):
            return None
        short = self._tokens[at + 1]
        if short.number is None or len(short.text) != 2:
            return None
        return short.number + (2000 if short.number <= self._today.year % 100 + 1 else 1900), at + 2

    def is_a_year(self, year: int) -> bool:
        return _FIRST_YEAR <= year <= self._today.year + 1

    def day(self, year: int, month: int, day: int) -> Span | None:
        if (
            not self.is_a_year(year)
            or not 0 < month < 13
            or not 0 < day <= calendar.monthrange(year, month)[1]
        ):
            return None
        return days(date(year, month, day))

    def day_number(self, at: int) -> tuple[int, int] | None:
        """A day of the month and where it ends: 3, 3rd, 3., third."""
        if at >= len(self._tokens):
            return None
        token = self._tokens[at]
        end = at + 1
        digits = token.folded.rstrip("abcdefghijklmnopqrstuvwxyz")
        number = self._words.ordinals.get(token.folded)
        if number is None and token.number is not None and len(token.text) <= 2:
            number = token.number
            end += self._tokens.sign(end, ".") and touch(self._tokens, at)
        elif (
            number is None
            and 0 < len(digits) < 3
            and token.folded[len(digits) :] in self._words.ordinal_endings
        ):
            number = int(digits) if digits.isascii() and digits.isdigit() else None
        return (number, end) if number is not None and 0 < number < 32 else None

    def month_number(self, at: int, *, short: bool) -> tuple[int, int] | None:
        if number := self._tokens.look_up(at, self._words.months):
            return number, at + 1
        if short and (number := self._tokens.look_up(at, self._words.short_months)):
            return number, at + 1 + (self._tokens.sign(at + 1, ".") and touch(self._tokens, at))
        return None

    def weekday_number(self, at: int) -> int | None:
        name = self.weekday_name(at)
        return self._words.weekdays[name] if name else None

    def weekday_name(self, at: int) -> str:
        """The weekday that the word is, or that it begins with and a time of day ends: Sonntagabend."""
        if at >= len(self._tokens):
            return ""
        folded = self._tokens[at].folded
        if folded in self._words.weekdays:
            return folded
        if self._words.nouns_stand_apart:
            return ""
        rests = self._words.hours_of_a_day
        return next(
            (
                name
                for name in self._words.weekdays
                if folded.startswith(name) and folded[len(name) :] in rests
            ),
            "",
        )

    def count(self, at: int) -> int | None:
        if at >= len(self._tokens):
            return None
        token = self._tokens[at]
        return token.number if token.number is not None else self._words.numbers.get(token.folded)

    def length(self, at: int, *, bare: bool = False) -> tuple[int, int, str, int] | None:
        """A length of time: at most and at least how many, of what, and where it ends.

        A `bare` one may have no number and is one then: the past week.
        """
        words = self._words
        if couple := words.couple.at(self._tokens.run(at)):
            most, least, after = couple[1], 2, couple[0]
        else:
            number = self.count(at)
            if number is None and bare:
                most, least, after = 1, 1, at
            elif number is None:
                return None
            else:
                most, least, after = number, number, at + 1
        unit = self._tokens.look_up(after, words.units)
        return (most, least, unit, after + 1) if unit and 0 < most <= MOST_BACK[unit] else None

    def over_second_year(self, year: int, at: int) -> int:
        """Where winter 2019/20 ends."""
        if at + 1 < len(self._tokens) and self._tokens[at].text in {"/", "-", "\u2013"}:
            second = self._tokens[at + 1].number
            if second is not None and second in {year + 1, (year + 1) % 100} and touch(self._tokens, at - 1):
                return at + 2
        return at

    def over_range_word(self, at: int, *, opened: tuple[int, bool] | None) -> int | None:
        """Where the end of a range begins; an `and` leads to it after between only."""
        if opened and opened[1]:
            return at + 1 if self._tokens.among(at, self._words.joining) else None
        if at < len(self._tokens) and self._tokens[at].text in HYPHENS:
            return at + 1
        phrase = self._words.range_goes_on.at(self._tokens.run(at))
        return phrase[0] if phrase else None

    def over_articles(self, at: int) -> int:
        return at + 1 if self._tokens.among(at, self._words.articles) else at
