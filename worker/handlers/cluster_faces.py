"""Clusters all faces of a user anew: who is the same person, as far as faces and what people said tell.

Faces are read page by page while the library goes on changing; the database writes what was found as far as
it goes together with what happened meanwhile. Names and ids stay with those who keep most of their faces.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib import import_module
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from models.people.scale import Scale
from worker.clustering import Clustered, cluster
from worker.context import Context
from worker.core.errors import TooLarge
from worker.core.handler import Handler
from worker.core.job import Done, Replace
from worker.core.rows import Row
from worker.halves import halves_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MOST_FACES: Final = 300_000
"""Of one user; their vectors in half precision are 300 MB."""
MOST_MOVES: Final = 10_000
"""That one settlement writes; what is left is for a run after it. A busy machine of two cores wrote 20,000 in
6.7 s, and what an app's user does may take 8 s."""


class Params(BaseModel):
    """The params of a `cluster_faces` job: there are none."""

    model_config = ConfigDict(extra="ignore")


@dataclass(slots=True)
class Library:
    """What was read of a user's faces; faces and contacts are numbered in the order in which they came."""

    faces: dict[str, int] = field(default_factory=dict)
    """Number by face_id."""
    photos: dict[str, int] = field(default_factory=dict)
    contacts: dict[str, int] = field(default_factory=dict)
    former: list[str | None] = field(default_factory=list)
    """Each face's cluster."""
    said: list[int] = field(default_factory=list)
    """The number of the contact that people said each face is; -1 for nobody."""
    photo: list[int] = field(default_factory=list)
    quality: list[float] = field(default_factory=list)
    taken_on: list[date | None] = field(default_factory=list)
    vectors: list[npt.NDArray[np.float16]] = field(default_factory=list)
    clusters: dict[str, str | None] = field(default_factory=dict)
    """Contact by cluster."""
    births: dict[str, date] = field(default_factory=dict)
    """By contact."""
    pairs: list[Row] = field(default_factory=list)
    exclusions: list[Row] = field(default_factory=list)

    def add(self, face: Row) -> None:
        """A face as `people_faces` tells it.

        One that was read before, and came again as its photo changed, counts as it was then.
        """
        if face["face_id"] in self.faces:
            return
        self.faces[face["face_id"]] = len(self.faces)
        self.former.append(face["cluster_id"])
        self.photo.append(self.photos.setdefault(face["asset_id"], len(self.photos)))
        contact = face["contact_id"]
        self.said.append(-1 if contact is None else self.number(contact))
        quality = face["quality"]
        self.quality.append(1.0 if quality is None else quality)
        self.taken_on.append(date.fromisoformat(face["taken_on"]) if face["taken_on"] else None)
        self.vectors.append(halves_of(face["vector"]))

    def number(self, contact_id: str) -> int:
        """The contact's number, a new one if nothing named it before."""
        return self.contacts.setdefault(contact_id, len(self.contacts))

    def arrays(self) -> dict[str, Any]:
        """The arrays of `models.people.faces.Faces` and `Verdicts`, by name."""
        import numpy as np

        return {
            "vectors": np.stack(self.vectors),
            "photos": np.array(self.photo, np.int64),
            "quality": np.array(self.quality, np.float32),
            "contacts": np.array(self.said, np.int64),
            "same": self._places([pair for pair in self.pairs if pair["same"]]),
            "different": self._places([pair for pair in self.pairs if not pair["same"]]),
            "excluded": self._excluded(),
        }

    def _places(self, pairs: Sequence[Row]) -> npt.NDArray[np.int64]:
        """Numbers of the faces of pairs, of those that are there."""
        import numpy as np

        oldest_first = sorted(pairs, key=lambda pair: pair["verdict_id"])
        numbers = [
            (self.faces.get(pair["face_id"]), self.faces.get(pair["other_id"])) for pair in oldest_first
        ]
        return np.array([pair for pair in numbers if None not in pair], np.int64).reshape(-1, 2)

    def _excluded(self) -> npt.NDArray[np.int64]:
        """Faces with contacts that they are not: people said so, or their photo is older than the contact."""
        import numpy as np

        said = [
            (self.faces[row["face_id"]], self.contacts[row["contact_id"]])
            for row in self.exclusions
            if row["face_id"] in self.faces and row["contact_id"] in self.contacts
        ]
        unborn = [
            (face, self.contacts[contact])
            for contact, birth in self.births.items()
            if contact in self.contacts
            for face, taken in enumerate(self.taken_on)
            if taken is not None and taken < birth and self.said[face] != self.contacts[contact]
        ]
        return np.array([*said, *unborn], np.int64).reshape(-1, 2)


