"""Dates in words: what days, or what months, weekdays and hours of any year.

What comes every year and is asked for without a year is read in three ways. A bare month or season means that
of every year (in July, in summer). A holiday or a day of a month is the latest that has begun (Christmas,
3 June). After a word like last it is the latest that is over: last summer, in July 2025, is that of 2024.

A winter has the year that it begins in, and weeks begin on Monday. The last week, month and year are those of
the calendar, and so are those some weeks, months or years ago; the last 2 weeks are the 14 days before today,
and today. Days that `and` joins (2019 and 2021) are the stretch that holds them all.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Final

from models.search.atoms import AT_AN_END, CERTAIN, IN_CONTEXT, Atom, Atoms
from models.search.languages.language import Language
from models.search.pieces import Pieces
from models.search.query import DatePart
from models.search.spans import Hemisphere, Span, days, earliest, latest, months_between, shifted
from models.search.words import Line, joins

_MOST_JOINED: Final = 12
"""Dates that `and` joins to one."""


class Dates:
    """Reads dates and ranges of dates at places of a text's tokens, in one language."""

    def __init__(
        self,
        found: Line,
        language: Language,
        *,
        today: date,
        hemisphere: Hemisphere,
        nouns_stand_apart: bool,
    ) -> None:
        """All days are those of the zone in which it is `today`.

        With `nouns_stand_apart` the text may be in a language in which a word before a noun says of what kind
        it is, so that it is no date.
        """
        self._nouns_stand_apart = nouns_stand_apart
        self._tokens = found
        self._words = language
        self._today = today
        self._pieces = Pieces(found, language, today)
        self._atoms = Atoms(found, language, today=today, hemisphere=hemisphere)

    def at(self, at: int, *, alone: int) -> tuple[int, DatePart] | None:
        """The longest date that begins with this token, and where it ends.

        `alone` is where a date must end so that nothing else is asked for, or -1.
        """
        for operator in (self._beside, self._limit_ago, self._since, self._until, self._before, self._after):
            if found := operator(at):
                return found
        if ranged := self._range(at):
            return self._listed(at, ranged)
        atom = self._atoms.at(at)
        if not atom:
            return None
        if opened := self._opened(at, atom):
            return opened
        listed = self._listed(at, atom)
        if atom.doubt == CERTAIN or alone == listed[0]:
            return listed
        if self._nouns_stand_apart and not self.ends_a_phrase(listed[0]):
            return None
        return listed if atom.doubt == AT_AN_END or self.is_led_to(at) else None

    def is_led_to(self, at: int) -> bool:
        """Whether the words before this token make a date of it."""
        before = at - 1
        if self._tokens.among(before, self._words.articles):
            before -= 1
        return self._tokens.among(before, self._words.in_dates)

    def ends_a_phrase(self, at: int) -> bool:
        """Whether no noun stands here that what is before it could belong to."""
        if at >= len(self._tokens):
            return True
        token = self._tokens[at]
        if joins(self._tokens, at):
            return False
        if not token.word or token.number is not None:
            return True
        if token.folded in self._words.leading or token.folded in self._words.pronouns:
            return True
        atom = self._atoms.at(at)
        return atom is not None and atom.doubt != IN_CONTEXT

    def _opened(self, at: int, atom: Atom) -> tuple[int, DatePart] | None:
        """2020 or earlier, 2020 and later."""
        run = self._tokens.run(atom.end)
        if earlier := self._words.or_earlier.at(run):
            return self._bounded(at, earlier[0], before=self._alone(atom)[1])
        if later := self._words.or_later.at(run):
            return self._bounded(at, later[0], since=self._alone(atom)[0])
        return None

    def _beside(self, at: int) -> tuple[int, DatePart] | None:
        """The day after Christmas, two days before Easter 2020, the week before New Year."""
        start = self._pieces.over_articles(at)
        length = self._pieces.length(at) or self._pieces.length(start, bare=True)
        if not length or length[0] != length[1]:
            return None
        count, _, unit, end = length
        run = self._tokens.run(end)
        is_after = self._words.after.at(run)
        beside = is_after or self._words.before.at(run)
        atom = self._operand(beside[0]) if beside else None
        if not atom or (count > 1 and unit != "day"):
            return None
        first, before = self._alone(atom)
        edge = before if is_after else first
        if unit == "day":
            span = days(edge + timedelta(days=count - 1 if is_after else -count))
        elif is_after:
            span = (edge, shifted(edge, unit, -1) or edge)
        else:
            span = (shifted(edge, unit, 1) or edge, edge)
        return self._bounded(at, atom.end, since=span[0], before=span[1])

    def _since(self, at: int) -> tuple[int, DatePart] | None:
        phrase = self._words.since.at(self._tokens.run(at))
        if phrase and (back := self._back(phrase[0])):
            return self._bounded(at, back[1], since=back[0])
        if phrase and (atom := self._operand(phrase[0])):
            return self._bounded(at, atom.end, since=self._alone(atom)[0])
        opened = self._words.range_opens.at(self._tokens.run(at))
        if opened and (atom := self._operand(opened[0], goes_on=True)):
            # `from 2020` and `von 2020` are in 2020, unless they go on; and on Sunday is another date.
            goes_on = self._words.onwards.at(self._tokens.run(atom.end))
            if goes_on and not self._pieces.weekday_name(goes_on[0]):
                return self._bounded(at, goes_on[0], since=self._alone(atom)[0])
        return None

    def _until(self, at: int) -> tuple[int, DatePart] | None:
        phrase = self._words.until.at(self._tokens.run(at))
        if phrase and (atom := self._operand(phrase[0])):
            return self._bounded(at, atom.end, before=self._alone(atom)[1])
        return None

    def _before(self, at: int) -> tuple[int, DatePart] | None:
        phrase = self._words.before.at(self._tokens.run(at))
        if phrase and not self._atoms.ago(at) and (back := self._back(phrase[0])):
            return self._bounded(at, back[1], before=back[0])
        if phrase and not self._atoms.ago(at) and (atom := self._operand(phrase[0])):
            return self._bounded(at, atom.end, before=self._alone(atom)[0])
        return None

    def _after(self, at: int) -> tuple[int, DatePart] | None:
        phrase = self._words.after.at(self._tokens.run(at))
        if phrase and (atom := self._operand(phrase[0])):
            return self._bounded(at, atom.end, since=self._alone(atom)[1])
        return None

    def _limit_ago(self, at: int) -> tuple[int, DatePart] | None:
        """More than 2 years ago, less than a week ago, vor mehr als zwei Jahren."""
        limit_at = at + 1 if self._tokens.among(at, self._words.ago_before) else at
        more = self._words.at_least.at(self._tokens.run(limit_at))
        limit = more or self._words.at_most.at(self._tokens.run(limit_at))
        length = self._pieces.length(limit[0]) if limit else None
        if not length or not (limit_at > at or self._tokens.among(length[3], self._words.ago)):
            return None
        end = length[3] if limit_at > at else length[3] + 1
        edge = shifted(self._today, length[2], length[0])
        if not edge:
            return None
        return self._bounded(at, end, before=edge) if more else self._bounded(at, end, since=edge)

    def _back(self, at: int) -> tuple[date, int] | None:
        """The day that a length of time is back: since 3 weeks, older than 2 years."""
        length = self._pieces.length(at)
        day = shifted(self._today, length[2], length[0]) if length else None
        return (day, length[3]) if day and length else None

    def _operand(self, at: int, *, goes_on: bool = False) -> Atom | None:
        """The date that a range can begin or end with, and no word before a noun: after Christmas dinner."""
        atom = self._atoms.at(self._pieces.over_articles(at))
        if not atom or not (atom.span or atom.yearly):
            return None
        is_doubtful = atom.doubt and self._nouns_stand_apart and not goes_on
        return None if is_doubtful and not self.ends_a_phrase(atom.end) else atom

    def _bounded(
        self, at: int, end: int, *, since: date | None = None, before: date | None = None
    ) -> tuple[int, DatePart]:
        return end, self._part(at, end, since=since, before=before)

    def _range(self, at: int) -> Atom | None:
        """Two dates, of which the first takes its month and its year from the second if it has none."""
        opened = self._words.range_opens.at(self._tokens.run(at))
        first_at = self._pieces.over_articles(opened[0]) if opened else at
        day = self._pieces.day_number(first_at)
        if day and (goes_on := self._pieces.over_range_word(day[1], opened=opened)):
            last_at = self._pieces.over_articles(goes_on)
            last = self._atoms.day_and_month(last_at) or self._atoms.numeric(last_at)
            if last and (whole := last.from_day(day[0])):
                return whole
        first = self._operand(first_at, goes_on=True) or self._atoms.month(first_at, short=True)
        goes_on = self._pieces.over_range_word(first.end, opened=opened) if first else None
        last = self._operand(goes_on) if goes_on else None
        if not first or not last or first.hours or last.hours:
            return None
        return self._joined(first, last)

    def _joined(self, first: Atom, last: Atom) -> Atom | None:
        if first.months and last.months and not first.span and not last.span:
            return Atom(end=last.end, months=months_between(first.months[0], last.months[-1]))
        if first.span and not last.span:
            ends = earliest(last.yearly, first.span[0])
            return Atom(end=last.end, span=(first.span[0], ends[1])) if ends else None
        until = self._alone(last)
        since = first.span or latest(first.yearly, until[0])
        if since is None:
            return None
        if since[0] > until[0] and first.weekly:
            since = (since[0] - timedelta(days=7), since[1] - timedelta(days=7))
        return Atom(end=last.end, span=(min(since[0], until[0]), max(since[1], until[1])))

    def _listed(self, at: int, atom: Atom) -> tuple[int, DatePart]:
        """The date and those that and joins to it; of days the stretch that holds them all."""
        for _ in range(_MOST_JOINED):
            following = atom.end
            if not self._tokens.among(following, self._words.joining) and not self._tokens.sign(
                following, ",&"
            ):
                break
            following = self._pieces.over_articles(following + 1)
            if self._tokens.among(following, self._words.in_dates):
                following = self._pieces.over_articles(following + 1)
            other = self._atoms.at(following)
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
        return atom.span or latest(atom.yearly, self._today) or days(self._today)
