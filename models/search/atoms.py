"""One date in words: 3 June 2024, last summer, the nineties, Christmas, in the morning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

from models.search.holidays import HOLIDAYS
from models.search.languages.language import Language
from models.search.pieces import Pieces
from models.search.spans import (
    Hemisphere,
    Span,
    Yearly,
    days,
    latest,
    months_from,
    period,
    season_months,
    shifted,
    third_of,
)
from models.search.words import APOSTROPHES, HYPHENS, Line, touch

CERTAIN, AT_AN_END, IN_CONTEXT = 0, 1, 2
"""A date is one at any rate; or if no noun follows (Christmas tree); or also a word like `in` precedes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Atom:
    """One date, which may become the beginning or the end of a range. `end` is the place of a token."""

    end: int
    span: Span | None = None
    yearly: Yearly | None = None
    months: tuple[int, ...] = ()
    weekdays: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    doubt: int = CERTAIN
    weekly: bool = False

    def from_day(self, day: int) -> Atom | None:
        """From a day of the month to this one, if it is a day of that month and later."""
        yearly = self.yearly
        if self.span and day <= self.span[0].day:
            return replace(self, span=(self.span[0].replace(day=day), self.span[1]))
        if not yearly:
            return None

        def in_year(year: int) -> Span | None:
            span = yearly(year)
            return (span[0].replace(day=day), span[1]) if span and day <= span[0].day else None

        return replace(self, yearly=in_year)


