"""What moments are found in: the photos and videos of one user as columns, and the people in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntFlag
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

NO_TIME: Final = -(2**62)
"""In `Photos.times`: nobody knows when."""
NO_OFFSET: Final = -(2**15)
"""In `Photos.offsets`: nobody knows in which zone."""


class Flag(IntFlag):
    """What a photo is, as bits of `Photos.flags`."""

    SCREENSHOT = 1
    DOCUMENT = 2
    VIDEO = 4
    COARSE_TIME = 8
    """Only the month or the year of its time is known."""
    DAY_ONLY = 16
    """Only the day of its time is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Photos:
    """`n` photos and videos, one a place in every column; in any order.

    Raises:
        ValueError: the columns are not of one length, or a number is not of its range.
    """

    ids: npt.NDArray[np.str_]
    times: npt.NDArray[np.int64]
    """Seconds since 1970 in UTC; where `offsets` is `NO_OFFSET`, what a clock on the wall showed, written as
    if it had been UTC. `NO_TIME` if unknown."""
    offsets: npt.NDArray[np.int16]
    """Minutes east of UTC, where it was taken; `NO_OFFSET` if unknown."""
    latitudes: npt.NDArray[np.float64]
    """Degrees, -90 to 90; NaN, here and in `longitudes`, if unknown."""
    longitudes: npt.NDArray[np.float64]
    """Degrees, -180 to 180."""
    places: npt.NDArray[np.int32]
    """Which of `place_names`; -1 if it has no name."""
    place_names: Sequence[str]
    """As people read them, what is nearest first: Alfama, Lisbon, Portugal."""
    sharpness: npt.NDArray[np.float32]
    """`models.pictures.quality.Quality.sharpness`, 0 to 255; NaN if it was not measured."""
    hashes: npt.NDArray[np.uint64]
    """Perceptual hashes: near-duplicates differ in few bits. 0 if there is none."""
    flags: npt.NDArray[np.uint8]
    """Of `Flag`."""
    faces: Faces

    def __post_init__(self) -> None:
        import numpy as np

        count = len(self.ids)
        for name in ("times", "offsets", "latitudes", "longitudes", "places", "sharpness", "hashes", "flags"):
            if getattr(self, name).shape != (count,):
                raise ValueError(
                    f"{name} has the shape {getattr(self, name).shape}; there are {count} photos"
                )
        if (np.abs(self.latitudes) > 90).any() or (np.abs(self.longitudes) > 180).any():
            raise ValueError("latitudes are from -90 to 90 and longitudes from -180 to 180")
        if count and not -1 <= self.places.min() <= self.places.max() < len(self.place_names):
            raise ValueError(f"places are numbered from 0 to {len(self.place_names) - 1}; -1 is none")
        if len(self.faces.photos) and not 0 <= self.faces.photos.min() <= self.faces.photos.max() < count:
            raise ValueError(f"a face is in a photo that is not there; there are {count}")

    def __len__(self) -> int:
        return len(self.ids)

    @staticmethod
    def joined(pages: Sequence[Photos]) -> Photos:
        """Pages of photos as one, each with names of places and faces of its own.

        Raises:
            ValueError: there is no page.
        """
        import numpy as np

        if not pages:
            raise ValueError("there is no page to join")
        numbers = {name: 0 for page in pages for name in page.place_names}
        numbers = {name: number for number, name in enumerate(numbers)}
        firsts = np.cumsum([0, *(len(page) for page in pages)])

        def column(name: str) -> npt.NDArray[np.generic]:
            return np.concatenate([getattr(page, name) for page in pages])

        def places(page: Photos) -> npt.NDArray[np.int32]:
            # The last one stands for -1, which takes it from the end.
            renumbered = np.array([*(numbers[name] for name in page.place_names), -1], np.int32)
            return renumbered[page.places]

        columns = ("ids", "times", "offsets", "latitudes", "longitudes", "sharpness", "hashes", "flags")
        return Photos(
            **{name: column(name) for name in columns},  # type: ignore[arg-type]
            places=np.concatenate([places(page) for page in pages]),
            place_names=tuple(numbers),
            faces=Faces(
                photos=np.concatenate(
                    [page.faces.photos + first for page, first in zip(pages, firsts[:-1], strict=True)]
                ),
                people=np.concatenate([page.faces.people for page in pages]),
                sizes=np.concatenate([page.faces.sizes for page in pages]),
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Faces:
    """Which people are in which photos: `m` faces, one a place in every column.

    Raises:
        ValueError: the columns are not of one length.
    """

    photos: npt.NDArray[np.int64]
    """The place of the photo in `Photos`."""
    people: npt.NDArray[np.int32]
    """The place of the person in the people that are given beside; the same for every page."""
    sizes: npt.NDArray[np.float32]
    """The face's share of the picture's area, 0 to 1."""

    def __post_init__(self) -> None:
        if not self.photos.shape == self.people.shape == self.sizes.shape == (len(self.photos),):
            raise ValueError("photos, people and sizes of faces are columns of one length")

    @staticmethod
    def none() -> Faces:
        import numpy as np

        return Faces(
            photos=np.empty(0, np.int64), people=np.empty(0, np.int32), sizes=np.empty(0, np.float32)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A cluster of faces, or a contact with all of theirs.

    Raises:
        ValueError: it is neither.
    """

    cluster_id: str | None = None
    contact_id: str | None = None
    name: str | None = None
    """None, or nothing but spaces, if nobody named them."""
    birth_date: date | None = None

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError("a person has a cluster or a contact")

    @property
    def id(self) -> str:
        """What says who it is across runs; the contact if there is one, as clusters come and go."""
        return self.contact_id or self.cluster_id or ""
