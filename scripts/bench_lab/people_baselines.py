"""What clustering is compared with: a bare search for neighbours, and three other ways to find people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypedDict

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Places = npt.NDArray[np.int64]
    Vectors = npt.NDArray[np.float32]


class Settings(TypedDict):
    """Those of HDBSCAN that are set."""

    min_cluster_size: int
    min_samples: int
    cluster_selection_epsilon: float


NEIGHBOURS = 16
ROWS_AT_ONCE = 1_024
ORIGINAL: Final[Settings] = {"min_cluster_size": 2, "min_samples": 1, "cluster_selection_epsilon": 0.4}
"""HDBSCAN as the system before this one: 1 less its threshold, 0.6, is taken for a distance, a floor."""
PLAIN: Final[Settings] = {"min_cluster_size": 2, "min_samples": 2, "cluster_selection_epsilon": 0.0}
"""HDBSCAN with nothing set but what a person is: two faces; the package then has as many samples."""
MIN_FACES = 3
MAX_DISTANCE = 0.5
"""Of the core/non-core clusterer, as its authors ship it for the same face models: a cosine of 0.5."""


def nearest(vectors: Vectors, neighbours: int = NEIGHBOURS) -> tuple[Places, Vectors]:
    """The nearest others of each, in no order, with their cosines: exactly, all with all, by BLAS."""
    places = np.empty((len(vectors), neighbours), np.int64)
    cosines = np.empty((len(vectors), neighbours), np.float32)
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        found = vectors[start : start + ROWS_AT_ONCE] @ vectors.T
        rows = np.arange(len(found))
        found[rows, start + rows] = -2
        part = slice(start, start + len(found))
        places[part] = np.argpartition(found, -neighbours, axis=1)[:, -neighbours:]
        cosines[part] = np.take_along_axis(found, places[part], 1)
    return places, cosines


def hdbscan_by_package(
    vectors: Vectors, *, min_cluster_size: int, min_samples: int, cluster_selection_epsilon: float
) -> Places:
    """As the package `hdbscan` finds them; -1 is nobody."""
    import hdbscan

    found = hdbscan.HDBSCAN(
        metric="euclidean",
        core_dist_n_jobs=1,
        min_cluster_size=min_cluster_size,
        min_samples=min_samples,
        cluster_selection_epsilon=cluster_selection_epsilon,
    ).fit(vectors.astype(np.float64))
    return found.labels_.astype(np.int64)


def core_with_deferral(vectors: Vectors, arrival: Places) -> Places:
    """Faces one by one: a core face, with enough near it, joins the nearest who has a person or founds one.

    The others are put off until all core faces are through, and then join the nearest who has a person.
    """
    places, cosines = nearest(vectors, 64)
    order = np.argsort(-cosines, axis=1, kind="stable")
    places, cosines = np.take_along_axis(places, order, 1), np.take_along_axis(cosines, order, 1)
    near = (cosines >= 1 - MAX_DISTANCE).sum(axis=1)
    labels = np.full(len(vectors), -1, np.int64)
    people = 0
    for face in [*arrival[near[arrival] + 1 >= MIN_FACES], *arrival[near[arrival] + 1 < MIN_FACES]]:
        known = labels[places[face, : near[face]]]
        known = known[known >= 0]
        if len(known):
            labels[face] = known[0]
        elif near[face] + 1 >= MIN_FACES:
            labels[face] = people
            people += 1
    return labels
