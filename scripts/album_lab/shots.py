"""Single photos of an album, what spoils some of them, and the columns and vectors they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from models.moments.photos import NO_OFFSET, NO_TIME, Faces, Photos
from scripts.album_lab.cities import DEGREE_KM, City

DIMENSION = 64
BLURRED = 1.2

Vector = npt.NDArray[np.float32]


@dataclass(slots=True, kw_only=True, eq=False)
class Shot:
    """A photo; `occasion` numbers what is going on, `subject` is what it shows of that."""

    at: datetime | None
    city: City | None
    occasion: int
    spread_km: float = 1.0
    who: tuple[int, ...] = ()
    size: float = 0.05
    flags: int = 0
    sharpness: float = 10.0
    hash: int = 0
    subject: Vector = field(default_factory=lambda: np.zeros(DIMENSION, np.float32))


def spoilt(shots: Sequence[Shot], rng: np.random.Generator) -> list[Shot]:
    """The same photos, each of a subject, some without a place, some beside a blurred one or a twin."""
    found = []
    for shot in shots:
        shot.sharpness = float(rng.uniform(8, 25))
        shot.hash = int(rng.integers(1, 2**63))
        shot.subject = _any_vector(rng)
        found.append(shot)
        chance = rng.random()
        if chance < 0.08 and shot.at:
            again = replace(shot, at=shot.at + timedelta(seconds=3), size=shot.size * 0.9)
            again.hash ^= 1 << int(rng.integers(63))
            again.subject = shot.subject + 0.05 * _any_vector(rng)
            again.sharpness = float(rng.choice((BLURRED, shot.sharpness * 0.8)))
            found.append(again)
        elif chance < 0.14 and shot.at:
            at = shot.at + timedelta(seconds=40)
            found.append(replace(shot, at=at, who=(), hash=0, sharpness=BLURRED, subject=_any_vector(rng)))
        elif chance < 0.19:
            shot.city = None
    return found


def columns(shots: Sequence[Shot], rng: np.random.Generator) -> Photos:
    """The photos' columns; one of ten was taken by a camera that writes no offset."""
    names = sorted({shot.city.name for shot in shots if shot.city})
    faces = [(at, who, shot.size) for at, shot in enumerate(shots) for who in shot.who]
    where = [(shot.city.latitude, shot.city.longitude) if shot.city else (np.nan, np.nan) for shot in shots]
    latitudes, longitudes = np.array(where).T
    steps = rng.normal(size=(2, len(shots))) * [shot.spread_km / 2 / DEGREE_KM for shot in shots]
    offsets = np.array(
        [shot.at.utcoffset() // timedelta(minutes=1) if shot.at else NO_OFFSET for shot in shots]  # type: ignore[operator]
    )
    times = np.array([int(shot.at.timestamp()) if shot.at else NO_TIME for shot in shots], np.int64)
    bare = (rng.random(len(shots)) < 0.1) & (offsets != NO_OFFSET)
    return Photos(
        ids=np.array([f"{at:06}" for at in range(len(shots))]),
        times=times + 60 * offsets * bare,
        offsets=np.where(bare, NO_OFFSET, offsets).astype(np.int16),
        latitudes=latitudes + steps[0],
        longitudes=(longitudes + steps[1] / np.cos(np.radians(latitudes)) + 180) % 360 - 180,
        places=np.array([names.index(shot.city.name) if shot.city else -1 for shot in shots], np.int32),
        place_names=names,
        sharpness=np.array([shot.sharpness for shot in shots], np.float32),
        hashes=np.array([shot.hash for shot in shots], np.uint64),
        flags=np.array([shot.flags for shot in shots], np.uint8),
        faces=Faces(
            photos=np.array([face[0] for face in faces], np.int64),
            people=np.array([face[1] for face in faces], np.int32),
            sizes=np.array([face[2] for face in faces], np.float32),
        ),
    )


def vectors(shots: Sequence[Shot], rng: np.random.Generator) -> Vector:
    """What a model would have: alike within an occasion, nearly equal in a burst; of length 1."""
    occasions = max(shot.occasion for shot in shots) + 1
    themes = rng.normal(size=(occasions, DIMENSION)).astype(np.float32)
    found = themes[[shot.occasion for shot in shots]] + 0.8 * np.stack([shot.subject for shot in shots])
    units: Vector = found / np.linalg.norm(found, axis=1, keepdims=True)
    return units


def _any_vector(rng: np.random.Generator) -> Vector:
    return rng.normal(size=DIMENSION).astype(np.float32)
