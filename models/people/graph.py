"""Which faces are alike: for each its nearest others, found without comparing everybody with everybody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt

NEIGHBOURS = 16
PROBES = 3
"""In how many cells a face looks for its neighbours."""
FACES_PER_CELL = 128
MOST_PER_CELL = 4_096
"""A larger cell, of faces that are as good as equal, is cut, and each face looks in two pieces: it bounds the
memory of a product (64 MiB) and the time."""
SAMPLES_PER_CELL = 24
ROUNDS = 4
EXACT_BELOW = 2_048
"""Up to here one product of all with all is faster than cells."""
ROWS_AT_ONCE = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Pairs of alike faces, each once, the smaller place in `one`, in order of places."""

    one: npt.NDArray[np.int64]
    other: npt.NDArray[np.int64]
    likeness: npt.NDArray[np.float32]
    """Their cosine."""


def alike(vectors: npt.NDArray[np.float32], floor: float, *, neighbours: int = NEIGHBOURS) -> Edges:
    """Pairs whose cosine is at least `floor`, of which one is among the `neighbours` nearest of the other.

    `vectors` have the shape (n, dimension) and length 1. From `EXACT_BELOW` on it is approximate: vectors are
    put into cells around centres, and compared within the `PROBES` nearest cells of each. What is lost are
    mostly neighbours that are far away. The same vectors in the same order give the same pairs.
    """
    import numpy as np

    count = len(vectors)
    if count < 2:
        nothing = np.empty(0, np.int64)
        return Edges(one=nothing, other=nothing, likeness=np.empty(0, np.float32))
    nearest = np.full((count, neighbours), -1, np.int32)
    likeness = np.full((count, neighbours), -2, np.float32)
    for asking, cell in _comparisons(vectors):
        found = vectors[asking] @ vectors[cell].T
        itself = np.searchsorted(cell, asking).clip(max=len(cell) - 1)
        rows = np.flatnonzero(cell[itself] == asking)
        found[rows, itself[rows]] = -2
        places = largest(found, neighbours)
        closer = np.take_along_axis(found, places, 1)
        all_found = np.concatenate([likeness[asking], closer], axis=1)
        all_places = np.concatenate([nearest[asking], cell[places].astype(np.int32)], axis=1)
        kept = largest(all_found, neighbours)
        likeness[asking] = np.take_along_axis(all_found, kept, 1)
        nearest[asking] = np.take_along_axis(all_places, kept, 1)
    asking, column = np.nonzero(likeness >= floor)
    answer = nearest[asking, column].astype(np.int64)
    pairs = np.minimum(asking, answer) * count + np.maximum(asking, answer)
    pairs, first = np.unique(pairs, return_index=True)
    return Edges(one=pairs // count, other=pairs % count, likeness=likeness[asking, column][first])


def largest(found: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.int64]:
    """The columns of the `count` largest numbers of each row, in no order."""
    import numpy as np

    if found.shape[1] <= count:
        return np.broadcast_to(np.arange(found.shape[1]), found.shape)
    return np.argpartition(found, -count, axis=1)[:, -count:]


def _comparisons(
    vectors: npt.NDArray[np.float32],
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Who looks for neighbours among whom, in blocks; both are places, in order."""
    import numpy as np

    count = len(vectors)
    if count <= EXACT_BELOW:
        yield np.arange(count), np.arange(count)
        return
    centres = _centres(vectors, -(-count // FACES_PER_CELL))
    cells = np.empty((count, PROBES), np.int32)
    for start in range(0, count, ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        found = vectors[part] @ centres.T
        places = largest(found, PROBES)
        order = np.argsort(-np.take_along_axis(found, places, 1), axis=1, kind="stable")
        cells[part] = np.take_along_axis(places, order, 1)
    members = _by_group(cells[:, 0], len(centres))
    askers = _by_group(cells.ravel(), len(centres))
    for member, asker in zip(members, askers, strict=True):
        asking = asker // PROBES
        pieces = -(-len(member) // MOST_PER_CELL)
        turn = np.arange(len(asking)) % max(pieces, 1)
        for piece in range(pieces):
            # Two pieces each, so that no piece is without a link to the others.
            of_piece = asking[(turn == piece) | (turn == (piece + 1) % pieces)]
            for start in range(0, len(of_piece), ROWS_AT_ONCE):
                yield of_piece[start : start + ROWS_AT_ONCE], member[piece::pieces]


def _centres(vectors: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.float32]:
    """Spherical k-means of a sample that is spread evenly over the places."""
    import numpy as np

    sample = vectors[:: max(len(vectors) // (count * SAMPLES_PER_CELL), 1)]
    centres = sample[np.random.default_rng(0).choice(len(sample), count, replace=False)]
    for _ in range(ROUNDS):
        nearest = np.concatenate(
            [
                (sample[start : start + ROWS_AT_ONCE] @ centres.T).argmax(axis=1)
                for start in range(0, len(sample), ROWS_AT_ONCE)
            ]
        )
        order = np.argsort(nearest, kind="stable")
        used, first = np.unique(nearest[order], return_index=True)
        sums = np.add.reduceat(sample[order], first, axis=0)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = centres.copy()
        centres[used] = np.where(lengths > 0, sums / np.where(lengths > 0, lengths, 1), centres[used])
    return centres


def _by_group(groups: npt.NDArray[np.int32], count: int) -> list[npt.NDArray[np.int64]]:
    """The places of each group from 0 to `count`, in order."""
    import numpy as np

    order = np.argsort(groups, kind="stable")
    return np.split(order, np.searchsorted(groups[order], np.arange(1, count)))
