"""Which comparison of two faces to ask first: the one whose answer is expected to change most.

The database ranks its questions by the same formula (kizu.question_gain); a test compares the two.
"""

from __future__ import annotations

from models.people.scale import Scale

DOUBT = 0.05
"""No likeness makes an answer certain: whatever it is, one in twenty answers may surprise."""


def chance(likeness: float, scale: Scale) -> float:
    """The share of pairs as alike as this that are one person: it rises evenly from `maybe` to `same`.

    The scale says no more of a pair between the two. Only "same" changes something, as both are apart until
    then: so this is how likely an answer changes something.
    """
    band = max(scale.same - scale.maybe, 1e-6)
    return min(max((likeness - scale.maybe) / band, DOUBT), 1 - DOUBT)


def gain(likeness: float, scale: Scale, *, faces: int, others: int, named: int = 0) -> float:
    """How many faces an answer is expected to settle.

    When clusters of `faces` and `others` faces (one for a face by itself) turn out to be one person, the
    recalls of their faces (B-cubed) rise by 2 * faces * others / (faces + others) in sum. `named` is how many
    faces get a name by it.
    """
    settled = 2 * faces * others / (faces + others)
    return chance(likeness, scale) * (settled + named)
