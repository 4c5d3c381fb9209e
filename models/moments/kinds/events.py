"""Something that happened lately: photos of one occasion, without a gap of hours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.moments import clock
from models.moments.clock import DAY, HOUR
from models.moments.photos import Flag
from models.moments.scene import Scene, Story, runs, short

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]

GAP_HOURS: Final = 4
LONGEST_DAYS: Final = 3
LEAST: Final = 4
LATEST_DAYS: Final = 90
"""Since an event's last photo."""
_NOON, _EVENING = 12, 17
"""Hours in which the afternoon and the evening begin."""


def events(scene: Scene) -> list[Story]:
    """Each occasion of the last 90 days, of photos whose hour is known; the best of them are chosen later."""
    import numpy as np

    library = scene.library
    first = clock.day_number(scene.today) - LATEST_DAYS
    dated = np.arange(len(library.days))
    rows = dated[~library.flagged(dated, Flag.DAY_ONLY)]
    times = library.instants[rows]
    found = (
        _parts(times, run) for run in runs(np.flatnonzero(np.diff(times) > GAP_HOURS * HOUR) + 1, len(rows))
    )
    stories = []
    for part in (part for parts in found for part in parts):
        event = rows[part]
        if len(event) >= LEAST and library.days[event[-1]] >= first:
            stories.append(_story(scene, event))
    return stories


def _parts(times: Ints, run: slice) -> list[slice]:
    """A run cut where it gets longer than an event may be."""
    import numpy as np

    parts, start = [], run.start
    while start < run.stop:
        stop = int(np.searchsorted(times[: run.stop], times[start] + LONGEST_DAYS * DAY, side="right"))
        parts.append(slice(start, stop))
        start = stop
    return parts


def _story(scene: Scene, event: Ints) -> Story:
    words, rows, place = scene.words, scene.chosen(event), scene.place(event)
    begun = int(scene.library.walls[event[0]])
    hour, day = begun % DAY // HOUR, scene.day(event[0])
    part = words.parts_of_day[(hour >= _NOON) + (hour >= _EVENING)]
    name = part.format(weekday=words.weekdays[day.weekday()])
    photos = scene.photos(rows)
    return Story(
        kind="event",
        key=f"event:{day}T{hour:02}:{begun % HOUR // 60:02}",
        title=words.event_at.format(event=name, place=short(place))
        if place
        else words.event_on.format(event=name, day=words.day(day)),
        subtitle=words.at_place.format(photos=photos, place=place) if place else photos,
        rows=rows,
        whole=event,
        place=place,
        criteria={"date": str(day), "location": place},
    )
