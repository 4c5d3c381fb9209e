"""From faces to people: average linkage along a graph of alike faces that obeys what people said."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from models.people.density import join_by_density
from models.people.faces import Verdicts
from models.people.graph import largest
from models.people.linkage import join_by_linkage
from models.people.partition import Partition
from models.people.questions import worth_asking

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from models.people.faces import Faces
    from models.people.scale import Scale

    Places = npt.NDArray[np.int64]

CORE_QUALITY = 0.25
"""Below, a face says little of who it is, and more of how it is blurred, small or turned away."""
CANDIDATES = 8
"""How many people are compared with a face that is left; the others are less alike."""
CLEARLY = 2
"""How many margins the next person is behind where a blurred face goes to one it is only maybe like."""
ROWS_AT_ONCE = 2_048
Engine = Callable[["Partition", "npt.NDArray[np.float32]", "Places", "Scale"], None]
ENGINES: Mapping[str, Engine] = {"graph": join_by_linkage, "hdbscan": join_by_density}
"""What joins sharp faces; told a partition, the vectors of all, the places of the sharp and the scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    labels: npt.NDArray[np.int64]
    """The cluster of each face, numbered from 0 on in order of faces; -1 for who is in none."""
    questions: Sequence[tuple[int, int, float]]
    """Pairs of faces that are worth asking for, with their cosine."""


def cluster(faces: Faces, verdicts: Verdicts, scale: Scale, *, engine: str = "graph") -> Clusters:
    """Who is the same person among `faces`.

    1. What people said is done first, and never undone: `Partition` says what wins where it is at odds.
    2. Sharp faces are joined by average linkage along the graph of alike ones, down to `scale.same`, and on
       down to `scale.maybe` where many faces of both sides are alike, as when a child grows up.
    3. What is left, blurred or alone, goes to the person whose centroid it is likest to, if that cosine is at
       least `scale.same` and the next person's is `scale.margin` behind. For a blurred one `scale.maybe` is
       enough if the next is `CLEARLY` times as far behind: blur makes it less like everybody.
       Blurred faces are alike for being blurred, so they never join anybody to anybody else.

    A cluster has two faces or somebody's name. The answer depends neither on their order nor on chance.

    Args:
        engine: One of `ENGINES`, for the second step.

    Raises:
        ValueError: a verdict is of a face that is not there, or no engine has that name.
        PackageMissing: the engine needs a package that is not installed.
    """
    import numpy as np

    verdicts.check(faces)
    if engine not in ENGINES:
        raise ValueError(f"engines are {', '.join(ENGINES)}, not {engine}")
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
    ENGINES[engine](partition, faces.vectors, np.flatnonzero(faces.quality >= CORE_QUALITY), scale)
    _attach(partition, faces.vectors, scale)
    questions = [
        (int(order[one]), int(order[other]), cosine)
        for one, other, cosine in worth_asking(partition, faces.vectors, faces.quality, scale)
    ]
    return Clusters(labels=_by_first_face(_numbered(partition)[place]), questions=questions)


def _order(faces: Faces) -> Places:
    """An order that depends on what the faces are and not on how they came."""
    import numpy as np

    return np.lexsort((faces.photos, faces.contacts, faces.quality, *faces.vectors[:, :4].T))


def _moved(verdicts: Verdicts, place: Places) -> Verdicts:
    import numpy as np

    face, contact = verdicts.excluded.T
    return Verdicts(
        same=place[verdicts.same],
        different=place[verdicts.different],
        excluded=np.stack([place[face], contact], axis=1),
    )


def _attach(partition: Partition, vectors: npt.NDArray[np.float32], scale: Scale) -> None:
    """Let who is in no cluster of sharp faces join the likest."""
    import numpy as np

    numbers = np.unique(partition.labels)
    people = numbers[(partition.cores[numbers] > 1) | (partition.contacts[numbers] >= 0)]
    people = people[partition.cores[people] > 0]
    left = numbers[(partition.cores[numbers] < 2) & (partition.contacts[numbers] < 0)]
    if not len(people) or not len(left):
        return
    blurred = partition.cores[left] == 0
    of, likeness = _likest(partition.centroids(vectors, left), partition.centroids(vectors, people))
    of = people[of]
    while True:
        pairs = np.flatnonzero(likeness >= scale.maybe - CLEARLY * scale.margin)
        row, column = np.unravel_index(pairs, likeness.shape)
        apart = partition.apart(left[row], of[row, column])
        likeness[row[apart], column[apart]] = -2
        order = np.argsort(-likeness, axis=1, kind="stable")
        first = np.take_along_axis(likeness, order[:, :1], 1)[:, 0]
        second = np.take_along_axis(likeness, order[:, 1:2], 1)[:, 0] if likeness.shape[1] > 1 else -2
        ahead = first - second
        alike = (first >= scale.same) & (ahead >= scale.margin)
        clearly = blurred & (first >= scale.maybe) & (ahead >= CLEARLY * scale.margin)
        sure = np.flatnonzero(alike | clearly)
        joined = partition.join(left[sure], of[sure, order[sure, 0]], first[sure])
        if joined.all():
            return
        likeness[sure[joined]] = -2


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
