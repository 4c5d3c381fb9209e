"""The photos that are worth showing, in order of time: what every kind of moment is found in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from models import sphere
from models.moments import clock
from models.moments.photos import NO_TIME, Flag, Photos

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Bools = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

BLURRED: Final = 2.0
"""Sharpness below which a photo is not shown.

Of 34 published photos all have more than 5; blurred by a radius of 4 at 1600 pixels half have less than 1.6,
by one of 8 all.
"""
NEAR_BITS: Final = 7
"""Of 64: hashes that differ in no more are of one picture, as kizu.near_bits says of duplicates."""
BURST_SECONDS: Final = 600
"""Between near-duplicates that are one picture taken again. What is alike on two days is two memories."""
_NEIGHBOURS: Final = 16
"""How many photos after one may be near-duplicates of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """`n` photos worth showing, by time, those without one last; places in it are called rows."""

    photos: Photos
    numbers: Ints
    """The place of each in `photos`."""
    instants: Ints
    """Of those that have a time, which come first."""
    walls: Ints
    days: Ints
    """`clock.day_number` of what the calendar showed where it was taken; as long as `instants`."""
    points: Floats
    """Shape (n, 3), on the unit sphere; NaN without coordinates."""
    face_rows: Ints
    """Faces in these photos: the row and the person of each, and its size, ordered by person and row."""
    face_people: Ints
    face_sizes: Floats
    people_by_row: Ints
    """The people of faces ordered by row: those of a row from its `firsts_by_row` to the next one."""
    firsts_by_row: Ints

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def located(self) -> Bools:
        import numpy as np

        return ~np.isnan(self.points[:, 0])

    def flagged(self, rows: Ints, flag: Flag) -> Bools:
        found: Bools = (self.photos.flags[self.numbers[rows]] & flag) != 0
        return found

    def sharpness(self, rows: Ints) -> Floats:
        """0 where it is unknown, so that known ones are preferred."""
        import numpy as np

        found: Floats = np.nan_to_num(self.photos.sharpness[self.numbers[rows]], nan=0).astype(np.float64)
        return found

    def ids(self, rows: Ints) -> tuple[str, ...]:
        return tuple(self.photos.ids[self.numbers[rows]].tolist())

    def people_in(self, rows: Ints) -> Ints:
        """Who is in these photos, each once."""
        import numpy as np

        return np.unique(self.people_by_row[ranges(self.firsts_by_row[rows], self.firsts_by_row[rows + 1])])

    def rows_of_person(self, person: int) -> tuple[Ints, Floats]:
        """The photos that a person is in, by time, each once, and the size of the largest face there."""
        import numpy as np

        first, last = np.searchsorted(self.face_people, [person, person + 1])
        rows, starts = np.unique(self.face_rows[first:last], return_index=True)
        sizes = np.maximum.reduceat(self.face_sizes[first:last], starts) if len(rows) else np.empty(0)
        return rows, sizes


def library_of(photos: Photos, *, today: date, zone: ZoneInfo) -> Library:
    """What is neither a screenshot, a document, blurred, a near-duplicate of a better one nor of the future.

    The answer does not depend on the order of `photos`. A day ends when it does in `zone`.
    """
    import numpy as np

    shown, real = clock.walls(photos), clock.instants(photos, zone)
    dated = (shown != NO_TIME) & (photos.flags & Flag.COARSE_TIME == 0)
    kept = (photos.flags & (Flag.SCREENSHOT | Flag.DOCUMENT) == 0) & ~(photos.sharpness < BLURRED)
    kept &= ~dated | (real < clock.end_of(today, zone))
    numbers = np.flatnonzero(kept)
    numbers = numbers[np.lexsort((photos.ids[numbers], real[numbers], ~dated[numbers]))]
    numbers = numbers[~_repeated(photos, numbers, np.where(dated, real, NO_TIME))]
    count = int(dated[numbers].sum())
    face_rows, face_people, face_sizes = _faces(photos, numbers)
    return Library(
        photos=photos,
        numbers=numbers,
        instants=real[numbers[:count]],
        walls=shown[numbers[:count]],
        days=shown[numbers[:count]] // clock.DAY,
        points=sphere.points(photos.latitudes[numbers], photos.longitudes[numbers]),
        face_rows=face_rows,
        face_people=face_people,
        face_sizes=face_sizes,
        people_by_row=face_people[np.argsort(face_rows, kind="stable")],
        firsts_by_row=np.concatenate([[0], np.cumsum(np.bincount(face_rows, minlength=len(numbers)))]),
    )


def ranges(firsts: Ints, lasts: Ints) -> Ints:
    """The numbers from each of the firsts to before each of the lasts, one after the other."""
    import numpy as np

    counts = lasts - firsts
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    numbers: Ints = np.repeat(firsts, counts) + within
    return numbers


def _repeated(photos: Photos, numbers: Ints, real: Ints) -> Bools:
    """Which of photos in order of time are near-duplicates of a sharper one, or of an equal one before."""
    import numpy as np

    hashes, times = photos.hashes[numbers], real[numbers]
    sharpness = np.nan_to_num(photos.sharpness[numbers], nan=0)
    repeated = np.zeros(len(numbers), bool)
    for step in range(1, min(_NEIGHBOURS + 1, len(numbers))):
        one, other = hashes[:-step], hashes[step:]
        near = (one != 0) & (other != 0) & (times[step:] != NO_TIME)
        near &= times[step:] - times[:-step] <= BURST_SECONDS
        near &= np.bitwise_count(one ^ other) <= NEAR_BITS
        later_is_sharper = sharpness[step:] > sharpness[:-step]
        repeated[:-step] |= near & later_is_sharper
        repeated[step:] |= near & ~later_is_sharper
    return repeated


def _faces(photos: Photos, numbers: Ints) -> tuple[Ints, Ints, Floats]:
    import numpy as np

    rows = np.full(len(photos), -1, np.int64)
    rows[numbers] = np.arange(len(numbers))
    found = rows[photos.faces.photos]
    there = np.flatnonzero((found >= 0) & (photos.faces.people >= 0))
    there = there[np.lexsort((found[there], photos.faces.people[there]))]
    people = photos.faces.people[there].astype(np.int64)
    return found[there], people, photos.faces.sizes[there].astype(np.float64)
