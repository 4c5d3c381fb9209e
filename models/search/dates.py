"""Dates in words: what days, or what months, weekdays and hours of any year.

What comes every year and is asked for without a year is read in three ways. A bare month or season means that
of every year (in July, in summer). A holiday or a day of a month is the latest that has begun (Christmas,
3 June). After a word like last it is the latest that is over: last summer, in July 2025, is that of 2024.

A winter has the year that it begins in, and weeks begin on Monday. The last week, month and year are those of
the calendar, and so are those some weeks, months or years ago; the last 2 weeks are the 14 days before today,
and today. Days that `and` joins (2019 and 2021) are the stretch that holds them all.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final, TypeVar

from models.search.holidays import HOLIDAYS, Hemisphere, Span, Yearly, days, months_from, season_months
from models.search.languages.language import Language
from models.search.query import DatePart
from models.search.words import APOSTROPHES, HYPHENS, Line, joins, touch

T = TypeVar("T")

_FIRST_YEAR: Final = 1826  # of the oldest photograph that is left
_MOST: Final = {"day": 40_000, "week": 5_000, "month": 1_200, "year": 150, "decade": 15}
"""Further back, a length of time is no date."""
_YEARS_BETWEEN: Final = 9  # 29 February comes again after 8 years at most, and with the present one that is 9
_MOST_JOINED: Final = 12
"""Dates that `and` joins to one."""
_CERTAIN, _AT_AN_END, _IN_CONTEXT = 0, 1, 2
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
    doubt: int = _CERTAIN
    weekly: bool = False


class Dates:
    """Reads dates at places of a text's tokens, in one language."""

    def __init__(self, found: Line, language: Language, *, today: date, hemisphere: Hemisphere) -> None:
        """All days are those of the zone in which it is `today`."""
        self._tokens = found
        self._words = language
        self._today = today
        self._hemisphere = hemisphere

    def at(self, at: int, *, alone: int) -> tuple[int, DatePart] | None:
        """The longest date that begins with this token, and where it ends.

        `alone` is where a date must end so that nothing else is asked for, or -1.
        """
        words = self._words
        for operator in (self._since, self._until, self._before, self._after):
            if found := operator(at):
                return found
        if ranged := self._range(at):
            return self._listed(at, ranged)
        atom = self._atom(at)
        if not atom:
            return None
        listed = self._listed(at, atom)
        if atom.doubt == _CERTAIN or alone == listed[0]:
            return listed
        if words.nouns_stand_apart and not self.ends_a_phrase(listed[0]):
            return None
        return listed if atom.doubt == _AT_AN_END or self._is_in_context(at) else None

    def is_led_to(self, at: int) -> bool:
        """Whether the words before this token make a date of it."""
        return self._is_in_context(at)

    # Ranges

    def _since(self, at: int) -> tuple[int, DatePart] | None:
        phrase = self._words.since.at(self._tokens.run(at))
        if phrase and (atom := self._operand(phrase[0])):
            return self._bounded(at, atom.end, since=self._alone(atom)[0])
        opened = self._words.range_opens.at(self._tokens.run(at))
        if opened and (atom := self._operand(opened[0])):
            # `from 2020` and `von 2020` are in 2020, unless they go on; and on Sunday is another date.
            goes_on = self._words.onwards.at(self._tokens.run(atom.end))
            if goes_on and not self._weekday_name(goes_on[0]):
                return self._bounded(at, goes_on[0], since=self._alone(atom)[0])
        return None

    def _until(self, at: int) -> tuple[int, DatePart] | None:
        phrase = self._words.until.at(self._tokens.run(at))
        if phrase and (atom := self._operand(phrase[0])):
            return self._bounded(at, atom.end, before=self._alone(atom)[1])
        return None

    def _before(self, at: int) -> tuple[int, DatePart] | None:
        phrase = self._words.before.at(self._tokens.run(at))
        if phrase and not self._ago(at) and (atom := self._operand(phrase[0])):
            return self._bounded(at, atom.end, before=self._alone(atom)[0])
        return None

    def _after(self, at: int) -> tuple[int, DatePart] | None:
        phrase = self._words.after.at(self._tokens.run(at))
        if phrase and (atom := self._operand(phrase[0])):
            return self._bounded(at, atom.end, since=self._alone(atom)[1])
        return None

    def _operand(self, at: int) -> Atom | None:
        """The date that a range can begin or end with."""
        atom = self._atom(self._over_articles(at))
        return atom if atom and (atom.span or atom.yearly) else None

    def _bounded(
        self, at: int, end: int, *, since: date | None = None, before: date | None = None
    ) -> tuple[int, DatePart]:
        return end, self._part(at, end, since=since, before=before)

    def _range(self, at: int) -> Atom | None:
        """Two dates, of which the first takes its month and its year from the second if it has none."""
        opened = self._words.range_opens.at(self._tokens.run(at))
        first_at = self._over_articles(opened[0]) if opened else at
        day = self._day_number(first_at)
        if day and (goes_on := self._over_range_word(day[1], opened=opened)):
            last = self._day_and_month(self._over_articles(goes_on))
            if last and (whole := _from_day(day[0], last)):
                return whole
        first = self._operand(first_at)
        goes_on = self._over_range_word(first.end, opened=opened) if first else None
        last = self._operand(goes_on) if goes_on else None
        if not first or not last or first.hours or last.hours:
            return None
        return self._joined(first, last)

    def _joined(self, first: Atom, last: Atom) -> Atom | None:
        if first.months and last.months and not first.span and not last.span:
            return Atom(end=last.end, months=_months_between(first.months[0], last.months[-1]))
        if first.span and not last.span:
            ends = _earliest(last, first.span[0])
            return Atom(end=last.end, span=(first.span[0], ends[1])) if ends else None
        until = self._alone(last)
        since = first.span or _latest(first.yearly, until[0])
        if since is None:
            return None
        if since[0] > until[0] and first.weekly:
            since = (since[0] - timedelta(days=7), since[1] - timedelta(days=7))
        return Atom(end=last.end, span=(min(since[0], until[0]), max(since[1], until[1])))

    def _listed(self, at: int, atom: Atom) -> tuple[int, DatePart]:
        """The date and those that and joins to it; of days the stretch that holds them all."""
        for _ in range(_MOST_JOINED):
            following = atom.end
            if not self._is(following, self._words.joining) and not self._punctuation(following, ",&"):
                break
            following = self._over_articles(following + 1)
            if self._is(following, self._words.in_dates):
                following = self._over_articles(following + 1)
            other = self._atom(following)
            if not other or other.hours or atom.hours:
                break
            if other.doubt and not self.ends_a_phrase(other.end):
                break
            if atom.months and other.months:
                months = (*atom.months, *(month for month in other.months if month not in atom.months))
                atom = replace(atom, end=other.end, months=months, span=None)
            elif atom.weekdays and other.weekdays:
                atom = replace(atom, end=other.end, weekdays=tuple({*atom.weekdays, *other.weekdays}))
            elif not (atom.months or other.months or atom.weekdays or other.weekdays):
                one, two = self._alone(atom), self._alone(other)
                atom = Atom(end=other.end, span=(min(one[0], two[0]), max(one[1], two[1])))
            else:
                break
        return atom.end, self._written(at, atom)

    def _written(self, at: int, atom: Atom) -> DatePart:
        if (atom.months or atom.weekdays) and not atom.span:
            return self._part(at, atom.end, months=atom.months, weekdays=atom.weekdays, hours=atom.hours)
        if atom.hours and not atom.span and not atom.yearly:
            return self._part(at, atom.end, hours=atom.hours)
        since, before = self._alone(atom)
        return self._part(at, atom.end, since=since, before=before, hours=atom.hours)

    def _part(
        self,
        at: int,
        end: int,
        *,
        since: date | None = None,
        before: date | None = None,
        months: tuple[int, ...] = (),
        weekdays: tuple[int, ...] = (),
        hours: tuple[int, ...] = (),
    ) -> DatePart:
        return DatePart(
            start=self._tokens[at].start,
            end=self._tokens[end - 1].end,
            since=since,
            before=before,
            months=months,
            weekdays=weekdays,
            hours=hours,
        )

    def _alone(self, atom: Atom) -> Span:
        """The days of a date that nothing tells the year of: the latest that have begun."""
        return atom.span or _latest(atom.yearly, self._today) or days(self._today)

    # One date

    def _atom(self, at: int) -> Atom | None:
        if at >= len(self._tokens) or not (self._tokens[at].word or self._tokens[at].text in APOSTROPHES):
            return None
        for read in (
            self._third,
            self._day_before,
            self._this_or_last,
            self._ago,
            self._numeric,
            self._weekday,
            self._day_and_month,
            self._month,
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
        inner_at = self._over_articles(inner_at)
        for read in (self._this_or_last, self._month, self._season, self._decade, self._year):
            if inner := read(inner_at):
                break
        else:
            return None
        which = phrase[1]
        if inner.span:
            return replace(inner, span=_third_of(inner.span, which))
        if len(inner.months) == 3:
            return replace(inner, months=(inner.months[which],), yearly=None, doubt=_CERTAIN)
        yearly = inner.yearly
        if not yearly:
            return None

        def in_year(year: int) -> Span | None:
            span = yearly(year)
            return _third_of(span, which) if span else None

        return replace(inner, yearly=in_year, months=(), doubt=_CERTAIN)

    def _day_before(self, at: int) -> Atom | None:
        phrase = self._words.days.at(self._tokens.run(at))
        if not phrase:
            return None
        back, hours = phrase[1]
        return Atom(end=phrase[0], span=days(self._today - timedelta(days=back)), hours=hours)

    def _this_or_last(self, at: int) -> Atom | None:
        words = self._words
        start = self._over_articles(at) if not self._is(at, words.this) else at
        if before_last := words.before_last.at(self._tokens.run(start)):
            return self._back(before_last[0], 2)
        if self._is(start, words.past) and (length := self._length(start + 1)):
            count, _, unit, end = length
            if end > start + 2 or not self._is(start, words.last):
                first = self._shifted(self._today, unit, count)
                return Atom(end=end, span=(first, self._today + timedelta(days=1))) if first else None
        if self._is(start, words.last):
            return self._back(start + 1, 1)
        if self._is(start, words.this):
            return self._back(start + 1, 0)
        return None

    def _back(self, at: int, count: int) -> Atom | None:
        """What stands here, of now (0), before (1) or before that (2): last month, this summer."""
        words = self._words
        if unit := self._word_in(at, words.units):
            if unit == "day":
                return None
            reference = self._shifted(_period(self._today, unit)[0], unit, count)
            return Atom(end=at + 1, span=_period(reference, unit)) if reference else None
        if (weekend := words.weekend.at(self._tokens.run(at))) and count < 2:
            return Atom(end=weekend[0], span=self._weekend(over=count == 1))
        if number := self._word_in(at, words.weekdays):
            back = (self._today.isoweekday() - number) % 7
            back += 7 * (count if not back else count - 1 if count else 0)
            return Atom(end=at + 1, span=days(self._today - timedelta(days=back)), weekly=True)
        if hours := self._word_in(at, words.hours_of_a_day):
            return Atom(end=at + 1, span=days(self._today), hours=hours) if not count else None
        for read in (self._month, self._season, self._holiday):
            inner = read(at)
            if inner and inner.yearly:
                span = _latest(inner.yearly, self._today, over=count > 0)
                if span and count == 2:
                    span = _latest(inner.yearly, span[0], over=True)
                return replace(inner, span=span, months=(), yearly=None, doubt=_CERTAIN) if span else None
        return None

    def _ago(self, at: int) -> Atom | None:
        """3 days ago, vor drei Tagen: the day, or the week, month or year around it."""
        words = self._words
        if self._is(at, words.ago_before):
            length = self._length(at + 1)
            end = length[3] if length else at
        else:
            length = self._length(at)
            end = length[3] + 1 if length and self._is(length[3], words.ago) else at
        if not length or end == at:
            return None
        most, least, unit, _ = length
        first, last = self._shifted(self._today, unit, most), self._shifted(self._today, unit, least)
        if not first or not last:
            return None
        return Atom(end=end, span=(_period(first, unit)[0], _period(last, unit)[1]))

    def _length(self, at: int) -> tuple[int, int, str, int] | None:
        """A length of time: at most and at least how many, of what, and where it ends."""
        words = self._words
        if couple := words.couple.at(self._tokens.run(at)):
            most, least, after = couple[1], 2, couple[0]
        else:
            number = self._count(at)
            if number is None and self._word_in(at, words.units) is not None:
                most, least, after = 1, 1, at
            elif number is None:
                return None
            else:
                most, least, after = number, number, at + 1
        unit = self._word_in(after, words.units)
        return (most, least, unit, after + 1) if unit and 0 < most <= _MOST[unit] else None

    def _numeric(self, at: int) -> Atom | None:
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
                    span = self._day(year, month, day)
                return Atom(end=end, span=span) if span else None
            case [int(year), int(month)], "-" | "/" if (
                len(self._tokens[at].text) == 4 and len(self._tokens[end - 1].text) == 2 and 0 < month < 13
            ):
                return Atom(end=end, span=months_from(year, month)) if self._is_a_year(year) else None
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
        span = self._day(year, two, one) if day_first else self._day(year, one, two)
        if span or sign == ".":
            return span
        return self._day(year, one, two) if day_first else self._day(year, two, one)

    def _weekday(self, at: int) -> Atom | None:
        words = self._words
        if every := words.every_weekday.at(self._tokens.run(at)):
            return Atom(end=every[0], weekdays=every[1])
        if (weekend := words.weekend.at(self._tokens.run(at))) and not self._tokens[at].number:
            return Atom(end=weekend[0], span=self._weekend(over=False), doubt=_IN_CONTEXT)
        if (number := self._weekday_number(at)) is None:
            return None
        end = at + 1
        # Sunday, 3 June 2024 needs no weekday.
        following = end + 1 if self._punctuation(end, ",.") else end
        for read in (self._day_and_month, self._numeric):
            dated = read(self._over_articles(following))
            if dated:
                return dated
        span = days(self._today - timedelta(days=(self._today.isoweekday() - number) % 7))
        folded = self._tokens[at].folded
        hours = next(
            (
                hours
                for name, hours in words.hours_of_a_day.items()
                if folded == self._weekday_name(at) + name
            ),
            (),
        )
        doubt = _CERTAIN if hours or self._word_in(end, words.hours_of_a_day) else _IN_CONTEXT
        return Atom(end=end, span=span, hours=hours, doubt=doubt, weekly=True)

    def _day_and_month(self, at: int) -> Atom | None:
        """3 June 2024, the 3rd of June, June 3, 2024, 3. Juni, June 3-5."""
        words = self._words
        start = self._over_articles(at)
        if day := self._day_number(start):
            month_at = day[1] + 1 if self._is(day[1], words.of_dates) else day[1]
            if words.nouns_stand_apart and month_at == day[1] and self._is(start, frozenset(words.ordinals)):
                return None  # the second may be
            month = self._month_number(month_at, short=True)
            return self._of_month(day[0], month[0], month[1]) if month else None
        month = self._month_number(at, short=True)
        if not month or words.day_first:
            return None
        day = self._day_number(self._over_articles(month[1]))
        if not day:
            return None
        goes_on = self._over_range_word(day[1], opened=None)
        last = self._day_number(goes_on) if goes_on else None
        if not last or self._month_number(last[1], short=True) or last[0] < day[0]:
            return self._of_month(day[0], month[0], day[1])
        whole = self._of_month(last[0], month[0], last[1])
        return _from_day(day[0], whole) if whole else None

    def _of_month(self, day: int, month: int, end: int) -> Atom | None:
        """A day of a month, and of the year that follows; of the latest year if none does."""

        def in_year(year: int) -> Span | None:
            return self._day(year, month, day)

        if not self._day(2000, month, day):
            return None
        if year := self._year_after(end):
            span = in_year(year[0])
            return Atom(end=year[1], span=span) if span else None
        return Atom(end=end, yearly=in_year)

    def _month(self, at: int) -> Atom | None:
        month = self._month_number(at, short=True)
        if not month:
            return None
        number, end = month
        if year := self._year_after(end):
            return Atom(end=year[1], span=months_from(year[0], number))
        if not self._month_number(at, short=False):
            return None
        doubt = _IN_CONTEXT if self._is(at, self._words.doubtful) else _CERTAIN
        return Atom(end=end, yearly=lambda year: months_from(year, number), months=(number,), doubt=doubt)

    def _season(self, at: int) -> Atom | None:
        season = self._word_in(at, self._words.seasons)
        if not season:
            return None
        months = season_months(season, self._hemisphere)
        if year := self._year_after(at + 1):
            return Atom(end=self._over_second_year(*year), span=months_from(year[0], months[0], 3))
        return Atom(
            end=at + 1,
            yearly=lambda year: months_from(year, months[0], 3),
            months=months,
            doubt=_IN_CONTEXT,
        )

    def _holiday(self, at: int) -> Atom | None:
        phrase = self._words.holidays.at(self._tokens.run(at))
        if not phrase:
            return None
        end, yearly = phrase[0], HOLIDAYS[phrase[1]]
        if year := self._year_after(end):
            span = yearly(year[0])
            return Atom(end=self._over_second_year(*year), span=span) if span else None
        return Atom(end=end, yearly=yearly, doubt=_AT_AN_END)

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
            led = self._is(start - 1, words.articles) or self._is(start - 1, words.in_dates)
            thirds = start > 0 and words.thirds.at(self._tokens.run(start - 1))
            if (
                not led
                and not thirds
                and not self._is(end, words.years)
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
        if not self._is_a_year(decade):
            return None
        end = end + 1 if self._punctuation(end, "-") and self._is(end + 1, words.years) else end
        end = end + 1 if self._is(end, words.years) else end
        return Atom(end=end, span=(date(decade, 1, 1), date(decade + 10, 1, 1)))

    def _quarter(self, at: int) -> Atom | None:
        token = self._tokens[at]
        if token.folded not in self._words.quarters or not (year := self._year_after(at + 1)):
            return None
        return Atom(end=year[1], span=months_from(year[0], 3 * int(token.folded[1]) - 2, 3))

    def _year(self, at: int) -> Atom | None:
        words = self._words
        named = self._is(self._over_articles(at), words.years)
        year_at = self._over_articles(at) + 1 if named else at
        year = self._four_digits(year_at)
        if year is None:
            return None
        if not named and (self._is(year_at + 1, words.measures) or self._is_part_of_a_number(year_at)):
            return None
        is_counted = words.things.at(self._tokens.run(year_at + 1)) is not None
        if not named and is_counted and not self._is(at - 1, words.in_dates) and year % 100 == 0:
            return None
        span = (date(year, 1, 1), date(year + 1, 1, 1))
        following = year_at + 1
        if self._punctuation(following, "/") and touch(self._tokens, following):
            second = self._over_second_year(year, following)
            if second > following:
                return Atom(end=second, span=(span[0], date(year + 2, 1, 1)))
        return Atom(end=following, span=span)

    def _hours(self, at: int) -> Atom | None:
        phrase = self._words.hours.at(self._tokens.run(at))
        return Atom(end=phrase[0], hours=phrase[1], doubt=_AT_AN_END) if phrase else None

    def _with_hours(self, atom: Atom) -> Atom:
        """The date with the time of day that follows: yesterday morning."""
        if atom.hours or not atom.span or atom.span[1] - atom.span[0] > timedelta(days=7):
            return atom
        hours = self._word_in(atom.end, self._words.hours_of_a_day)
        return replace(atom, end=atom.end + 1, hours=hours) if hours else atom

    # Pieces of dates

    def _year_after(self, at: int) -> tuple[int, int] | None:
        """The year that stands here, in figures or as this or last year, and where it ends."""
        words = self._words
        for _ in range(3):
            if self._is(at, words.of_dates) or self._punctuation(at, ",."):
                at += 1
        if self._is(at, words.years):
            at += 1
        if (year := self._four_digits(at)) is not None:
            return year, at + 1
        if at < len(self._tokens) and self._tokens[at].text in APOSTROPHES and touch(self._tokens, at):
            short = self._tokens[at + 1]
            if short.number is not None and len(short.text) == 2:
                return short.number + (2000 if short.number <= self._today.year % 100 + 1 else 1900), at + 2
        for read in (self._this_or_last, self._ago):
            atom = read(at)
            if atom and atom.span and atom.span == _period(atom.span[0], "year"):
                return atom.span[0].year, atom.end
        return None

    def _over_second_year(self, year: int, at: int) -> int:
        """Where winter 2019/20 ends."""
        if at + 1 < len(self._tokens) and self._tokens[at].text in {"/", "-", "\u2013"}:
            second = self._tokens[at + 1].number
            if second is not None and second in {year + 1, (year + 1) % 100} and touch(self._tokens, at - 1):
                return at + 2
        return at

    def _four_digits(self, at: int) -> int | None:
        if at >= len(self._tokens) or len(self._tokens[at].text) != 4:
            return None
        number = self._tokens[at].number
        return number if number is not None and self._is_a_year(number) else None

    def _is_a_year(self, year: int) -> bool:
        return _FIRST_YEAR <= year <= self._today.year + 1

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

    def _day(self, year: int, month: int, day: int) -> Span | None:
        if (
            not self._is_a_year(year)
            or not 0 < month < 13
            or not 0 < day <= calendar.monthrange(year, month)[1]
        ):
            return None
        return days(date(year, month, day))

    def _day_number(self, at: int) -> tuple[int, int] | None:
        """A day of the month and where it ends: 3, 3rd, 3., third."""
        if at >= len(self._tokens):
            return None
        token = self._tokens[at]
        end = at + 1
        digits = token.folded.rstrip("abcdefghijklmnopqrstuvwxyz")
        number = self._words.ordinals.get(token.folded)
        if number is None and token.number is not None and len(token.text) <= 2:
            number = token.number
            end += self._punctuation(end, ".") and touch(self._tokens, at)
        elif (
            number is None
            and 0 < len(digits) < 3
            and token.folded[len(digits) :] in self._words.ordinal_endings
        ):
            number = int(digits) if digits.isascii() and digits.isdigit() else None
        return (number, end) if number is not None and 0 < number < 32 else None

    def _month_number(self, at: int, *, short: bool) -> tuple[int, int] | None:
        if number := self._word_in(at, self._words.months):
            return number, at + 1
        if short and (number := self._word_in(at, self._words.short_months)):
            return number, at + 1 + (self._punctuation(at + 1, ".") and touch(self._tokens, at))
        return None

    def _weekday_number(self, at: int) -> int | None:
        name = self._weekday_name(at)
        return self._words.weekdays[name] if name else None

    def _weekday_name(self, at: int) -> str:
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

    def _weekend(self, *, over: bool) -> Span:
        """The latest weekend that has begun, or of those the latest that is over."""
        saturday = self._today - timedelta(days=(self._today.isoweekday() - 6) % 7)
        if over and saturday + timedelta(days=2) > self._today:
            saturday -= timedelta(days=7)
        return days(saturday, 2)

    def _count(self, at: int) -> int | None:
        if at >= len(self._tokens):
            return None
        token = self._tokens[at]
        return token.number if token.number is not None else self._words.numbers.get(token.folded)

    def _shifted(self, day: date, unit: str, back: int) -> date | None:
        """The day so many units before; the last of the month if there is none of that number."""
        if back > _MOST[unit]:
            return None
        match unit:
            case "day" | "week":
                return day - timedelta(days=back * (7 if unit == "week" else 1))
            case "month":
                year, month = divmod(day.year * 12 + day.month - 1 - back, 12)
            case "year" | "decade":
                year, month = day.year - back * (10 if unit == "decade" else 1), day.month - 1
        return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))

    def _over_range_word(self, at: int, *, opened: tuple[int, bool] | None) -> int | None:
        """Where the end of a range begins; an `and` leads to it after between only."""
        if opened and opened[1]:
            return at + 1 if self._is(at, self._words.joining) else None
        if at < len(self._tokens) and self._tokens[at].text in HYPHENS:
            return at + 1
        phrase = self._words.range_goes_on.at(self._tokens.run(at))
        return phrase[0] if phrase else None

    def _over_articles(self, at: int) -> int:
        return at + 1 if self._is(at, self._words.articles) else at

    # What stands around

    def _is_in_context(self, at: int) -> bool:
        before = at - 1
        if self._is(before, self._words.articles):
            before -= 1
        return self._is(before, self._words.in_dates)

    def ends_a_phrase(self, at: int) -> bool:
        """Whether no noun stands here that what is before it could belong to."""
        if at >= len(self._tokens):
            return True
        token = self._tokens[at]
        if joins(self._tokens, at):
            return False
        words = self._words
        return (
            not token.word
            or token.number is not None
            or token.folded in words.leading
            or token.folded in words.pronouns
            or words.days.at(self._tokens.run(at)) is not None
            or token.folded in words.months
        )

    def _is(self, at: int, listed: frozenset[str]) -> bool:
        return 0 <= at < len(self._tokens) and self._tokens[at].folded in listed

    def _token_is(self, at: int, folded: str) -> bool:
        return 0 <= at < len(self._tokens) and self._tokens[at].folded == folded

    def _punctuation(self, at: int, signs: str) -> bool:
        return 0 <= at < len(self._tokens) and self._tokens[at].text in signs

    def _word_in(self, at: int, table: dict[str, T]) -> T | None:
        return table.get(self._tokens[at].folded) if 0 <= at < len(self._tokens) else None

    def _follows_tightly(self, at: int, endings: frozenset[str]) -> bool:
        return (
            touch(self._tokens, at)
            and touch(self._tokens, at + 1)
            and self._tokens[at + 1].text in APOSTROPHES
            and self._tokens[at + 2].folded in endings
        )


