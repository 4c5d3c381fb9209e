"""Which stories are told: none twice in a run, none again in a season, and no more than anybody opens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Final

from models.moments.moment import COOLDOWN_BY_KIND, COOLDOWN_DAYS, SAME_STORY, Earlier, Settings
from models.moments.scene import Story

Scored = tuple[float, Story]
Matched = tuple[float, Story, Earlier | None]
PRECEDENCE: Final = (
    "birthday",
    "then_and_now",
    "on_this_day",
    "trip",
    "event",
    "people",
    "location",
    "season",
    "year_in_review",
    "recent",
)
"""Of two stories of the same photos the first one is told: what is of this day, then what says more."""


def without_twins(ranked: Sequence[Scored]) -> list[Scored]:
    """Of stories that share most photos or a key only the first by `PRECEDENCE` and score; in their order."""
    order = sorted(
        range(len(ranked)), key=lambda at: (PRECEDENCE.index(ranked[at][1].kind), -ranked[at][0], at)
    )
    kept: list[int] = []
    keys: set[str] = set()
    seen = _Index()
    for at in order:
        story, rows = ranked[at][1], ranked[at][1].whole.tolist()
        if story.key not in keys and not seen.alike(rows):
            keys.add(story.key)
            seen.add(at, rows)
            kept.append(at)
    return [ranked[at] for at in sorted(kept)]


def matched(
    found: Iterable[Scored], earlier: Sequence[Earlier], today: date, rows: Mapping[str, int]
) -> Iterator[Matched]:
    """Stories that may be told, each with the live moment that it takes the place of.

    A story is that of an earlier moment if they have a key in common or share most photos. It takes the
    moment's place if that is in the feed, and of this day or of a kind that grows; otherwise it was told
    already, and is not told again until `COOLDOWN_DAYS` are over. Of a kind with a shorter cooldown, a story
    of other photos may be told when that is over. `rows` are those of photos by their ids.
    """
    recent = [other for other in earlier if other.is_live or (today - other.made_on).days < COOLDOWN_DAYS]
    by_key: dict[str, set[int]] = {}
    seen = _Index()
    for at, other in enumerate(recent):
        seen.add(at, [rows.get(photo, photo) for photo in other.photos])
        cooldown = COOLDOWN_BY_KIND.get(other.kind, COOLDOWN_DAYS)
        if other.is_live or (today - other.made_on).days < cooldown:
            by_key.setdefault(other.key, set()).add(at)
    taken: set[int] = set()
    for worth, story in found:
        alike = by_key.get(story.key, set()) | set(seen.alike(story.rows.tolist()))
        live = sorted(
            (recent[at].key != story.key, recent[at].id, at)
            for at in alike - taken
            if recent[at].is_live and (recent[at].made_on == today or _grows(recent[at], story))
        )
        if not alike:
            yield worth, story, None
        elif live:
            taken.add(live[0][2])
            yield worth, story, recent[live[0][2]]


def limited(
    found: Iterable[Matched], earlier: Sequence[Earlier], today: date, settings: Settings
) -> Iterator[Matched]:
    """Of stories, best first, those that take a moment's place, and the new ones that the day has room for.

    What was made earlier on the day takes room, in the feed or not, so that a second run adds nothing.
    """
    of_kind = Counter(other.kind for other in earlier if other.made_on == today)
    for worth, story, other in found:
        if other is None:
            if settings.most is not None and of_kind.total() >= settings.most:
                continue
            if settings.most_per_kind is not None and of_kind[story.kind] >= settings.most_per_kind:
                continue
            of_kind[story.kind] += 1
        yield worth, story, other


def _grows(other: Earlier, story: Story) -> bool:
    """Whether a moment of another day is the same thing with more photos.

    What the day changes is not: moved on day by day it would let go of photos that have been told.
    """
    return other.kind == story.kind and story.kind not in COOLDOWN_BY_KIND


class _Index:
    """Sets of photos, and which of them are mostly the same as another."""

    def __init__(self) -> None:
        self._holders: dict[object, list[int]] = {}
        self._sizes: dict[int, int] = {}

    def add(self, number: int, photos: Sequence[object]) -> None:
        self._sizes[number] = len(photos)
        for photo in photos:
            self._holders.setdefault(photo, []).append(number)

    def alike(self, photos: Sequence[object]) -> list[int]:
        """The numbers of those whose Jaccard index with these is more than `SAME_STORY`."""
        shared = Counter(number for photo in photos for number in self._holders.get(photo, ()))
        return [
            number
            for number, count in shared.items()
            if count > SAME_STORY * (len(photos) + self._sizes[number] - count)
        ]
