"""How much a story is worth opening, 0 to 1."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from models.moments import clock
from models.moments.moment import MOST_PHOTOS
from models.moments.scene import Scene, Story

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_COUNT, _PEOPLE, _RECENCY, _DIVERSITY = 0.25, 0.2, 0.35, 0.2
"""Weights of the four parts, each of 0 to 1."""
_PEOPLE_ENOUGH: Final = 3
"""Named people in a story; more add nothing."""
_HALF_LIFE_DAYS: Final = 180
"""After which a story that is not of today counts half for being recent."""
_SLOT: Final = 600
"""Seconds: photos of one slot are likely of one thing."""


def score(scene: Scene, story: Story) -> float:
    """How many photos, how many people that have names, how recent, and how many different things."""
    count = math.log1p(len(story.whole)) / math.log1p(MOST_PHOTOS)
    parts = (
        (_COUNT, min(1.0, count)),
        (_PEOPLE, _people(scene, story)),
        (_RECENCY, 1.0 if story.is_timely else _recency(scene, story)),
        (_DIVERSITY, _diversity(scene, story.rows)),
    )
    return round(sum(weight * part for weight, part in parts), 6)


def _people(scene: Scene, story: Story) -> float:
    named = sum(bool(scene.name_of(number)) for number in scene.library.people_in(story.rows).tolist())
    return min(1.0, named / _PEOPLE_ENOUGH)


def _recency(scene: Scene, story: Story) -> float:
    dated = story.whole[story.whole < len(scene.library.days)]
    if not len(dated):
        return 0.0
    age = max(0, clock.day_number(scene.today) - int(scene.library.days[dated].max()))
    return float(0.5 ** (age / _HALF_LIFE_DAYS))


def _diversity(scene: Scene, rows: npt.NDArray[np.int64]) -> float:
    """In how many slots of time the photos were taken, as a share of how many they are."""
    import numpy as np

    dated = rows[rows < len(scene.library.days)]
    return len(np.unique(scene.library.instants[dated] // _SLOT)) / len(rows)
