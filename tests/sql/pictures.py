"""Photos as workers embed them: vectors of any length, settled with the facts that they are known."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any


def unit(seed: object, dimension: int = 8) -> str:
    """A unit vector that the seed decides."""
    numbers = random.Random(f"{seed}")
    return text([numbers.gauss(0, 1) for _ in range(dimension)])


def text(numbers: list[float]) -> str:
    length = sum(number**2 for number in numbers) ** 0.5
    return "[" + ",".join(f"{number / length:.6f}" for number in numbers) + "]"


def vectors_and_facts(vectors: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """What a worker writes of a photo: {version: its vector, or none where only the fact is written}."""
    return [
        *(
            {
                "table": "image_embeddings",
                "scope": {"model_version": version},
                "rows": [{"embedding": vector}],
            }
            for version, vector in vectors.items()
            if vector
        ),
        {
            "table": "asset_facts",
            "rows": [{"fact": "embedding", "version": version, "state": "done"} for version in vectors],
        },
    ]


def embed(queue: Any, user: str, asset: str, vectors: Mapping[str, str | None]) -> dict[str, Any]:
    """A worker embeds a photo with one model or more; answers what the settlement was answered."""
    kind = queue.kind()
    queue.enqueue(kind, user, asset)
    answer: dict[str, Any] = queue.settle(queue.take(kind), writes=vectors_and_facts(vectors))
    return answer


def photo(queue: Any, user: str) -> str:
    """A photo without the job that its upload enqueued."""
    asset = str(queue.asset(user, media_type="photo"))
    queue.db.execute("delete from jobs where asset_id = %s", (asset,))
    return asset


def search(queue: Any, query: str, **arguments: Any) -> list[tuple[str, float, str]]:
    """What is found, as (asset, similarity, version of the generation that answered)."""
    wish = {"query_embedding": query, "match_threshold": -1, **arguments}
    names = ", ".join(f"{name} => %s" for name in wish)
    rows = queue.rows(f"select * from public.search_image_embeddings({names})", *wish.values())
    return [
        (str(row["asset_id"]), round(row["similarity"], 5), row["metadata"]["model_version"]) for row in rows
    ]
