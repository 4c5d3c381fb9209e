"""HDBSCAN, by the package of that name, for who prefers it to average linkage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.errors import PackageMissing

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from models.people.partition import Partition
    from models.people.scale import Scale

    Places = npt.NDArray[np.int64]

MIN_CLUSTER_SIZE = 2
MIN_SAMPLES = 2
NOBODY = MIN_SAMPLES + 1
"""How many vectors of zeros: a cluster of their own, of which each has its samples."""


def join_by_density(
    partition: Partition, vectors: npt.NDArray[np.float32], sharp: Places, _scale: Scale
) -> None:
    """Join the faces `sharp` that HDBSCAN puts in one cluster, as far as they may be.

    It measures the distance of unit vectors, d² = 2 (1 - cosine), as cosine is none of its fast metrics.
    Its epsilon is a floor below which no cluster is cut, not a ceiling, and whether all faces may be one
    person has to be told beforehand: yes chains siblings, no takes a library of one person to pieces. So
    it is given `NOBODY`, too, who is at the distance 1 from everybody: two people are then never nearer to
    each other than to nobody, and from a cosine of 0.5 on one person stays one. It knows no verdicts, so
    whoever must not be in the cluster of the one likest to all of them founds another. Its time grows with
    the square of the faces.

    Raises:
        PackageMissing: the package hdbscan is not installed.
    """
    import numpy as np

    if len(sharp) <= MIN_SAMPLES:
        return
    try:
        import hdbscan
    except ImportError as error:
        raise PackageMissing("the engine hdbscan needs kizu-worker[hdbscan] to be installed") from error

    found = hdbscan.HDBSCAN(
        min_cluster_size=MIN_CLUSTER_SIZE,
        min_samples=MIN_SAMPLES,
        metric="euclidean",
        core_dist_n_jobs=1,
    ).fit(np.pad(vectors[sharp].astype(np.float64), ((NOBODY, 0), (0, 0))))
    dense = np.full(len(partition.labels), -1, np.int64)
    np.maximum.at(dense, partition.labels[sharp], found.labels_[NOBODY:].astype(np.int64))
    numbers = np.flatnonzero(dense >= 0)
    centres = np.zeros((int(dense.max(initial=-1)) + 1, vectors.shape[1]), np.float32)
    np.add.at(centres, dense[numbers], partition.sums[numbers])
    own = partition.centroids(vectors, numbers)
    likeness = np.einsum("ij,ij->i", own, centres[dense[numbers]])
    named = partition.contacts[numbers] >= 0
    order = np.lexsort((numbers, -likeness, ~named, dense[numbers]))
    numbers, likeness = numbers[order], likeness[order]
    while len(numbers):
        first = np.concatenate([[True], dense[numbers[1:]] != dense[numbers[:-1]]])
        head = numbers[first][np.cumsum(first) - 1]
        joined = partition.join(numbers[~first], head[~first], likeness[~first])
        numbers, likeness = numbers[~first][~joined], likeness[~first][~joined]
