"""The cosine from which a picture answers a sentence; it differs from model to model.

Nobody has labelled the library, so it is taken from what is surely unlike: of all pairs of a sentence and a
photo that it was not said of, one in a hundred reaches it. The sentences are the library's own captions,
which are like what its owner will ask, or, where there are too few, neutral ones (`sentences.json`). Some of
these pairs do fit, as two photos of one birthday do: one in a hundred leaves room for them. A search among
ten thousand photos for what is on none then answers with some hundred of them instead of all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import mul
from typing import Final

from models.results import Vector

REACHED_BY: Final = 0.01
"""The share of unlike pairs that reach the cutoff."""
LEAST_PAIRS: Final = 100
"""So that one of them is a hundredth."""


def cutoff_of(cosines: Iterable[float]) -> float | None:
    """The least cosine, in millionths, that at most one in a hundred of the unlike pairs reaches.

    None where there are fewer than a hundred: one pair would then decide.
    """
    falling = sorted(cosines, reverse=True)
    if len(falling) < LEAST_PAIRS:
        return None
    first_below = falling[int(len(falling) * REACHED_BY)]
    return min((math.floor(first_below * 1e6) + 1) / 1e6, 1.0)


def unit(numbers: Sequence[float]) -> Vector:
    """The vector of length 1 in the same direction."""
    length = math.hypot(*numbers)
    return tuple(number / length for number in numbers)


def cosine(one: Vector, other: Vector) -> float:
    """Of the angle between two vectors of length 1, of which the longer one ends in zeros."""
    return math.fsum(map(mul, one, other))
