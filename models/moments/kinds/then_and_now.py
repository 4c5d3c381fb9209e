"""Somebody on this day years ago, beside somebody lately."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

from models.moments import clock
from models.moments.scene import Scene, Story

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

LEAST_YEARS: Final = 3
MOST: Final = 3
LATELY_DAYS: Final = 365
_YEAR: Final = 365.25


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    person: int
    name: str
    then: int
    now: int
    years: int
    size: float
    """Of the smaller face, which says how good the pair is."""


def then_and_now(scene: Scene) -> list[Story]:
    """The three people with the largest faces, of those seen on this day three years ago or earlier.

    They are found whether or not there is another moment of them; which of two moments of the same photos
    is told is decided where all are compared.
    """
    import numpy as np

    if not len(scene.library.days):
        return []
    since = clock.day_of(scene.library.days.min())
    days = {clock.day_number(day) for _, day in clock.anniversaries(scene.today, since)}
    if (scene.today.month, scene.today.day) == (2, 28):
        days |= {day + 1 for day in days if clock.day_of(day + 1).day == 29}
    on_the_day = np.isin(scene.library.days, sorted(days))
    pairs = [
        pair
        for number in range(len(scene.people))
        if (name := scene.name_of(number)) and (pair := _pair(scene, number, name, on_the_day))
    ]
    pairs.sort(key=lambda pair: (-pair.size, scene.people[pair.person].id))
    return [_story(scene, pair) for pair in pairs[:MOST]]


def _pair(scene: Scene, person: int, name: str, on_the_day: npt.NDArray[np.bool_]) -> _Pair | None:
    import numpy as np

    rows, sizes = _dated(scene, person)
    days = scene.library.days[rows]
    today = clock.day_number(scene.today)
    before = np.flatnonzero(on_the_day[rows] & (days <= _number(scene.today, LEAST_YEARS)))
    if not len(before):
        return None
    then = before[np.argmax(sizes[before])]
    lately = np.flatnonzero(days > today - LATELY_DAYS)
    # What was taken lately counts as of today, though it may be up to a year older.
    years = np.where(days > today - LATELY_DAYS, _years(days[then], today), _years(days[then], days))
    among = lately if len(lately) else np.flatnonzero(years >= LEAST_YEARS)
    if not len(among):
        return None
    now = among[np.lexsort((-rows[among], -sizes[among]))[0]]
    return _Pair(
        person=person,
        name=name,
        then=int(rows[then]),
        now=int(rows[now]),
        years=int(years[now]),
        size=float(min(sizes[then], sizes[now])),
    )


def _story(scene: Scene, pair: _Pair) -> Story:
    import numpy as np

    words, person = scene.words, scene.people[pair.person]
    timeline = _timeline(scene, pair.person)
    covers = np.array([pair.then, pair.now], np.int64)
    rows = np.union1d(covers, timeline)
    then, now = scene.library.ids(covers)
    return Story(
        kind="then_and_now",
        key=f"then_and_now:{person.id}",
        title=words.then_and_now,
        subtitle=words.counted(words.years_apart, pair.years, name=pair.name),
        rows=rows,
        whole=rows,
        people=(pair.person,),
        is_timely=True,
        covers=covers,
        criteria={
            "cluster_id": person.cluster_id,
            "contact_id": person.contact_id,
            "person_name": pair.name,
            "years_ago": pair.years,
            "then_asset_id": then,
            "now_asset_id": now,
            "timeline_asset_ids": list(scene.library.ids(timeline)),
        },
    )


def _dated(scene: Scene, person: int) -> tuple[Ints, Floats]:
    rows, sizes = scene.library.rows_of_person(person)
    dated = rows < len(scene.library.days)
    return rows[dated], sizes[dated]


def _timeline(scene: Scene, person: int) -> Ints:
    """The largest face of each calendar year."""
    import numpy as np

    rows, sizes = _dated(scene, person)
    years = clock.years_of(scene.library.days[rows])
    order = np.lexsort((rows, -sizes, years))
    return np.sort(rows[order[np.flatnonzero(np.diff(years[order], prepend=0))]])


def _years(then: Ints, now: Ints | int) -> Ints:
    """Years between days, to the nearest."""
    import numpy as np

    years: Ints = np.rint((now - then) / _YEAR).astype(np.int64)
    return years


def _number(day: date, years: int) -> int:
    return clock.day_number(clock.years_before(day, years)) + 1
