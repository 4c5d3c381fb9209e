"""A user's faces as a clustering reads and moves them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from psycopg.types.json import Jsonb

from models.people import child
from models.people.scale import Scale
from tests.sql.people import HERE, face, look, somebody
from worker.clustering import Clustered
from worker.handlers import cluster_faces


def photo(queue: Any, user: str, *people: int, blur: float = 0.1) -> list[str]:
    """A photo of these people, as a worker settles it; answers the face_id of each."""
    asset = queue.asset(user)
    boxes = [{**HERE, "x": 0.3 * place} for place in range(len(people))]
    faces = [face(place, boxes[place], somebody(who, blur=blur)) for place, who in enumerate(people)]
    look(queue, user, asset, *faces)
    rows = queue.rows("select face_id from face_embeddings where asset_id = %s order by face_index", asset)
    return [str(row["face_id"]) for row in rows]


def held(queue: Any, user: str, *, worker: str = "w1") -> Mapping[str, Any]:
    """A job of a kind of its own that the worker holds for the user."""
    kind = queue.kind()
    queue.enqueue(kind, user)
    job: Mapping[str, Any] = queue.take(kind, worker=worker)
    return job


def read(queue: Any, job: Mapping[str, Any], verb: str, **args: Any) -> list[dict[str, Any]]:
    """All rows of a verb, page by page."""
    rows: list[dict[str, Any]] = []
    after: dict[str, Any] = {}
    while True:
        page = queue.value(
            "select read_for_job('w1', %s, %s, %s, %s, %s)",
            *(job["table"], job["id"], job["epoch"], verb, Jsonb({**args, **after})),
        )
        rows += page["rows"]
        if page["next"] is None:
            return rows
        after = {"after": page["next"]}


def stage(
    queue: Any, job: Mapping[str, Any], name: str, rows: Sequence[Mapping[str, Any]], page: int = 0
) -> dict[str, Any]:
    queue.db.execute(
        "select stage_for_job('w1', %s, %s, %s, %s, %s, %s)",
        (job["table"], job["id"], job["epoch"], name, page, Jsonb(list(rows))),
    )
    return {"name": name, "pages": page + 1}


class Clustering:
    """One attempt at clustering a user's faces: it has read them, and may settle later."""

    def __init__(self, queue: Any, user: str) -> None:
        self.queue, self.user = queue, user
        self.job = held(queue, user)
        (self.state,) = read(queue, self.job, "people_state")
        self.faces = {row["face_id"]: row for row in read(queue, self.job, "people_faces")}

    def move(self, face_id: str, cluster: str | None, *, made: bool = False) -> dict[str, Any]:
        was = self.faces[face_id]["cluster_id"]
        return {"face_id": face_id, "cluster_id": cluster, "was": was, **({"made": True} if made else {})}

    def group(self, *faces: str) -> tuple[str, list[dict[str, Any]]]:
        """The moves that put these faces into a new cluster, and its id."""
        cluster = str(uuid.uuid4())
        return cluster, [self.move(one, cluster, made=True) for one in faces]

    def think(self) -> tuple[cluster_faces.Library, Clustered | None]:
        """What a worker makes of what it read, here: the library, and its clusters if it has faces."""
        library = cluster_faces.Library()
        for row in read(self.queue, self.job, "people_clusters"):
            library.clusters[row["cluster_id"]] = row["contact_id"]
        for row in read(self.queue, self.job, "people_births"):
            library.births[row["contact_id"]] = date.fromisoformat(row["birth_date"])
        for row in self.faces.values():
            library.add(row)
        library.pairs += read(self.queue, self.job, "people_pairs")
        library.exclusions += read(self.queue, self.job, "people_exclusions")
        if not library.faces:
            return library, None
        scale = Scale(**{name: self.state[name] for name in ("same", "maybe", "margin")})
        answer = child.answer(child.question(library.arrays(), scale, "graph"))
        return library, Clustered(**child.unpack(answer))

    def settle(
        self,
        moves: Sequence[Mapping[str, Any]],
        questions: Sequence[Mapping[str, Any]] = (),
        *,
        more: bool = False,
    ) -> dict[str, Any]:
        answer: dict[str, Any] = self.queue.settle(self.job, writes=[self.write(moves, questions, more=more)])
        return answer

    def write(
        self,
        moves: Sequence[Mapping[str, Any]],
        questions: Sequence[Mapping[str, Any]] = (),
        *,
        more: bool = False,
    ) -> dict[str, Any]:
        """What the settlement writes; the rows are staged already."""
        told = {name: self.state[name] for name in ("model_version", "last_verdict", "read_at")}
        staged = stage(self.queue, self.job, "people", [*moves, *questions])
        scope = {**told, "faces": len(self.faces), "more": more}
        return {"table": "face_clusters", "scope": scope, "staged": staged}


def clusters_of(queue: Any, user: str) -> dict[str, str | None]:
    """The cluster of each face."""
    rows = queue.rows("select distinct face_id, cluster_id from face_embeddings where user_id = %s", user)
    return {str(row["face_id"]): row["cluster_id"] and str(row["cluster_id"]) for row in rows}
