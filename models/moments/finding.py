"""From a library on a day to the moments that are told on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from models.moments.covers import spread_over_time
from models.moments.homes import homes_of
from models.moments.kinds.events import events
from models.moments.kinds.fallbacks import common_place, recent
from models.moments.kinds.on_this_day import on_this_day
from models.moments.kinds.people import birthdays, people
from models.moments.kinds.reviews import reviews
from models.moments.kinds.then_and_now import then_and_now
from models.moments.kinds.trips import trips
from models.moments.kinds.visits import visits
from models.moments.languages import words_of
from models.moments.library import library_of
from models.moments.moment import Earlier, Moment, Settings
from models.moments.photos import Flag
from models.moments.scene import Scene, Story
from models.moments.scoring import score
from models.moments.telling import limited, matched, without_twins

if TYPE_CHECKING:
    from models.moments.photos import Person, Photos

Kind = Callable[[Scene], list[Story]]
KINDS: Final[Mapping[str, tuple[Kind, ...]]] = {
    "birthdays": (birthdays,),
    "then_and_now": (then_and_now,),
    "on_this_day": (on_this_day,),
    "trips": (trips,),
    "events": (events,),
    "people": (people,),
    "location": (visits,),
    "reviews": (reviews,),
}
"""By the switch of `Settings` that turns them off."""
LEAST: Final = 4
"""Photos of a library that has moments."""


def find_moments(
    photos: Photos,
    people: Sequence[Person],
    *,
    earlier: Sequence[Earlier] = (),
    today: date,
    zone: ZoneInfo,
    language: str = "en",
    settings: Settings | None = None,
) -> list[Moment]:
    """The moments to tell on a day, best first; those that take an earlier one's place say so.

    The answer depends neither on the order of `photos` nor on chance: asked again on the same day with what
    was told as `earlier`, it is the same, and each takes its own place. A library of less than `LEAST` photos
    has none. Give `covers.with_covers` the vectors of `covers.candidates_of` for covers that differ.

    Args:
        earlier: All moments in the feed, and all that were made in the last `COOLDOWN_DAYS`.
        today: The day it is in `zone`; what was taken after its end is left out.
        zone: The user's; of photos that say nothing of theirs.
        language: A tag such as en or de-AT.

    Raises:
        ValueError: a face is of a person who is not there.
    """
    settings = settings or Settings()
    if len(photos.faces.people) and photos.faces.people.max() >= len(people):
        raise ValueError(f"a face is of person {photos.faces.people.max()}, and there are {len(people)}")
    if len(photos) < LEAST:
        return []
    library = library_of(photos, today=today, zone=zone)
    scene = Scene(
        library=library,
        people=people,
        today=today,
        words=words_of(language),
        settings=settings,
        homes=homes_of(library),
    )
    stories = [
        story
        for switch, kinds in KINDS.items()
        if getattr(settings, switch)
        for kind in kinds
        for story in kind(scene)
    ]
    told = _told(scene, stories, earlier)
    if not told and settings.location:
        told = _told(scene, common_place(scene), earlier)
    return told or _told(scene, recent(scene), earlier)


def _told(scene: Scene, stories: Sequence[Story], earlier: Sequence[Earlier]) -> list[Moment]:
    import numpy as np

    # Rows are in order of time: of equals the newest is first.
    ranked = sorted(
        ((score(scene, story), story) for story in stories),
        key=lambda pair: (-pair[0], -int(pair[1].whole[-1]), pair[1].key),
    )
    ids = scene.library.ids(np.arange(len(scene.library))) if earlier else ()
    rows = {photo: row for row, photo in enumerate(ids)}
    found = matched(without_twins(ranked), earlier, scene.today, rows)
    return [
        _moment(scene, story, worth, other)
        for worth, story, other in limited(found, earlier, scene.today, scene.settings)
    ]


def _moment(scene: Scene, story: Story, worth: float, other: Earlier | None) -> Moment:
    library = scene.library
    dated = story.rows[story.rows < len(library.days)]
    stills = story.rows[~library.flagged(story.rows, Flag.VIDEO)]
    candidates = stills if len(stills) else story.rows
    covers = spread_over_time(scene, candidates) if story.covers is None else story.covers
    return Moment(
        kind=story.kind,
        key=story.key,
        title=story.title,
        subtitle=story.subtitle,
        first=int(library.instants[dated[0]]) if len(dated) else None,
        last=int(library.instants[dated[-1]]) if len(dated) else None,
        place=story.place,
        people=tuple(scene.people[number].id for number in story.people),
        photos=library.ids(story.rows),
        candidates=library.ids(candidates) if story.covers is None else (),
        covers=library.ids(covers),
        score=worth,
        expires_on=scene.today + timedelta(days=scene.settings.auto_delete_days),
        criteria=story.criteria,
        updates=other.id if other else None,
    )
