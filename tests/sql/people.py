"""Photos with people in them: faces as a worker settles them, and the names that people give."""

from __future__ import annotations

import random
from typing import Any

HERE = {"x": 0.10, "y": 0.10, "width": 0.20, "height": 0.20}
NEARLY_HERE = {"x": 0.12, "y": 0.10, "width": 0.20, "height": 0.20}
THERE = {"x": 0.60, "y": 0.50, "width": 0.20, "height": 0.20}


def somebody(seed: int, *, blur: float = 0.0) -> str:
    """A person's face as a unit vector; the more blur, the less like."""
    person, noise = random.Random(seed), random.Random(f"{seed} {blur}")
    numbers = [person.gauss(0, 1) + blur * noise.gauss(0, 1) for _ in range(512)]
    length = sum(number**2 for number in numbers) ** 0.5
    return "[" + ",".join(f"{number / length:.6f}" for number in numbers) + "]"


def face(index: int, box: dict[str, float], vector: str, model: str = "m") -> dict[str, Any]:
    return {
        "face_index": index,
        "embedding": vector,
        "bounding_box": box,
        "landmarks": [[0.1, 0.2]] * 5,
        "confidence": 0.9,
        "model_version": model,
    }


def look(queue: Any, user: str, asset: str, *faces: dict[str, Any]) -> None:
    kind = queue.kind()
    queue.enqueue(kind, user, asset)
    job = queue.take(kind)
    answer = queue.settle(job, writes=[{"table": "face_embeddings", "rows": list(faces)}])
    assert answer["answer"] == "settled", answer


def faces_of(queue: Any, asset: str, model: str = "m") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = queue.rows(
        "select id, face_id, face_index, contact_id, cluster_id, recognised from face_embeddings"
        " where asset_id = %s and model_version = %s order by face_index",
        asset,
        model,
    )
    return found


def contact(queue: Any, user: str, name: str = "Ada") -> str:
    return str(
        queue.value("insert into contacts (user_id, display_name) values (%s, %s) returning id", user, name)
    )


def name_face(queue: Any, face_id: str, contact_id: str) -> None:
    queue.db.execute(
        "update face_embeddings set contact_id = %s, recognised = false where id = %s", (contact_id, face_id)
    )
