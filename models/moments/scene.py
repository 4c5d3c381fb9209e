"""What every kind of moment is told, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

from models.moments import clock
from models.moments.homes import Homes
from models.moments.languages.words import Words
from models.moments.library import Library
from models.moments.moment import MOST_PHOTOS, Settings
from models.moments.photos import Person

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A moment before it is scored and compared with others."""

    kind: str
    key: str
    title: str
    subtitle: str
    rows: Ints
    """In order, `MOST_PHOTOS` at most."""
    whole: Ints
    """All rows that the story is about, in order."""
    place: str | None = None
    people: tuple[int, ...] = ()
    is_timely: bool = False
    """Whether today is its day, so that its photos are not too old for it."""
    covers: Ints | None = None
    """Rows, where the kind itself says which."""
    criteria: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A library on a day."""

    library: Library
    people: Sequence[Person]
    today: date
    words: Words
    settings: Settings
    homes: Homes

    def chosen(self, rows: Ints, most: int = MOST_PHOTOS) -> Ints:
        """At most so many of rows in order: the sharpest of each of so many equal parts."""
        return spread(rows, self.library.sharpness(rows), most)

    def place(self, rows: Ints, *, least: float = 0) -> str | None:
        """The name that most of those with one have, if such a share has it; of equals the first."""
        import numpy as np

        photos = self.library.photos
        places = photos.places[self.library.numbers[rows]]
        numbers, counts = np.unique(places[places >= 0], return_counts=True)
        if not len(numbers) or counts.max() < least * counts.sum():
            return None
        best = numbers[counts == counts.max()]
        return min(photos.place_names[number] for number in best.tolist()).strip() or None

    def name_of(self, person: int) -> str | None:
        """None for who has no name, unless the settings show people without."""
        name = (self.people[person].name or "").strip()
        if name or self.settings.named_people_only:
            return name or None
        return self.words.someone

    def photos(self, rows: Ints) -> str:
        """How many, in words."""
        return self.words.counted(self.words.photos, len(rows))

    def day(self, row: int) -> date:
        """What the calendar showed where a photo that has a time was taken."""
        return clock.day_of(self.library.days[row])


def spread(rows: Ints, weights: Floats, most: int) -> Ints:
    """At most so many of rows in order: the heaviest of each of so many equal parts, the first of equals."""
    import numpy as np

    if len(rows) <= most:
        return rows
    part = np.arange(len(rows)) * most // len(rows)
    order = np.lexsort((-weights, part))
    heads = order[np.flatnonzero(np.diff(part, prepend=-1))]
    return rows[np.sort(heads)]


def runs(breaks: Ints, count: int) -> list[slice]:
    """The stretches of `count` things that begin at 0 and at each of the breaks, which are in order."""
    edges = [0, *(edge for edge in breaks.tolist() if 0 < edge < count), count]
    return [slice(first, last) for first, last in pairwise(edges) if first < last]


def short(place: str) -> str:
    """The first part of a name such as Alfama, Lisbon, Portugal."""
    return next((part.strip() for part in place.split(",") if part.strip()), place)


def country(place: str) -> str:
    """The last part of a name, if it has several."""
    return next((part.strip() for part in reversed(place.split(",")) if part.strip()), place)
