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
MIN_SAMPLES = 3


def join_by_density(
    partition: Partition, vectors: npt.NDArray[np.float32], sharp: Places, scale: Scale
) -> None:
    """Join the faces `sharp` that HDBSCAN puts in one cluster, as far as they may be.

    It measures the distance of unit vectors, d² = 2 (1 - cosine), as cosine is none of its fast metrics. The
    distance at `scale.same` is a floor, not a ceiling: no cluster is cut into parts that are nearer to each
    other, and what is further apart may still be one. It knows no verdicts, so whoever must not be in the
    cluster of the one likest to all of them founds another. Its time grows with the square of the faces.

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
        allow_single_cluster=True,  # otherwise all faces of a library of one person are noise
        cluster_selection_epsilon=float((2 * (1 - scale.same)) ** 0.5),
        core_dist_n_jobs=1,
    ).fit(vectors[sharp].astype(np.float64))
    dense = np.full(len(partition.labels), -1, np.int64)
    np.maximum.at(dense, partition.labels[sharp], found.labels_.astype(np.int64))
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
