"""Whom it is worth asking for: pairs that may be one person, where neither a guess nor a verdict says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.people.graph import alike

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from models.people.partition import Partition
    from models.people.scale import Scale

MOST_QUESTIONS = 1_000
NEIGHBOURS = 8


def worth_asking(
    partition: Partition, vectors: npt.NDArray[np.float32], quality: npt.NDArray[np.float32], scale: Scale
) -> list[tuple[int, int, float]]:
    """Two faces each, and their cosine: of two clusters whose centroids' cosine is at least `scale.maybe`.

    Each cluster is shown by a face that is sharp and near the centroid. The first is of the smaller cluster,
    which is how many faces an answer moves: the most come first, then the likest; at most `MOST_QUESTIONS`.
    Two blurred faces are not asked for, as blur alone makes them alike.
    """
    import numpy as np

    numbers = np.unique(partition.labels)
    centroids = partition.centroids(vectors, numbers)
    edges = alike(centroids, scale.maybe, neighbours=NEIGHBOURS)
    swap = partition.sizes[numbers[edges.one]] > partition.sizes[numbers[edges.other]]
    one, other = np.where(swap, edges.other, edges.one), np.where(swap, edges.one, edges.other)
    open_ = (partition.cores[numbers[one]] > 0) | (partition.cores[numbers[other]] > 0)
    open_ &= ~partition.apart(numbers[one], numbers[other])
    one, other, likeness = one[open_], other[open_], edges.likeness[open_]
    first = np.lexsort((one, -likeness, -partition.sizes[numbers[one]]))[:MOST_QUESTIONS]

    of = np.searchsorted(numbers, partition.labels)
    near = np.einsum("ij,ij->i", vectors, centroids[of])
    order = np.lexsort((-near * quality, of))
    shown = order[np.searchsorted(of[order], np.arange(len(numbers)))]
    one, other = shown[one[first]], shown[other[first]]
    cosines = np.einsum("ij,ij->i", vectors[one], vectors[other])
    return list(zip(one.tolist(), other.tolist(), cosines.tolist(), strict=True))
