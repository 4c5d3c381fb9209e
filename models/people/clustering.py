"""From faces to people: average linkage along a graph of alike faces that obeys what people said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from models.people.faces import Verdicts
from models.people.graph import alike, largest
from models.people.partition import Partition

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from models.people.faces import Faces
    from models.people.scale import Scale

    Places = npt.NDArray[np.int64]

CORE_QUALITY = 0.25
SLACK = 0.03
CANDIDATES = 8
ROWS_AT_ONCE = 2_048
MOST_QUESTIONS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    labels: npt.NDArray[np.int64]
    """The cluster of each face, numbered from 0 on in order of faces; -1 for who is in none."""
    questions: Sequence[tuple[int, int, float]]
    """Pairs of faces that are worth asking for, with their cosine."""


def cluster(faces: Faces, verdicts: Verdicts, scale: Scale) -> Clusters:
    """Who is the same person among `faces`.

    1. What people said is done first, and never undone: `Partition` says what wins where it is at odds.
    2. Sharp faces are joined by average linkage along the graph of alike ones, down to `scale.same`.
    3. What is left, blurred or alone, goes to the person whose centroid it is likest to, if that cosine is at
       least `scale.same` and the next person's is `scale.margin` behind. Blurred faces are alike for
       being blurred, so they never join anybody to anybody else.

    A cluster has two faces or somebody's name. The answer depends neither on their order nor on chance.

    Raises:
        ValueError: a verdict is of a face that is not there.
    """
    import numpy as np

    verdicts.check(faces)
    if not len(faces):
        return Clusters(labels=np.empty(0, np.int64), questions=[])
    order = _order(faces)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    faces = replace(
        faces,
        vectors=faces.vectors[order],
        photos=faces.photos[order],
        quality=faces.quality[order],
        contacts=faces.contacts[order],
    )
    partition = Partition(faces, _moved(verdicts, place), faces.quality >= CORE_QUALITY)
    sharp = np.flatnonzero(faces.quality >= CORE_QUALITY)
    edges = alike(faces.vectors[sharp], scale.maybe)
    _agglomerate(partition, sharp[edges.one], sharp[edges.other], scale.same)
    _attach(partition, faces.vectors, scale)
    return Clusters(labels=_by_first_face(_numbered(partition)[place]), questions=[])


def _order(faces: Faces) -> Places:
    """An order that depends on what the faces are and not on how they came."""
    import numpy as np

    return np.lexsort((*faces.vectors[:, :4].T, faces.quality, faces.contacts, faces.photos))


def _moved(verdicts: Verdicts, place: Places) -> Verdicts:
    import numpy as np

    face, contact = verdicts.excluded.T
    return Verdicts(
        same=place[verdicts.same],
        different=place[verdicts.different],
        excluded=np.stack([place[face], contact], axis=1),
    )


def _agglomerate(partition: Partition, one: Places, other: Places, floor: float) -> None:
    """Join the likest clusters until none are as alike as `floor`, as far as `one` and `other` are linked.

    Each round joins all pairs that are each other's likest, and to these the clusters that are almost as
    alike to one of them (by `SLACK`) as anybody: without, thousands of faces of one person would take as many
    rounds.
    """
    import numpy as np

    count = len(partition.labels)
    one, other = partition.labels[one], partition.labels[other]
    likeness = partition.likeness(one, other)
    while True:
        close = (likeness >= floor) & (one != other)
        one, other, likeness = one[close], other[close], likeness[close]
        if not len(one):
            return
        joining, into, how = _nearest(partition, one, other, likeness)
        apart = partition.apart(joining, into)
        joined = np.zeros(len(joining), bool)
        joined[~apart] = partition.join(joining[~apart], into[~apart], how[~apart])

        changed = np.zeros(count, bool)
        changed[into[joined]] = True
        never = np.minimum(joining, into)[apart] * count + np.maximum(joining, into)[apart]
        possible = ~np.isin(one * count + other, never)
        moved = np.arange(count)
        moved[joining[joined]] = into[joined]
        one, other = moved[one[possible]], moved[other[possible]]
        pairs, first = np.unique(np.minimum(one, other) * count + np.maximum(one, other), return_index=True)
        one, other, likeness = pairs // count, pairs % count, likeness[possible][first]
        stale = changed[one] | changed[other]
        likeness[stale] = partition.likeness(one[stale], other[stale])


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


def _attach(partition: Partition, vectors: npt.NDArray[np.float32], scale: Scale) -> None:
    """Let who is in no cluster of sharp faces join the likest."""
    import numpy as np

    numbers = np.unique(partition.labels)
    people = numbers[(partition.cores[numbers] > 1) | (partition.contacts[numbers] >= 0)]
    people = people[partition.cores[people] > 0]
    left = numbers[(partition.cores[numbers] < 2) & (partition.contacts[numbers] < 0)]
    if not len(people) or not len(left):
        return
    of, likeness = _likest(_centroids(partition, vectors, left), _centroids(partition, vectors, people))
    of = people[of]
    while True:
        pairs = np.flatnonzero(likeness >= scale.same - scale.margin)
        row, column = np.unravel_index(pairs, likeness.shape)
        apart = partition.apart(left[row], of[row, column])
        likeness[row[apart], column[apart]] = -2
        order = np.argsort(-likeness, axis=1, kind="stable")
        first = np.take_along_axis(likeness, order[:, :1], 1)[:, 0]
        second = np.take_along_axis(likeness, order[:, 1:2], 1)[:, 0] if likeness.shape[1] > 1 else -2
        sure = np.flatnonzero((first >= scale.same) & (first - second >= scale.margin))
        joined = partition.join(left[sure], of[sure, order[sure, 0]], first[sure])
        if joined.all():
            return
        likeness[sure[joined]] = -2


def _centroids(
    partition: Partition, vectors: npt.NDArray[np.float32], numbers: Places
) -> npt.NDArray[np.float32]:
    """The unit vector of each cluster's sharp faces, or of its blurred ones if it has no others."""
    import numpy as np

    sums = partition.sums[numbers]
    place = np.full(len(partition.labels), -1, np.int64)
    blurred = partition.cores[numbers] == 0
    place[numbers[blurred]] = np.flatnonzero(blurred)
    members = np.flatnonzero(place[partition.labels] >= 0)
    np.add.at(sums, place[partition.labels[members]], vectors[members])
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return (sums / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def _likest(
    asking: npt.NDArray[np.float32], people: npt.NDArray[np.float32]
) -> tuple[Places, npt.NDArray[np.float32]]:
    """The `CANDIDATES` likest people of each."""
    import numpy as np

    width = min(CANDIDATES, len(people))
    of = np.empty((len(asking), width), np.int64)
    likeness = np.empty((len(asking), width), np.float32)
    for start in range(0, len(asking), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        found = asking[part] @ people.T
        of[part] = largest(found, width)
        likeness[part] = np.take_along_axis(found, of[part], 1)
    return of, likeness


def _numbered(partition: Partition) -> Places:
    """The cluster of each face, -1 for faces alone whom nobody named."""
    import numpy as np

    alone = (partition.sizes < 2) & (partition.contacts < 0)
    return np.where(alone[partition.labels], -1, partition.labels)


def _by_first_face(labels: Places) -> Places:
    """The same clusters, numbered from 0 on in order of their first faces."""
    import numpy as np

    numbers, first, place = np.unique(labels, return_index=True, return_inverse=True)
    named = np.flatnonzero(numbers >= 0)
    rank = np.full(len(numbers), -1, np.int64)
    rank[named[np.argsort(first[named])]] = np.arange(len(named))
    return rank[place]