async def cluster_faces(params: Params, context: Context) -> Done:
    context.progress(5, "reading")
    await asyncio.to_thread(import_module, "numpy")  # takes a moment, the first time
    with context.record.stage("read"):
        states = (await context.rows.call("people_state", {})).rows
        if not states:
            return Done(result={"faces": 0, "people": 0, "moved": 0})
        state = states[0]
        library = await read(context)
    scale = Scale(same=state["same"], maybe=state["maybe"], margin=state["margin"])
    clustered = None
    if library.faces:
        context.progress(30, "clustering")
        with context.record.stage("cluster"):
            faces = await asyncio.to_thread(library.arrays)
            clustered = await cluster(
                faces, scale, context.settings.people_engine, threads=context.settings.model_threads
            )
    context.progress(85, "writing")
    moves = await asyncio.to_thread(moves_of, library, clustered) if clustered else []
    more, moves = len(moves) > MOST_MOVES, moves[:MOST_MOVES]
    questions = questions_of(library, clustered) if clustered else []
    with context.record.stage("write"):
        staged = await context.staging.keep("people", [*moves, *questions])
    people = len(set(clustered.labels.tolist()) - {-1}) if clustered else 0
    context.record.count("faces", len(library.faces))
    context.record.count("people", people)
    context.record.count("moved", len(moves))
    told = {name: state[name] for name in ("model_version", "last_verdict", "read_at")}
    return Done(
        result={"faces": len(library.faces), "people": people, "moved": len(moves)},
        writes=[
            Replace(
                table="face_clusters",
                scope={**told, "faces": len(library.faces), "more": more},
                rows=staged,
            ),
        ],
    )


async def read(context: Context) -> Library:
    """All faces of the job's user, and what people said of them.

    Raises:
        TooLarge: there are more faces than a clustering takes.
    """
    library = Library()
    async for page in context.rows.pages("people_clusters", {}):
        library.clusters.update((row["cluster_id"], row["contact_id"]) for row in page)
    async for page in context.rows.pages("people_births", {}):
        library.births.update((row["contact_id"], date.fromisoformat(row["birth_date"])) for row in page)
    async for page in context.rows.pages("people_faces", {}):
        for face in page:
            library.add(face)
        if len(library.faces) > MOST_FACES:
            raise TooLarge(
                f"the library has more than {MOST_FACES} faces, the most that are clustered at once"
            )
        context.progress(5 + 20 * len(library.faces) // MOST_FACES, "reading")
    async for page in context.rows.pages("people_pairs", {}):
        library.pairs.extend(page)
    async for page in context.rows.pages("people_exclusions", {}):
        library.exclusions.extend(page)
    return library


def moves_of(library: Library, clustered: Clustered) -> list[dict[str, Any]]:
    """The faces that change their cluster, as kizu.replace_clusters takes them.

    The large clusters come first, each with all its faces one after the other, and first those of which
    people said something: so what is written goes together, wherever the list is cut.
    """
    ids, made = ids_of(library, clustered)
    sizes = Counter(clustered.labels.tolist())
    told = {face for pair in library.pairs for face in (pair["face_id"], pair["other_id"])}
    moves = [
        (
            (label < 0, -sizes[label], label, said < 0 and face not in told),
            {
                "face_id": face,
                "cluster_id": ids.get(label),
                "was": was,
                **({"made": True} if ids.get(label) in made else {}),
            },
        )
        for face, was, label, said in zip(
            library.faces, library.former, clustered.labels.tolist(), library.said, strict=True
        )
        if ids.get(label) != was
    ]
    return [move for _, move in sorted(moves, key=itemgetter(0))]


def ids_of(library: Library, clustered: Clustered) -> tuple[Mapping[int, str], frozenset[str]]:
    """The id of each cluster, by label, and which of them are new."""
    import numpy as np

    from models.people.identities import keep_ids

    of_contacts = {
        library.number(contact): cluster_id for cluster_id, contact in library.clusters.items() if contact
    }
    said = np.array(library.said, np.int64)
    kept = keep_ids(clustered.labels, library.former, said, of_contacts)
    labels = sorted(set(clustered.labels.tolist()) - {-1})
    ids = {label: kept.get(label) or str(uuid4()) for label in labels}
    return ids, frozenset(ids.values()) - frozenset(kept.values())


def questions_of(library: Library, clustered: Clustered) -> list[dict[str, Any]]:
    """What is worth asking, as kizu.replace_clusters takes it."""
    faces = list(library.faces)
    pairs = zip(clustered.pairs.tolist(), clustered.likeness.tolist(), strict=True)
    return [
        {"face_id": faces[one], "other_id": faces[other], "likeness": round(likeness, 4)}
        for (one, other), likeness in pairs
    ]


HANDLER = Handler(
    kind="cluster_faces",
    version="1",
    lane="ai",
    params=Params,
    run=cluster_faces,
    about_asset=False,
    needs=frozenset(),
    timeout_seconds=3600.0,
)
