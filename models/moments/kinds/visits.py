"""Time spent at a place that is not home: photos within 5 km of each other, without a gap of days."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from models import sphere
from models.moments.clock import DAY
from models.moments.dbscan import NOISE, dbscan
from models.moments.scene import Scene, Story, runs, short

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]

RADIUS_KM: Final = 5.0
LEAST: Final = 4
GAP_DAYS: Final = 2
"""Without a photo of the place: one day may pass without any, then it is another visit."""
LARGEST_KM: Final = 25.0
"""From a place's middle: what reaches further is a journey, as of a train that photos were taken from."""
HOME_KM: Final = 15.0
"""From home: being nearer is everyday life."""


def visits(scene: Scene) -> list[Story]:
    """Each visit to each place, of photos with a time."""
    import numpy as np

    library = scene.library
    rows = np.flatnonzero(library.located[: len(library.days)])
    rows = rows[~(scene.homes.distances_km[rows] <= HOME_KM)]
    found = _split(scene, rows, again=True)
    return [_story(scene, visit) for visit in found if _reach_km(scene, visit) <= LARGEST_KM]


def _split(scene: Scene, rows: Ints, *, again: bool) -> list[Ints]:
    """Rows at one place in one stretch of time.

    Places are found anew among the rows of each visit, so that photos of another year on the way between two
    towns do not make one place of them.
    """
    import numpy as np

    library = scene.library
    labels = dbscan(library.points[rows], radius_km=RADIUS_KM, least=LEAST)
    order = np.argsort(labels, kind="stable")
    order = order[labels[order] != NOISE]
    times = library.instants[rows[order]]
    breaks = (np.diff(labels[order]) > 0) | (np.diff(times) > GAP_DAYS * DAY)
    found = [rows[order[run]] for run in runs(np.flatnonzero(breaks) + 1, len(order))]
    found = [visit for visit in found if len(visit) >= LEAST]
    if not again:
        return found
    return [
        part
        for visit in found
        for part in ([visit] if _reach_km(scene, visit) <= RADIUS_KM else _split(scene, visit, again=False))
    ]


def _reach_km(scene: Scene, visit: Ints) -> float:
    """From the middle of a visit's photos to the furthest."""
    points = scene.library.points[visit]
    middle = points.mean(axis=0)
    return float(sphere.distances_km(points, middle / (middle @ middle) ** 0.5).max())


def _story(scene: Scene, visit: Ints) -> Story:
    words, rows = scene.words, scene.chosen(visit)
    place = scene.place(visit)
    latitude, longitude = sphere.centre(scene.library.points[visit])
    # A tenth of a degree is 11 km; + 0 makes 0 of -0.
    key = f"location:{scene.day(visit[0])}:{round(latitude, 1) + 0:.1f},{round(longitude, 1) + 0:.1f}"
    photos = scene.photos(rows)
    template = words.visits[zlib.crc32(key.encode()) % len(words.visits)]
    return Story(
        kind="location",
        key=key,
        title=template.format(place=short(place)) if place else words.day_out,
        subtitle=words.from_place.format(photos=photos, place=place) if place else photos,
        rows=rows,
        whole=visit,
        place=place,
        criteria={"center_lat": latitude, "center_lng": longitude, "location_name": place},
    )
