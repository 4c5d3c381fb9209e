"""Which stories are told: none twice in a run, none again in a season, and no more than anybody opens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Final

from models.moments.moment import COOLDOWN_BY_KIND, COOLDOWN_DAYS, SAME_STORY, Earlier, Moment, Settings
from models.moments.scene import Story

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


def without_twins(ranked: Sequence[tuple[float, Story]]) -> list[tuple[float, Story]]:
    """Of stories that share most photos or a key only the first by `PRECEDENCE` and score; in their order."""
    order = sorted(
        range(len(ranked)), key=lambda at: (PRECEDENCE.index(ranked[at][1].kind), -ranked[at][0], at)
    )
    kept: list[int] = []
    keys: set[str] = set()
    seen = _Index()
    for at in order:
        story = ranked[at][1]
        if story.key not in keys and not seen.alike(story.whole.tolist()):
            keys.add(story.key)
            seen.add(at, story.whole.tolist())
            kept.append(at)
    return [ranked[at] for at in sorted(kept)]


def matched(
    moments: Iterable[Moment], earlier: Sequence[Earlier], today: date
) -> Iterator[tuple[Moment, Earlier | None]]:
    """Moments that may be told, each with the live one that it takes the place of.

    A moment is the same story as an earlier one if they have a key in common or share most photos. It takes
    that one's place if that is in the feed, and of its kind or of this day; otherwise it was told already,
    and is not told again until `COOLDOWN_DAYS` are over. Of a kind with a shorter cooldown, a moment of other
    photos may be told when that is over.
    """
    recent = [other for other in earlier if other.is_live or (today - other.made_on).days < COOLDOWN_DAYS]
    by_key: dict[str, set[int]] = {}
    for at, other in enumerate(recent):
        cooldown = COOLDOWN_BY_KIND.get(other.kind, COOLDOWN_DAYS)
        if other.is_live or (today - other.made_on).days < cooldown:
            by_key.setdefault(other.key, set()).add(at)
    seen = _Index()
    for at, other in enumerate(recent):
        seen.add(at, other.photos)
    taken: set[int] = set()
    for moment in moments:
        alike = by_key.get(moment.key, set()) | set(seen.alike(moment.photos))
        live = sorted(
            (recent[at].key != moment.key, recent[at].id, at)
            for at in alike - taken
            if recent[at].is_live and (recent[at].kind == moment.kind or recent[at].made_on == today)
        )
        if not alike:
            yield moment, None
        elif live:
            taken.add(live[0][2])
            yield moment, recent[live[0][2]]


def limited(
    found: Iterable[tuple[Moment, Earlier | None]],
    earlier: Sequence[Earlier],
    today: date,
    settings: Settings,
) -> Iterator[tuple[Moment, Earlier | None]]:
    """Of moments, best first, those that take another's place, and the new ones that the day has room for.

    What was made earlier on the day takes room, in the feed or not, so that a second run adds nothing.
    """
    of_kind = Counter(other.kind for other in earlier if other.made_on == today)
    for moment, other in found:
        if other is None:
            if settings.most is not None and of_kind.total() >= settings.most:
                continue
            if settings.most_per_kind is not None and of_kind[moment.kind] >= settings.most_per_kind:
                continue
            of_kind[moment.kind] += 1
        yield moment, other


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