def _period(day: date, unit: str) -> Span:
    """The day, week, month, year or decade of the calendar that the day is in."""
    match unit:
        case "week":
            return days(day - timedelta(days=day.weekday()), 7)
        case "month":
            return months_from(day.year, day.month)
        case "year":
            return date(day.year, 1, 1), date(day.year + 1, 1, 1)
        case "decade":
            first = day.year // 10 * 10
            return date(first, 1, 1), date(first + 10, 1, 1)
    return days(day)


def _third_of(span: Span, which: int) -> Span:
    """The first, second or last third, of whole months or years if it has 3 of them at least."""
    since, before = span
    months = (before.year - since.year) * 12 + before.month - since.month
    if months >= 3:
        edges = [round(months * part / 3) for part in range(4)]
        first, last = edges[which], edges[which + 1]
        start = months_from(since.year, since.month, first)[1] if first else since
        return start, months_from(since.year, since.month, last)[1]
    lengths = (0, 10, 20, (before - since).days)
    return since + timedelta(days=lengths[which]), since + timedelta(days=lengths[which + 1])


def _latest(yearly: Yearly | None, today: date, *, over: bool = False) -> Span | None:
    """The latest that has begun, or that is over, by a day."""
    for year in range(today.year + 1, today.year - _YEARS_BETWEEN, -1) if yearly else ():
        span = yearly(year) if yearly else None
        if span and (span[1] <= today if over else span[0] <= today):
            return span
    return None


def _earliest(atom: Atom, since: date) -> Span | None:
    """The first of something yearly that begins on this day or later."""
    for year in range(since.year - 1, since.year + _YEARS_BETWEEN):
        span = atom.yearly(year) if atom.yearly else None
        if span and span[0] >= since:
            return span
    return None


def _from_day(day: int, last: Atom) -> Atom | None:
    """From a day of the month in which `last` is, to that day."""
    yearly = last.yearly
    if last.span and day <= last.span[0].day:
        return replace(last, span=(last.span[0].replace(day=day), last.span[1]))
    if not yearly:
        return None

    def in_year(year: int) -> Span | None:
        span = yearly(year)
        return (span[0].replace(day=day), span[1]) if span and day <= span[0].day else None

    return replace(last, yearly=in_year)


def _months_between(first: int, last: int) -> tuple[int, ...]:
    count = (last - first) % 12 + 1
    return tuple((first - 1 + step) % 12 + 1 for step in range(count))


def _decade_number(digits: str) -> int | None:
    if len(digits) not in {2, 4} or not (digits.isascii() and digits.isdigit()) or digits[-1] != "0":
        return None
    return int(digits)
