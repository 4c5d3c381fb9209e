"""A short way to write a library: one `Shot` a photo."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from models.moments.finding import find_moments
from models.moments.moment import Earlier, Moment, Settings
from models.moments.photos import NO_OFFSET, NO_TIME, Faces, Person, Photos

UTC_ZONE = ZoneInfo("UTC")
ALL = Settings(most=None, most_per_kind=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A photo; `wall` is what a clock showed, as 2024-06-03 18:00, None if nobody knows."""

    id: str
    wall: str | None = None
    offset: int | None = None
    at: tuple[float, float] | None = None
    place: str | None = None
    who: tuple[int, ...] = ()
    size: float = 0.1
    sharpness: float = 10
    hash: int = 0
    flags: int = 0


def shots(first: str, count: int, *, every_minutes: float = 60, start: int = 0, **same: Any) -> list[Shot]:
    """So many photos from a time on; their ids count on from `start` after the time."""
    begun = np.datetime64(first.replace(" ", "T"), "s")
    times = [begun + np.timedelta64(round(at * every_minutes * 60), "s") for at in range(count)]
    return [
        Shot(id=f"{first}#{start + at:03}", wall=str(time).replace("T", " "), **same)
        for at, time in enumerate(times)
    ]


def photos_of(found: Iterable[Shot]) -> Photos:
    taken = list(found)
    names = sorted({shot.place for shot in taken if shot.place is not None})
    faces = [(at, who, shot.size) for at, shot in enumerate(taken) for who in shot.who]
    return Photos(
        ids=np.array([shot.id for shot in taken], dtype=np.str_),
        times=np.array([_time(shot) for shot in taken], np.int64),
        offsets=np.array([NO_OFFSET if shot.offset is None else shot.offset for shot in taken], np.int16),
        latitudes=np.array([shot.at[0] if shot.at else np.nan for shot in taken]),
        longitudes=np.array([shot.at[1] if shot.at else np.nan for shot in taken]),
        places=np.array([-1 if shot.place is None else names.index(shot.place) for shot in taken], np.int32),
        place_names=names,
        sharpness=np.array([shot.sharpness for shot in taken], np.float32),
        hashes=np.array([shot.hash for shot in taken], np.uint64),
        flags=np.array([shot.flags for shot in taken], np.uint8),
        faces=Faces(
            photos=np.array([face[0] for face in faces], np.int64),
            people=np.array([face[1] for face in faces], np.int32),
            sizes=np.array([face[2] for face in faces], np.float32),
        ),
    )


def _time(shot: Shot) -> int:
    if shot.wall is None:
        return NO_TIME
    shown = datetime.fromisoformat(shot.wall).replace(tzinfo=UTC).timestamp()
    return int(shown) - 60 * (shot.offset or 0)


def moments(
    found: Iterable[Shot],
    today: str,
    *,
    people: Sequence[Person] = (),
    earlier: Sequence[Earlier] = (),
    zone: ZoneInfo = UTC_ZONE,
    language: str = "en",
    settings: Settings = ALL,
) -> list[Moment]:
    return find_moments(
        photos_of(found),
        people,
        earlier=earlier,
        today=date.fromisoformat(today),
        zone=zone,
        language=language,
        settings=settings,
    )


def kinds(found: Iterable[Moment]) -> list[str]:
    return sorted(moment.kind for moment in found)


def of_kind(found: Iterable[Moment], kind: str) -> list[Moment]:
    return [moment for moment in found if moment.kind == kind]


def told(found: Iterable[Moment], on: str, *, is_live: bool = True) -> list[Earlier]:
    """What a run on a day told, as the next run is given it."""
    return [
        Earlier(
            id=moment.updates or f"{on}/{moment.key}",
            key=moment.key,
            kind=moment.kind,
            made_on=date.fromisoformat(on),
            is_live=is_live,
            photos=moment.photos,
        )
        for moment in found
    ]
