"""Finds the photos that a sentence describes best, by the vectors that answer searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.results import Vector
from models.serving.asking import Models
from models.tasks import EMBED, Embedder
from worker.core.errors import NotFound, UnknownGeneration
from worker.generations import Generation, Generations
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The answer to a sentence, by the generation of vectors that answered it."""

    generation: Generation
    matches: Sequence[Match]
    """The most similar first."""


async def search(
    connection: Connection, models: Models, generations: Generations, sentence: str, limit: int
) -> Found:
    """The photos most like a sentence.

    Raises:
        ModelError: the model of the vectors that answer is not to be had here.
        NotFound: no model has seen a photo yet.
    """
    for fresh in (False, True):
        try:
            return await _search(connection, models, generations, sentence, limit, fresh=fresh)
        except UnknownGeneration:
            if fresh:
                raise
    raise AssertionError


async def _search(
    connection: Connection,
    models: Models,
    generations: Generations,
    sentence: str,
    limit: int,
    *,
    fresh: bool,
) -> Found:
    living = await generations.of("pictures", fresh=fresh)
    if not living:
        raise NotFound(
            "no model has seen a picture yet; `kizu jobs missing embedding --yes` enqueues what a worker "
            "then does"
        )
    generation = living[0]
    vector = await embed(models, generation, sentence)
    found = await connection.rpc(
        "search_image_embeddings",
        {
            "query_embedding": vector_text(vector, generation.dimension),
            "match_count": limit,
            "match_threshold": EVERYTHING,
            "filter_model_version": generation.version,
        },
    )
    if not found:
        raise NotFound(f"{generation.version} has seen no picture yet")
    assets = await assets_of(Store(connection), [row["asset_id"] for row in found])
    matches = [
        Match(
            rank=rank,
            similarity=row["similarity"],
            asset_id=row["asset_id"],
            path=assets.get(row["asset_id"], {}).get("path"),
            file_name=assets.get(row["asset_id"], {}).get("file_name"),
        )
        for rank, row in enumerate(found, 1)
    ]
    return Found(generation=generation, matches=matches)


async def embed(models: Models, generation: Generation, sentence: str) -> Vector:
    """The sentence as a vector of a generation of pictures.

    Raises:
        ModelError: its model is not to be had here, or is another one here.
    """
    answer = await models.run(EMBED, Embedder.embed_texts, sentence, choice=generation.choice)
    generation.check(answer.model)
    return answer.value


async def assets_of(store: Store, asset_ids: Sequence[str]) -> Mapping[str, Row]:
    """The keys in Storage and the names of assets, by their ids."""
    pages = [asset_ids[start : start + IDS] for start in range(0, len(asset_ids), IDS)]
    rows = [
        row for page in pages for row in await store.select("assets", "id,path,file_name", among={"id": page})
    ]
    return {row["id"]: row for row in rows}
