"""Six covers that show different things: furthest-first on the vectors of a moment's photos."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from models.moments.moment import COVERS, Moment
from models.moments.scene import Scene

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.floating]
    Ints = npt.NDArray[np.int64]

TWIN: Final = 0.05
"""Cosine distance of two photos below which they are the same picture."""


def candidates_of(moments: Iterable[Moment]) -> list[str]:
    """The ids of the photos whose vectors `with_covers` asks for, each once, in order."""
    return sorted({photo for moment in moments for photo in moment.candidates})


def with_covers(moments: Sequence[Moment], ids: Sequence[str], vectors: Floats) -> list[Moment]:
    """The moments with covers that differ as much as they can.

    The first is the photo that is likest to all others of the moment, each next one the furthest from those
    there are. A photo that differs from a cover by less than `TWIN` is none; one without a vector is, where
    fewer than `COVERS` have one.

    Args:
        ids: Of photos, in any order; more than needed, or fewer.
        vectors: Shape (len(ids), dimension), of one model, of any length but 0.

    Raises:
        ValueError: there are not as many vectors as ids.
    """
    import numpy as np

    if vectors.ndim != 2 or len(vectors) != len(ids):
        raise ValueError(f"{len(ids)} ids have vectors of the shape {vectors.shape}")
    places = {photo: place for place, photo in enumerate(ids)}

    def covered(moment: Moment) -> Moment:
        known = [photo for photo in moment.candidates if photo in places]
        if not known:
            return moment
        found = vectors[[places[photo] for photo in known]].astype(np.float32)
        chosen = [known[at] for at in furthest_first(found)]
        bare = [photo for photo in moment.covers if photo not in places]
        return replace(moment, covers=tuple((chosen + bare)[:COVERS]))

    return [covered(moment) for moment in moments]


def furthest_first(vectors: npt.NDArray[np.float32]) -> list[int]:
    """At most `COVERS` places of vectors that differ by `TWIN` at least; of equals the first."""
    import numpy as np

    if not len(vectors):
        return []
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    chosen = [int(np.argmax(np.round(units @ units.mean(axis=0), 6)))]
    nearest = 1 - units @ units[chosen[0]]
    while len(chosen) < COVERS:
        further = int(np.argmax(np.round(nearest, 6)))
        if nearest[further] < TWIN:
            break
        chosen.append(further)
        nearest = np.minimum(nearest, 1 - units @ units[further])
    return chosen


def spread_over_time(scene: Scene, rows: Ints) -> Ints:
    """The sharpest of each of as many parts of a moment as it has covers."""
    return scene.chosen(rows, COVERS)
