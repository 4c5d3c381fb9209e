"""Which comparison of two faces to ask first: the one whose answer is expected to change most.

The database ranks its questions by the same formula (kizu.question_gain); a test compares the two.
"""

from __future__ import annotations

from models.people.scale import Scale

SURE = 0.95
"""No likeness makes an answer certain: whatever it is, one in twenty answers may surprise."""


def chance(likeness: float, scale: Scale) -> float:
    """How likely two are one person whose centroids' cosine is this: it rises evenly from `maybe` to `same`.

    The cosine of two of their faces says less: of two large clusters some faces are alike in any case. Only
    "same" changes something, as both are apart until then: so this is how likely an answer changes something.
    """
    band = max(scale.same - scale.maybe, 1e-6)
    return min(max((likeness - scale.maybe) / band, 0), SURE)


def gain(likeness: float, scale: Scale, *, faces: int, others: int, named: int = 0) -> float:
    """How many faces an answer is expected to settle.

    When clusters of `faces` and `others` faces (one for a face by itself) turn out to be one person, the
    recalls of their faces (B-cubed) rise by 2 * faces * others / (faces + others) in sum. `named` is how many
    faces get a name by it.
    """
    settled = 2 * faces * others / (faces + others)
    return chance(likeness, scale) * (settled + named)
