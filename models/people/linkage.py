"""Average linkage along a graph of alike faces: the likest clusters are joined first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.people.graph import alike

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from models.people.partition import Partition
    from models.people.scale import Scale

    Places = npt.NDArray[np.int64]

SLACK = 0.03
"""A cosine: of a cluster's likeness to two others, a smaller difference than this is none."""
ROWS_AT_ONCE = 1_024
CHAIN_FACES = 3
CHAIN_SHARE = 0.1
"""At least so many faces of either side, as a share of the smaller one, have a near face on the other where a
child grew up. In generated libraries they are an eighth and more, and next to none of siblings, whose
nearest faces are their own."""


def join_by_linkage(
    partition: Partition, vectors: npt.NDArray[np.float32], sharp: Places, scale: Scale
) -> None:
    """Join clusters of the faces `sharp` whose mean cosine is at least `scale.same`; then who grew up.

    The mean cosine of all pairs is exact, as it is the product of two mean vectors; the graph only says which
    clusters are compared at all.
    """
    edges = alike(vectors[sharp], scale.maybe)
    one, other = sharp[edges.one], sharp[edges.other]
    _agglomerate(partition, one, other, scale.same)
    strong = edges.likeness >= scale.same
    _join_chains(partition, vectors, one[strong], other[strong], edges.likeness[strong], scale.maybe)


def _agglomerate(partition: Partition, one: Places, other: Places, floor: float) -> None:
    """Join the likest clusters until none are as alike as `floor`, as far as `one` and `other` are linked.

    Each round joins all pairs that are each other's likest, and to these the clusters that are almost as
    alike to one of them (by `SLACK`) as anybody: without, thousands of faces of one person would take as many
    rounds.
    """
    import numpy as np

    count = len(partition.labels)
    one, other = partition.labels[one], partition.labels[other]
    likeness = np.empty(len(one), np.float32)
    stale = np.ones(len(one), bool)
    while True:
        likeness[stale] = partition.likeness(one[stale], other[stale])
        close = (likeness >= floor) & (one != other)
        asked = np.flatnonzero(close & stale)
        close[asked] = ~partition.apart(one[asked], other[asked])
        one, other, likeness = one[close], other[close], likeness[close]
        if not len(one):
            return
        joining, into, how = _nearest(partition, one, other, likeness)
        joined = partition.join(joining, into, how)

        moved = np.arange(count)
        moved[joining[joined]] = into[joined]
        changed = np.zeros(count, bool)
        changed[into[joined]] = True
        one, other = moved[one], moved[other]
        pairs, first = np.unique(np.minimum(one, other) * count + np.maximum(one, other), return_index=True)
        one, other, likeness = pairs // count, pairs % count, likeness[first]
        stale = changed[one] | changed[other]


def _nearest(
    partition: Partition, one: Places, other: Places, likeness: npt.NDArray[np.float32]
) -> tuple[Places, Places, npt.NDArray[np.float32]]:
    """Who joins whom in a round: nobody twice, nobody who is joined."""
    import numpy as np

    count = len(partition.labels)
    best = np.full(count, -np.inf, np.float32)
    np.maximum.at(best, one, likeness)
    np.maximum.at(best, other, likeness)
    asking = np.concatenate([one[likeness == best[one]], other[likeness == best[other]]])
    asked = np.concatenate([other[likeness == best[one]], one[likeness == best[other]]])
    order = np.lexsort((asked, asking))
    asking, first = np.unique(asking[order], return_index=True)
    asked = asked[order][first]
    mutual = best[asking] >= best[asked] - SLACK
    asking, asked = asking[mutual], asked[mutual]
    to = np.full(count, -1, np.int64)
    to[asking] = asked
    # Of two who are each other's likest, the named one stays, then the larger.
    weight = np.where(partition.contacts >= 0, count, 0) + partition.sizes
    each_other = to[asked] == asking
    light = (weight[asking] < weight[asked]) | ((weight[asking] == weight[asked]) & (asking > asked))
    head = np.zeros(count, bool)
    head[asking[each_other & ~light]] = True
    joins = np.where(each_other, light, head[asked] & (partition.contacts[asking] < 0))
    return asking[joins], asked[joins], best[asking[joins]]


def _join_chains(
    partition: Partition,
    vectors: npt.NDArray[np.float32],
    one: Places,
    other: Places,
    cosines: npt.NDArray[np.float32],
    floor: float,
) -> None:
    """Join what many strong links from face to face join, though the ends of it are not alike any more.

    A link counts for a face that is as like to the other face as to its own cluster on average: so it
    does where a childhood was cut, and not between siblings.
    """
    import numpy as np

    count = len(partition.labels)
    face, linked = np.concatenate([one, other]), np.concatenate([other, one])
    link = np.concatenate([cosines, cosines])
    while True:
        across = np.flatnonzero(partition.labels[face] != partition.labels[linked])
        face, linked, link = face[across], linked[across], link[across]
        here, there = partition.labels[face], partition.labels[linked]
        own = np.empty(len(face), np.float32)
        for start in range(0, len(face), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            own[part] = np.einsum("ij,ij->i", vectors[face[part]], partition.sums[here[part]])
        others = partition.cores[here] - 1
        close = (others == 0) | (link * others >= own - 1)
        of_face = np.unique(np.stack([here, there, face], axis=1)[close], axis=0)
        sides, faces = np.unique(of_face[:, 0] * count + of_face[:, 1], return_counts=True)
        here, there = sides // count, sides % count
        smaller = np.minimum(partition.cores[here], partition.cores[there])
        wanted = np.minimum(np.maximum(CHAIN_FACES, CHAIN_SHARE * smaller), partition.cores[here])
        chained = sides[faces >= wanted]
        # A pair is there twice, once from either side.
        both = chained[np.isin(chained % count * count + chained // count, chained)]
        here, there = both // count, both % count
        here, there = here[here < there], there[here < there]
        likeness = partition.likeness(here, there)
        possible = (likeness >= floor) & ~partition.apart(here, there)
        joining, into, how = _nearest(partition, here[possible], there[possible], likeness[possible])
        if not partition.join(joining, into, how).any():
            return