class Atoms:
    """Reads single dates at places of a text's tokens, in one language."""

    def __init__(self, found: Line, language: Language, *, today: date, hemisphere: Hemisphere) -> None:
        """All days are those of the zone in which it is `today`."""
        self._tokens = found
        self._words = language
        self._today = today
        self._hemisphere = hemisphere
        self._pieces = Pieces(found, language, today)

    def at(self, at: int) -> Atom | None:
        if at >= len(self._tokens) or not (self._tokens[at].word or self._tokens[at].text in APOSTROPHES):
            return None
        for read in (
            self._third,
            self._day_before,
            self._this_or_last,
            self.ago,
            self.numeric,
            self._weekday,
            self.day_and_month,
            self.month,
            self._season,
            self._holiday,
            self._decade,
            self._quarter,
            self._year,
            self._hours,
        ):
            if atom := read(at):
                return self._with_hours(atom)
        return None

    def _third(self, at: int) -> Atom | None:
        """Early, mid or late in a month, a season, a year or a decade."""
        phrase = self._words.thirds.at(self._tokens.run(at))
        if not phrase:
            return None
        inner_at = phrase[0]
        if inner_at < len(self._tokens) and self._tokens[inner_at].text in HYPHENS:
            inner_at += 1
        inner_at = self._pieces.over_articles(inner_at)
        for read in (self._this_or_last, self.month, self._season, self._decade, self._year):
            if inner := read(inner_at):
                break
        else:
            return None
        which = phrase[1]
        if inner.span:
            return replace(inner, span=third_of(inner.span, which))
        if len(inner.months) == 3:
            return replace(inner, months=(inner.months[which],), yearly=None, doubt=CERTAIN)
        yearly = inner.yearly
        if not yearly:
            return None

        def in_year(year: int) -> Span | None:
            span = yearly(year)
            return third_of(span, which) if span else None

        return replace(inner, yearly=in_year, months=(), doubt=CERTAIN)

    def _day_before(self, at: int) -> Atom | None:
        phrase = self._words.days.at(self._tokens.run(at))
        if not phrase:
            return None
        back, hours = phrase[1]
        if not back and (exact := self._exactly_ago(phrase[0])):
            return exact
        return Atom(end=phrase[0], span=days(self._today - timedelta(days=back)), hours=hours)

    def _exactly_ago(self, at: int) -> Atom | None:
        """The day that the length of time is back which is said after today: heute vor einem Jahr."""
        ago = self._ago_of(at)
        if not ago:
            return None
        count, _, unit, end = ago
        day = shifted(self._today, unit, count)
        return Atom(end=end, span=days(day)) if day else None

    def _this_or_last(self, at: int) -> Atom | None:
        words = self._words
        start = self._pieces.over_articles(at) if not self._tokens.among(at, words.this) else at
        if before_last := words.before_last.at(self._tokens.run(start)):
            return self._back(before_last[0], 2)
        if self._tokens.among(start, words.past) and (length := self._pieces.length(start + 1, bare=True)):
            count, _, unit, end = length
            if end > start + 2 or not self._tokens.among(start, words.last):
                first = shifted(self._today, unit, count)
                return Atom(end=end, span=(first, self._today + timedelta(days=1))) if first else None
        if self._tokens.among(start, words.last):
            return self._back(start + 1, 1)
        if self._tokens.among(start, words.this):
            is_past = self._tokens.among(start + 1, words.past)
            return self._back(start + 2, 1) if is_past else self._back(start + 1, 0)
        return None

    def _back(self, at: int, count: int) -> Atom | None:
        """What stands here, of now (0), before (1) or before that (2): last month, this summer."""
        words = self._words
        if unit := self._tokens.look_up(at, words.units):
            if unit == "day":
                return None
            reference = shifted(period(self._today, unit)[0], unit, count)
            return Atom(end=at + 1, span=period(reference, unit)) if reference else None
        if (weekend := words.weekend.at(self._tokens.run(at))) and count < 2:
            return Atom(end=weekend[0], span=self._weekend(over=count == 1))
        if number := self._tokens.look_up(at, words.weekdays):
            back = (self._today.isoweekday() - number) % 7
            back += 7 * (count if not back else count - 1 if count else 0)
            return Atom(end=at + 1, span=days(self._today - timedelta(days=back)), weekly=True)
        if hours := self._tokens.look_up(at, words.hours_of_a_day):
            return Atom(end=at + 1, span=days(self._today), hours=hours) if not count else None
        for read in (self.month, self._season, self._holiday):
            inner = read(at)
            if inner and inner.yearly:
                span = latest(inner.yearly, self._today, over=count > 0)
                if span and count == 2:
                    span = latest(inner.yearly, span[0], over=True)
                return replace(inner, span=span, months=(), yearly=None, doubt=CERTAIN) if span else None
        return None

    def ago(self, at: int) -> Atom | None:
        """3 days ago, vor drei Tagen: the day, or the week, month or year around it."""
        ago = self._ago_of(at)
        if not ago:
            return None
        most, least, unit, end = ago
        if (today := self._words.days.at(self._tokens.run(end))) and not today[1][0]:
            day = shifted(self._today, unit, most)  # a year ago today
            return Atom(end=today[0], span=days(day)) if day else None
        first, last = shifted(self._today, unit, most), shifted(self._today, unit, least)
        if not first or not last:
            return None
        return Atom(end=end, span=(period(first, unit)[0], period(last, unit)[1]))

    def _ago_of(self, at: int) -> tuple[int, int, str, int] | None:
        """How long ago: at most and at least how many, of what, and where it ends."""
        if self._tokens.among(at, self._words.ago_before):
            return self._pieces.length(at + 1)
        length = self._pieces.length(at)
        return (
            (*length[:3], length[3] + 1)
            if length and self._tokens.among(length[3], self._words.ago)
            else None
        )

    def numeric(self, at: int) -> Atom | None:
        """2024-06-03, 2024-06, 3.6.2024, 3.6., 6/3/2024."""
        if at >= len(self._tokens):
            return None
        numbers = [self._tokens[at].number]
        signs: list[str] = []
        end = at + 1
        while len(numbers) < 3 and end + 1 < len(self._tokens):
            sign, following = self._tokens[end], self._tokens[end + 1]
            spaced = sign.text == "." and self._words.day_first
            tight = touch(self._tokens, end - 1) and (touch(self._tokens, end) or spaced)
            if sign.text not in "./-" or not tight or following.number is None:
                break
            signs.append(sign.text)
            numbers.append(following.number)
            end += 2
        match numbers, "".join(signs):
            case [int(year), int(month), int(day)], "--" | "//" | "..":
                if len(self._tokens[at].text) != 4:
                    span = self._of_numbers(at, end, signs[0])
                else:
                    span = self._pieces.day(year, month, day)
                return Atom(end=end, span=span) if span else None
            case [int(year), int(month)], "-" | "/" if (
                len(self._tokens[at].text) == 4 and len(self._tokens[end - 1].text) == 2 and 0 < month < 13
            ):
                return Atom(end=end, span=months_from(year, month)) if self._pieces.is_a_year(year) else None
            case [int(day), int(month)], ".":
                closed = end < len(self._tokens) and self._tokens[end].text == "."
                if not self._words.day_first or not closed or not touch(self._tokens, end - 1):
                    return None
                return self._of_month(day, month, end + 1)
        return None

    def _of_numbers(self, at: int, end: int, sign: str) -> Span | None:
        """Day and month in the order of the language, or in the only one that is a date, and a year."""
        one, two, year = (self._tokens[place].number or 0 for place in (at, at + 2, at + 4))
        if len(self._tokens[end - 1].text) == 2:
            year += 2000 if year <= self._today.year % 100 else 1900
        elif len(self._tokens[end - 1].text) != 4:
            return None
        day_first = sign == "." or self._words.day_first
        span = self._pieces.day(year, two, one) if day_first else self._pieces.day(year, one, two)
        if span or sign == ".":
            return span
        return self._pieces.day(year, one, two) if day_first else self._pieces.day(year, two, one)

    def _weekday(self, at: int) -> Atom | None:
        words = self._words
        if every := words.every_weekday.at(self._tokens.run(at)):
            return Atom(end=every[0], weekdays=every[1])
        if weekend := words.weekend.at(self._tokens.run(at)):
            return Atom(end=weekend[0], span=self._weekend(over=False), doubt=IN_CONTEXT)
        if (number := self._pieces.weekday_number(at)) is None:
            return None
        end = at + 1
        # Sunday, 3 June 2024 needs no weekday.
        following = end + 1 if self._tokens.sign(end, ",.") else end
        for read in (self.day_and_month, self.numeric):
            dated = read(self._pieces.over_articles(following))
            if dated:
                return dated
        span = days(self._today - timedelta(days=(self._today.isoweekday() - number) % 7))
        folded = self._tokens[at].folded
        hours = next(
            (
                hours
                for name, hours in words.hours_of_a_day.items()
                if folded == self._pieces.weekday_name(at) + name
            ),
            (),
        )
        doubt = CERTAIN if hours or self._tokens.look_up(end, words.hours_of_a_day) else IN_CONTEXT
        if doubt and words.numbers.get(self._tokens[at - 1].folded if at else "") == 1:
            return Atom(end=end, weekdays=(number,), doubt=doubt)  # on a Sunday
        return Atom(end=end, span=span, hours=hours, doubt=doubt, weekly=True)

    def _weekend(self, *, over: bool) -> Span:
        """The latest weekend that has begun, or of those the latest that is over."""
        saturday = self._today - timedelta(days=(self._today.isoweekday() - 6) % 7)
        if over and saturday + timedelta(days=2) > self._today:
            saturday -= timedelta(days=7)
        return days(saturday, 2)

    def day_and_month(self, at: int) -> Atom | None:
        """3 June 2024, the 3rd of June, June 3, 2024, 3. Juni, June 3-5."""
        words = self._words
        start = self._pieces.over_articles(at)
        if day := self._pieces.day_number(start):
            month_at = day[1] + 1 if self._tokens.among(day[1], words.of_dates) else day[1]
            if words.nouns_stand_apart and month_at == day[1] and self._tokens.among(start, words.ordinals):
                return None  # the second may be
            month = self._pieces.month_number(month_at, short=True)
            return self._of_month(day[0], month[0], month[1]) if month else None
        month = self._pieces.month_number(at, short=True)
        if not month or words.day_first:
            return None
        day = self._pieces.day_number(self._pieces.over_articles(month[1]))
        if not day:
            return None
        goes_on = self._pieces.over_range_word(day[1], opened=None)
        last = self._pieces.day_number(goes_on) if goes_on else None
        if not last or self._pieces.month_number(last[1], short=True) or last[0] < day[0]:
            return self._of_month(day[0], month[0], day[1])
        whole = self._of_month(last[0], month[0], last[1])
        return whole.from_day(day[0]) if whole else None

    def _of_month(self, day: int, month: int, end: int) -> Atom | None:
        """A day of a month, and of the year that follows; of the latest year if none does."""

        def in_year(year: int) -> Span | None:
            return self._pieces.day(year, month, day)

        if not self._pieces.day(2000, month, day):
            return None
        if year := self._year_after(end):
            span = in_year(year[0])
            return Atom(end=year[1], span=span) if span else None
        return Atom(end=end, yearly=in_year)

    def month(self, at: int, *, short: bool = False) -> Atom | None:
        month = self._pieces.month_number(at, short=True)
        if not month:
            return None
        number, end = month
        if year := self._year_after(end):
            return Atom(end=year[1], span=months_from(year[0], number))
        if not short and not self._pieces.month_number(at, short=False):
            return None
        doubt = IN_CONTEXT if self._tokens.among(at, self._words.doubtful) else CERTAIN
        return Atom(end=end, yearly=lambda year: months_from(year, number), months=(number,), doubt=doubt)

    def _season(self, at: int) -> Atom | None:
        season = self._tokens.look_up(at, self._words.seasons)
        if not season:
            return None
        months = season_months(season, self._hemisphere)
        if year := self._year_after(at + 1):
            return Atom(end=self._pieces.over_second_year(*year), span=months_from(year[0], months[0], 3))
        return Atom(
            end=at + 1,
            yearly=lambda year: months_from(year, months[0], 3),
            months=months,
            doubt=IN_CONTEXT,
        )

    def _holiday(self, at: int) -> Atom | None:
        phrase = self._words.holidays.at(self._tokens.run(at))
        if not phrase:
            return None
        end, yearly = phrase[0], HOLIDAYS[phrase[1]]
        if year := self._year_after(end):
            span = yearly(year[0])
            return Atom(end=self._pieces.over_second_year(*year), span=span) if span else None
        return Atom(end=end, yearly=yearly, doubt=AT_AN_END)

    def _decade(self, at: int) -> Atom | None:
        """90s, '90s, 1990s, the nineties, 90er Jahre."""
        words = self._words
        start = at + 1 if at < len(self._tokens) and self._tokens[at].text in APOSTROPHES else at
        if start >= len(self._tokens):
            return None
        token = self._tokens[start]
        end = start + 1
        decade = words.decades.get(token.folded)
        digits = token.folded.rstrip("abcdefghijklmnopqrstuvwxyz")
        if decade is not None:
            led = self._tokens.among(start - 1, words.articles | words.in_dates)
            before = start - 2 if self._tokens.sign(start - 1, HYPHENS) else start - 1
            thirds = before >= 0 and words.thirds.at(self._tokens.run(before))
            if (
                not led
                and not thirds
                and not self._tokens.among(end, words.years)
                and not token.folded.endswith("jahre")
            ):
                return None
        elif digits != token.folded and token.folded[len(digits) :] in words.decade_endings:
            decade = _decade_number(digits)
        elif token.number is not None and self._follows_tightly(start, words.decade_endings):
            decade, end = _decade_number(token.text), start + 3
        if decade is None:
            return None
        if decade < 100:
            decade += 2000 if decade <= self._today.year % 100 else 1900
        if not self._pieces.is_a_year(decade):
            return None
        end = end + 1 if self._tokens.sign(end, "-") and self._tokens.among(end + 1, words.years) else end
        end = end + 1 if self._tokens.among(end, words.years) else end
        return Atom(end=end, span=(date(decade, 1, 1), date(decade + 10, 1, 1)))

    def _quarter(self, at: int) -> Atom | None:
        token = self._tokens[at]
        if token.folded not in self._words.quarters or not (year := self._year_after(at + 1)):
            return None
        return Atom(end=year[1], span=months_from(year[0], 3 * int(token.folded[1]) - 2, 3))

    def _year(self, at: int) -> Atom | None:
        words = self._words
        named = self._tokens.among(self._pieces.over_articles(at), words.years)
        year_at = self._pieces.over_articles(at) + 1 if named else at
        year = self._pieces.year_number(year_at)
        if year is None and self._tokens.among(at - 1, words.in_dates | words.of_dates):
            short = self._pieces.short_year(at)
            return Atom(end=short[1], span=months_from(short[0], 1, 12)) if short else None
        if year is None:
            return None
        if not named and (
            self._tokens.among(year_at + 1, words.measures) or self._is_part_of_a_number(year_at)
        ):
            return None
        # 2000 people is a number, and 2019 dogs is a year and a word.
        is_round = year % 100 == 0 and not self._tokens.among(at - 1, words.in_dates)
        if not named and is_round and words.things.at(self._tokens.run(year_at + 1)):
            return None
        span = months_from(year, 1, 12)
        following = year_at + 1
        if self._tokens.sign(following, "/") and touch(self._tokens, following):
            second = self._pieces.over_second_year(year, following)
            if second > following:
                return Atom(end=second, span=(span[0], date(year + 2, 1, 1)))
        return Atom(end=following, span=span)

    def _hours(self, at: int) -> Atom | None:
        phrase = self._words.hours.at(self._tokens.run(at))
        return Atom(end=phrase[0], hours=phrase[1], doubt=AT_AN_END) if phrase else None

    def _with_hours(self, atom: Atom) -> Atom:
        """The date with the time of day that follows: yesterday morning."""
        if atom.hours or not atom.span or atom.span[1] - atom.span[0] > timedelta(days=7):
            return atom
        hours = self._tokens.look_up(atom.end, self._words.hours_of_a_day)
        return replace(atom, end=atom.end + 1, hours=hours) if hours else atom

    def _year_after(self, at: int) -> tuple[int, int] | None:
        """The year that stands here, in figures or as this or last year, and where it ends."""
        words = self._words
        for _ in range(3):
            if self._tokens.among(at, words.of_dates) or self._tokens.sign(at, ",."):
                at += 1
        if self._tokens.among(at, words.years):
            at += 1
        if (year := self._pieces.year_number(at)) is not None:
            return year, at + 1
        if short := self._pieces.short_year(at):
            return short
        for read in (self._this_or_last, self.ago):
            atom = read(at)
            if atom and atom.span and atom.span == period(atom.span[0], "year"):
                return atom.span[0].year, atom.end
        return None

    def _is_part_of_a_number(self, at: int) -> bool:
        """Whether the figures are more than a year: $2000, 2000.50, No. 2019."""
        before, after = at - 1, at + 1
        if before >= 0 and touch(self._tokens, before) and self._tokens[before].text in "#$\u20ac\u00a3.:/":
            return True
        return (
            after + 1 < len(self._tokens)
            and touch(self._tokens, at)
            and (
                self._tokens[after].text in "$\u20ac\u00a3%"
                or (
                    self._tokens[after].text in ".:,"
                    and touch(self._tokens, after)
                    and self._tokens[after + 1].number is not None
                )
            )
        )

    def _follows_tightly(self, at: int, endings: frozenset[str]) -> bool:
        return (
            touch(self._tokens, at)
            and touch(self._tokens, at + 1)
            and self._tokens[at + 1].text in APOSTROPHES
            and self._tokens[at + 2].folded in endings
        )


def _decade_number(digits: str) -> int | None:
    if len(digits) not in {2, 4} or not (digits.isascii() and digits.isdigit()) or digits[-1] != "0":
        return None
    return int(digits)
