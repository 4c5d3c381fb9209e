"""The cosine from which a picture answers a sentence; it differs from model to model, and with the library.

Nobody has labelled the library, so it is taken from sentences that fit hardly any photo of anybody's
(`unlike.json`): how near the nearest photo comes to each of them is what a search for nonsense would find.
These maxima are distributed as extreme values are. The cosine that a sentence in a hundred reaches is that
quantile of Gumbel's distribution with their mean and deviation (E. J. Gumbel, Statistics of Extremes, 1958:
the estimate by moments), moved to the size that the library may have before it is measured again, by as much
as the maximum of all photos is above that of an eighth of them for each e-fold in size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Final

ANSWERED: Final = 0.01
"""The share of sentences that fit nothing and may find something."""
GROWS: Final = 4.0
"""Times the photos there may be before the database asks to measure again."""
EULER: Final = 0.5772156649
"""The mean of Gumbel's distribution of location 0 and scale 1; its deviation is pi / sqrt(6)."""


def cutoff_of(nearest: Sequence[Sequence[float]], *, measured: int, photos: int) -> float:
    """The least cosine, in millionths, that an unlike sentence in a hundred reaches.

    `nearest` has for each of two sentences or more the highest cosine in each of the blocks that `measured`
    photos were dealt to; the library has `photos`.
    """
    highest = [max(blocks) for blocks in nearest]
    scale = stdev(highest) * math.sqrt(6) / math.pi
    location = fmean(highest) - EULER * scale
    by_block = fmean(cosine for blocks in nearest for cosine in blocks)
    # The photos of a small block differ more than those of a large library: no more than sentences do.
    growth = min((fmean(highest) - by_block) / math.log(max(len(nearest[0]), 2)), scale)
    quantile = location - scale * math.log(-math.log(1 - ANSWERED))
    # Where one photo is near to everything the estimate is wide; no sentence came nearer than the nearest.
    bound = max(highest) + growth * math.log(photos / measured)
    cutoff = min(quantile + growth * math.log(GROWS * photos / measured), bound)
    return max(-1.0, min(math.ceil(cutoff * 1e6) / 1e6, 1.0))
