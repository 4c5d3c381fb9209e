"""What is found, what it is found with, and what was found before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

COVERS: Final = 6
MOST_PHOTOS: Final = 200
"""Of a moment: nobody looks at more, and so many vectors are read for its covers."""
SAME_STORY: Final = 0.6
"""Jaccard index of two sets of photos; above, they tell the same story."""
COOLDOWN_DAYS: Final = 90
"""A season, in which no story is told twice."""
COOLDOWN_BY_KIND: Final[Mapping[str, int]] = {"on_this_day": 7}
"""Shorter where the day changes what is told: windows of 3 days either side are apart seven days later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a user wants to be told. Each switch is of one kind, or of a few."""

    location: bool = True
    people: bool = True
    events: bool = True
    on_this_day: bool = True
    then_and_now: bool = True
    trips: bool = True
    birthdays: bool = True
    reviews: bool = True
    """Seasons and years."""
    named_people_only: bool = True
    auto_delete_days: int = 7
    """After which a moment that nobody saved expires."""
    most_per_kind: int | None = 5
    """New ones of one day; the others are told on other days. None for all."""
    most: int | None = 10
    """New ones of one day, of all kinds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """A moment that an earlier run found: of the last `COOLDOWN_DAYS`, and all that are not expired."""

    id: str
    key: str
    kind: str
    made_on: date
    """In the user's zone."""
    is_live: bool
    """Whether it is in the feed: neither expired nor dismissed. What is saved stays as it was saved: no."""
    photos: Sequence[str]
    """The ids of its photos."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A story: which photos, in which order, and what to call it."""

    kind: str
    """`location`, `people`, `on_this_day`, `then_and_now`, `event`, `trip`, `birthday`, `season`,
    `year_in_review` or `recent`: the column grouping_type."""
    key: str
    """Which story it is, whenever it is told; one run tells no two of one key."""
    title: str
    subtitle: str
    first: int | None
    """When its first and last photo were taken, in seconds since 1970, UTC; None if nobody knows."""
    last: int | None
    place: str | None
    people: tuple[str, ...]
    """`Person.id` of whom it is about; contacts and clusters."""
    photos: tuple[str, ...]
    """Ids in the order they are shown in: by time, what has none last."""
    candidates: tuple[str, ...]
    """Ids of the photos that may be covers: stills, if there is one; none where the kind chose them."""
    covers: tuple[str, ...]
    """Ids of up to `COVERS` of them: spread over time, until `covers.with_covers` has seen vectors."""
    score: float
    """0 to 1; what `find_moments` answers is ordered by it."""
    expires_on: date
    criteria: Mapping[str, object] = field(default_factory=dict)
    """What the kind says of itself, as JSON: the column grouping_criteria."""
    updates: str | None = None
    """The id of the live earlier moment that this one takes the place of; None for a new one."""
