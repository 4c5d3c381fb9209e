"""Days and nights away from home, whatever the places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.moments.clock import DAY
from models.moments.scene import Scene, Story, country, runs, short

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]

AWAY_KM: Final = 50.0
"""From every home; what is nearer is a day out."""
LEAST: Final = 7
"""Photos with a place, on `LEAST_DAYS` days at least."""
LEAST_DAYS: Final = 2
GAP_DAYS: Final = 4
"""Without a photo that says where: after that nobody knows whether it was one trip."""
LONGEST_DAYS: Final = 60
"""Longer away is where somebody lives."""
_MOSTLY: Final = 0.5
_NEARLY_ALL: Final = 0.8


def trips(scene: Scene) -> list[Story]:
    """Each stretch of photos away from home that none at home interrupts; none if no home is known.

    Photos without a place belong to the trip during which they were taken.
    """
    import numpy as np

    library = scene.library
    if not scene.homes.are_known:
        return []
    located = np.flatnonzero(library.located[: len(library.days)])
    is_away = scene.homes.distances_km[located] > AWAY_KM
    gaps = np.diff(library.instants[located]) > GAP_DAYS * DAY
    breaks = np.flatnonzero((np.diff(is_away) != 0) | gaps) + 1
    home = country(scene.place(np.flatnonzero(scene.homes.distances_km <= AWAY_KM)) or "")
    stories = []
    for run in runs(breaks, len(located)):
        rows = located[run]
        days = np.unique(library.days[rows])
        is_short = days[-1] - days[0] < LONGEST_DAYS
        if is_away[run.start] and is_short and len(rows) >= LEAST and len(days) >= LEAST_DAYS:
            stories.append(_story(scene, np.arange(rows[0], rows[-1] + 1), home))
    return stories


def _story(scene: Scene, trip: Ints, home: str) -> Story:
    words, rows = scene.words, scene.chosen(trip)
    days = scene.library.days[trip]
    first, last = scene.day(trip[days.argmin()]), scene.day(trip[days.argmax()])
    name = _name(scene, trip, home)
    return Story(
        kind="trip",
        key=f"trip:{first}",
        title=words.trip.format(place=name) if name else words.trip_anywhere,
        subtitle=f"{words.days(first, last)} · {scene.photos(rows)}",
        rows=rows,
        whole=trip,
        place=scene.place(trip),
        criteria={"first_day": str(first), "last_day": str(last), "location_name": name},
    )


def _name(scene: Scene, trip: Ints, home: str) -> str | None:
    """A town where most was taken; else a country that is not that of home; else the two commonest towns."""
    import numpy as np

    photos = scene.library.photos
    places = photos.places[scene.library.numbers[trip]]
    numbers, counts = np.unique(places[places >= 0], return_counts=True)
    towns: dict[str, int] = {}
    countries: dict[str, int] = {}
    for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
        name = photos.place_names[number]
        towns[short(name)] = towns.get(short(name), 0) + count
        countries[country(name)] = countries.get(country(name), 0) + count
    ranked = sorted(towns, key=lambda town: (-towns[town], town))
    if not ranked:
        return None
    total = counts.sum()
    if len(ranked) == 1 or towns[ranked[0]] >= _MOSTLY * total:
        return ranked[0]
    land = max(countries, key=lambda name: (countries[name], name))
    if countries[land] >= _NEARLY_ALL * total and land != home:
        return land
    return scene.words.and_so.format(one=ranked[0], other=ranked[1])
