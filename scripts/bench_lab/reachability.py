"""HDBSCAN of more unit vectors than its package gets through: the same tree, found by matrix products.

The package looks for the spanning tree one vector after the other, which for 55,000 vectors of 512 numbers
takes hours. The tree is found here in rounds (O. Borůvka, 1926), in each of which every component gets its
shortest edge outwards; nearly all are among each vector's nearest neighbours, which one product of all with
all has found. What the package makes of a tree is asked of the package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scripts.bench_lab.people_baselines import nearest

if TYPE_CHECKING:
    import numpy.typing as npt

    Places = npt.NDArray[np.int64]
    Vectors = npt.NDArray[np.float32]

NEIGHBOURS = 64
ROWS_AT_ONCE = 512


def hdbscan_by_products(
    vectors: Vectors, *, min_cluster_size: int, min_samples: int, cluster_selection_epsilon: float = 0.0
) -> Places:
    """Labels as of `hdbscan.HDBSCAN` with metric euclidean; -1 is nobody.

    Equal distances may be taken in another order, as they may by the package's own algorithms.
    """
    from hdbscan._hdbscan_linkage import label
    from hdbscan.hdbscan_ import _tree_to_labels

    edges = spanning_tree(vectors, min_samples)
    linkage = label(edges[np.argsort(edges[:, 2], kind="stable")])
    labels = _tree_to_labels(
        vectors, linkage, min_cluster_size, cluster_selection_epsilon=cluster_selection_epsilon
    )[0]
    return np.asarray(labels, np.int64)


def spanning_tree(vectors: Vectors, min_samples: int) -> npt.NDArray[np.float64]:
    """The edges (vectors - 1, 3) of a least spanning tree by mutual reachability: from, to, distance.

    That is the largest of the distance of two vectors and of either's to its `min_samples`-th neighbour.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(vectors)
    places, cosines = nearest(vectors, min(NEIGHBOURS, count - 1))
    order = np.argsort(-cosines, axis=1, kind="stable")
    places, lengths = np.take_along_axis(places, order, 1), distances(np.take_along_axis(cosines, order, 1))
    cores = lengths[:, min_samples - 1].copy()
    reaches = np.maximum(np.maximum(lengths, cores[:, None]), cores[places])
    target = np.full(count, -1)
    length = np.zeros(count, np.float32)
    bound = np.maximum(lengths[:, -1], cores)
    """No vector that is neither a neighbour nor `target` is nearer than this."""
    components = np.arange(count)
    ends: list[Places] = []
    weights: list[Vectors] = []
    while True:
        foreign = np.where(components[places] == components[:, None], np.inf, reaches)
        choice = foreign.argmin(axis=1)
        rows = np.arange(count)
        to, best = places[rows, choice], foreign[rows, choice]
        known = (target >= 0) & (components[target] != components) & (length < best)
        to, best = np.where(known, target, to), np.where(known, length, best)
        shortest = np.full(components.max() + 1, np.inf, np.float32)
        np.minimum.at(shortest, components, best)
        again = np.flatnonzero((bound < best) & (bound < shortest[components]))
        for start in range(0, len(again), ROWS_AT_ONCE):
            some = again[start : start + ROWS_AT_ONCE]
            some = some[bound[some] < shortest[components[some]]]
            found = distances(vectors[some] @ vectors.T)
            np.maximum(found, cores, out=found)
            np.maximum(found, cores[some, None], out=found)
            found[components[some][:, None] == components] = np.inf
            target[some] = to[some] = found.argmin(axis=1)
            length[some] = best[some] = bound[some] = found[np.arange(len(some)), to[some]]
            np.minimum.at(shortest, components[some], best[some])
        order = np.lexsort((best, components))
        firsts = order[np.flatnonzero(np.diff(components[order], prepend=-1))]
        ends.append(np.column_stack([firsts, to[firsts]]))
        weights.append(best[firsts])
        joined = np.concatenate(ends)
        graph = coo_array((np.ones(len(joined)), (joined[:, 0], joined[:, 1])), shape=(count, count))
        number, components = connected_components(graph, directed=False)
        if number == 1:
            break
    return _without_circles(np.column_stack([joined, np.concatenate(weights)]), count)


def distances(cosines: Vectors) -> Vectors:
    """Of unit vectors, Euclidean."""
    found: Vectors = np.sqrt(np.maximum(2 - 2 * cosines, 0))
    return found


def _without_circles(edges: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    """Two components may have chosen each other, and several of equal length a circle."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    low, high = edges[:, :2].min(axis=1).astype(int), edges[:, :2].max(axis=1).astype(int)
    _, once = np.unique(low * count + high, return_index=True)
    # A length of 0 would be no edge to scipy.
    weights = edges[once, 2] + 1
    tree = minimum_spanning_tree(coo_array((weights, (low[once], high[once])), shape=(count, count))).tocoo()
    return np.column_stack([tree.row, tree.col, tree.data - 1]).astype(np.float64)
