"""Finds the photos that a sentence describes best, among those that the sentence's model has seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.results import Vector
from models.serving.asking import Models
from models.tasks import EMBED, Embedder
from worker.core.errors import NotFound
from worker.operations.operation import vector_text
from worker.project.connection import Connection
from worker.project.tables import Row, Store

EVERYTHING = -1.0
"""The least similarity there is: the best are found, however good they are."""
IDS = 100
"""Per request: they go into its address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A photo that a search found."""

    rank: int
    similarity: float
    """The cosine of the angle between the photo's vector and the sentence's, -1 to 1."""
    asset_id: str
    path: str | None
    """The photo's key in Storage; None where the asset was deleted a moment ago."""
    file_name: str | None
    """As its owner calls the file, where that is known."""


async def search(
    connection: Connection, models: Models, sentence: str, limit: int
) -> tuple[str, Sequence[Match]]:
    """The version of the model that embedded the sentence, and the photos, the most similar first.

    Raises:
        ModelError: the model is not to be had here.
        NotFound: the model has seen no photo yet.
    """
    vector, model_version = await embed(models, sentence)
    found = await connection.rpc(
        "search_image_embeddings",
        {
            "query_embedding": vector_text(vector),
            "match_count": limit,
            "match_threshold": EVERYTHING,
            "filter_model_version": model_version,
        },
    )
    if not found:
        raise NotFound(
            f"{model_version} has seen no picture yet; `kizu jobs missing embedding --yes` "
            "enqueues what a worker then does"
        )
    assets = await assets_of(Store(connection), [row["asset_id"] for row in found])
    return model_version, [
        Match(
            rank=rank,
            similarity=row["similarity"],
            asset_id=row["asset_id"],
            path=assets.get(row["asset_id"], {}).get("path"),
            file_name=assets.get(row["asset_id"], {}).get("file_name"),
        )
        for rank, row in enumerate(found, 1)
    ]


async def embed(models: Models, sentence: str) -> tuple[Vector, str]:
    """The sentence as a vector, and the version of the model that made it."""
    answer = await models.run(EMBED, Embedder.embed_texts, sentence)
    return answer.value, answer.model.version


async def assets_of(store: Store, asset_ids: Sequence[str]) -> Mapping[str, Row]:
    """The keys in Storage and the names of assets, by their ids."""
    pages = [asset_ids[start : start + IDS] for start in range(0, len(asset_ids), IDS)]
    rows = [
        row for page in pages for row in await store.select("assets", "id,path,file_name", among={"id": page})
    ]
    return {row["id"]: row for row in rows}
