"""DBSCAN along the ground, by a grid: near linear in the points, where published ones compare or store pairs.

Points are cut into the cells of a cubic grid in space, so that neither 180° nor a pole is a seam. A cell's
diagonal is the radius: its points are all neighbours of each other, and those of a cell with enough of them
all are core points, without one distance computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Final

from models.sphere import CELLS_AROUND, cells, chord, step

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

NOISE: Final = -1
_PAIRS_AT_ONCE: Final = 1 << 20
_FEW_PAIRS: Final = 64
"""Of core points of two cells; more are not all compared."""
_HOPS: Final = 3


def dbscan(points: Floats, *, radius_km: float, least: int) -> Ints:
    """Clusters of points on the unit sphere, numbered from 0 in order of their first points; -1 for noise.

    A core point has `least` points within the radius, itself counted. Core points within the radius of each
    other are of one cluster; another point within the radius of a core point is of the nearest one's. The
    answer depends on the order of the points only by its numbers.

    Raises:
        ValueError: the radius is less than 20 m.
    """
    import numpy as np

    if radius_km < 0.02:
        raise ValueError(f"a radius is 0.02 km at least, not {radius_km}")
    if not len(points):
        return np.empty(0, np.int64)
    grid = _Grid(points, radius_km)
    core = grid.core(least)
    found = np.full(len(grid.points), NOISE, np.int64)
    found[core] = grid.joined(core)[grid.cell_of[core]]
    grid.give_borders(found, core)
    labels = np.empty(len(points), np.int64)
    labels[grid.order] = found
    return _by_first_point(labels)


class _Grid:
    """Points in the order of their cells, and which cells are near each other."""

    def __init__(self, points: Floats, radius_km: float) -> None:
        import numpy as np

        self.radius = chord(radius_km)
        keys = cells(points, radius_km)
        self.order = np.argsort(keys, kind="stable")
        self.points = points[self.order]
        self.keys, self.starts, self.sizes = np.unique(
            keys[self.order], return_index=True, return_counts=True
        )
        self.cell_of = np.repeat(np.arange(len(self.keys)), self.sizes)
        self.pairs = self._pairs()

    def _pairs(self) -> Ints:
        """Shape (p, 2): cells that may have points within the radius of each other, the lower first."""
        import numpy as np

        steps = range(-CELLS_AROUND, CELLS_AROUND + 1)
        found = []
        for x, y, z in product(steps, steps, steps):
            if (x, y, z) <= (0, 0, 0):
                continue
            sought = self.keys + step(x, y, z)
            at = np.searchsorted(self.keys, sought)
            at[at == len(self.keys)] = 0
            there = np.flatnonzero(self.keys[at] == sought)
            found.append(np.stack([there, at[there]], axis=1))
        return np.concatenate(found)

    def members(self, cell: int) -> slice:
        return slice(int(self.starts[cell]), int(self.starts[cell] + self.sizes[cell]))

    def core(self, least: int) -> npt.NDArray[np.bool_]:
        """Which points have enough neighbours."""
        import numpy as np

        counts = self.sizes[self.cell_of].copy()
        sparse = self.sizes < least
        both = np.concatenate([self.pairs, self.pairs[:, ::-1]])
        for one, other in self._products(both[sparse[both[:, 0]]]):
            near = self._within(one, other)
            np.add.at(counts, one[near], 1)
        is_core: npt.NDArray[np.bool_] = counts >= least
        return is_core

    def joined(self, core: npt.NDArray[np.bool_]) -> Ints:
        """Of each cell, the lowest cell that its core points are connected with."""
        import numpy as np

        first = np.concatenate([[0], np.cumsum(core)])
        cores = first[self.starts + self.sizes] - first[self.starts]
        parents = list(range(len(self.keys)))

        def root(cell: int) -> int:
            while parents[cell] != cell:
                parents[cell] = cell = parents[parents[cell]]
            return cell

        def join(pairs: Ints) -> None:
            for one, other in pairs.tolist():
                low, high = sorted((root(one), root(other)))
                parents[high] = low

        pairs = self.pairs[(cores[self.pairs] > 0).all(axis=1)]
        # Of most cells that touch any two points are near enough, and then nothing else is compared.
        any_core = np.flatnonzero(core)[first[self.starts[pairs]]]
        near = self._within(*any_core.T)
        join(pairs[near])
        roots = np.array([root(cell) for cell in range(len(parents))])
        pairs = pairs[~near & (roots[pairs[:, 0]] != roots[pairs[:, 1]])]
        are_few = cores[pairs].prod(axis=1) <= _FEW_PAIRS
        for one, other in self._products(pairs[are_few]):
            both = core[one] & core[other]
            both[both] = self._within(one[both], other[both])
            join(np.unique(self.cell_of[np.stack([one[both], other[both]], axis=1)], axis=0))
        for one_cell, other_cell in pairs[~are_few].tolist():
            if root(one_cell) != root(other_cell) and self._touch(one_cell, other_cell, core):
                join(np.array([[one_cell, other_cell]]))
        return np.array([root(cell) for cell in range(len(parents))], np.int64)

    def give_borders(self, found: Ints, core: npt.NDArray[np.bool_]) -> None:
        """Let other points near core points be of the nearest one's cluster; the first of equals."""
        import numpy as np

        bare = np.zeros(len(self.keys), bool)
        bare[self.cell_of[~core]] = True
        itself = np.arange(len(self.keys)).repeat(2).reshape(-1, 2)
        pairs = np.concatenate([self.pairs, self.pairs[:, ::-1], itself])
        nearest = np.full(len(found), np.inf)
        for one, other in self._products(pairs[bare[pairs[:, 0]]]):
            asked = ~core[one] & core[other]
            one, other = one[asked], other[asked]
            far = np.sum((self.points[one] - self.points[other]) ** 2, axis=1)
            best = np.lexsort((self.order[other], far, one))
            one, other, far = one[best], other[best], far[best]
            heads = np.flatnonzero(np.diff(one, prepend=-1))
            one, other, far = one[heads], other[heads], far[heads]
            nearer = (far <= self.radius**2) & (far < nearest[one])
            nearest[one[nearer]] = far[nearer]
            found[one[nearer]] = found[other[nearer]]

    def _within(self, one: Ints, other: Ints) -> npt.NDArray[np.bool_]:
        import numpy as np

        near: npt.NDArray[np.bool_] = (
            np.sum((self.points[one] - self.points[other]) ** 2, axis=1) <= self.radius**2
        )
        return near

    def _products(self, pairs: Ints) -> Iterator[tuple[Ints, Ints]]:
        """Every point of the one cell with every point of the other, of many pairs of cells at once."""
        import numpy as np

        counts = self.sizes[pairs[:, 0]] * self.sizes[pairs[:, 1]]
        parts = np.cumsum(counts) // _PAIRS_AT_ONCE
        for part in np.split(np.arange(len(pairs)), np.flatnonzero(np.diff(parts)) + 1):
            near, count = pairs[part], counts[part]
            within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
            width = np.repeat(self.sizes[near[:, 1]], count)
            first, second = np.repeat(self.starts[near], count, axis=0).T
            yield first + within // width, second + within % width

    def _touch(self, one: int, other: int, core: npt.NDArray[np.bool_]) -> bool:
        """Whether core points of two cells are within the radius of each other."""
        import numpy as np

        ours, theirs = (self.points[self.members(cell)][core[self.members(cell)]] for cell in (one, other))
        limit = self.radius**2
        # Nearest to nearest finds a close pair at once where there are many; most cells that touch have them.
        near = theirs.mean(axis=0)
        for _ in range(_HOPS):
            mine = ours[np.argmin(np.sum((ours - near) ** 2, axis=1))]
            far = np.sum((theirs - mine) ** 2, axis=1)
            near = theirs[np.argmin(far)]
            if far.min() <= limit:
                return True
        ours, theirs = self._facing(ours, theirs), self._facing(theirs, ours)
        rows = max(1, _PAIRS_AT_ONCE // max(1, len(theirs)))
        return any(
            (np.sum((ours[start : start + rows, None] - theirs) ** 2, axis=-1) <= limit).any()
            for start in range(0, len(ours), rows)
        )

    def _facing(self, points: Floats, others: Floats) -> Floats:
        """The points within the radius of the others' box."""
        import numpy as np

        nearest = np.clip(points, others.min(axis=0), others.max(axis=0))
        facing: Floats = points[np.sum((points - nearest) ** 2, axis=1) <= self.radius**2]
        return facing


def _by_first_point(labels: Ints) -> Ints:
    """The same clusters, numbered from 0 on in order of their first points."""
    import numpy as np

    numbers, first, place = np.unique(labels, return_index=True, return_inverse=True)
    real = np.flatnonzero(numbers != NOISE)
    ranks = np.full(len(numbers), NOISE, np.int64)
    ranks[real[np.argsort(first[real])]] = np.arange(len(real))
    return ranks[place]
