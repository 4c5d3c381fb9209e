"""`kizu search`: The pictures that TEXT describes best, by the model that CLIP_MODEL names."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import click

from models.errors import ModelError
from models.results import Vector
from models.serving.remote import RemoteModels
from models.tasks import EMBED, Embedder
from worker.operations.operation import vector_text
from worker.output import as_json, print_json, print_table
from worker.project.connection import Connection
from worker.project.tables import Store
from worker.settings import Settings
from worker.target import read_target

LONGEST = 500
"""Characters of a query; models read some seventy words at most."""
EVERYTHING = -1.0
"""The least similarity there is: the best are shown, however good they are."""
IDS = 100
"""Per request: they go into its address."""


@click.command()
@click.argument("text", metavar="TEXT...", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="Most pictures.")
@as_json
def search(text: tuple[str, ...], limit: int, as_json: bool) -> None:
    """The pictures that TEXT describes best, by the model that CLIP_MODEL names.

    Similarities are comparable within one search. Exit code 1 says that the model is not to be had here, or
    that it has seen no picture yet.
    """
    query = " ".join(" ".join(text).split())
    if not 0 < len(query) <= LONGEST:
        raise click.UsageError(f"TEXT has {len(query)} characters: expected 1 to {LONGEST}")
    answer = asyncio.run(find(read_target(), query, limit))
    if as_json:
        print_json(answer)
        return
    rows = [{**row, "similarity": f"{row['similarity']:.3f}"} for row in answer["found"]]
    print_table(rows, ["rank", "similarity", "path"])


async def find(settings: Settings, query: str, limit: int) -> dict[str, Any]:
    """What `--json` prints. Raises `click.ClickException` where there is nothing to search with or in."""
    async with Connection(settings) as connection:
        vector, model_version = await embed(settings, query)
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
            raise click.ClickException(
                f"not_found: {model_version} has seen no picture yet; `kizu jobs missing embedding --yes` "
                "enqueues what a worker then does"
            )
        paths = await paths_of(Store(connection), [row["asset_id"] for row in found])
    return {
        "text": query,
        "model_version": model_version,
        "found": [
            {
                "rank": rank,
                "similarity": row["similarity"],
                "asset_id": row["asset_id"],
                "path": paths.get(row["asset_id"]),
            }
            for rank, row in enumerate(found, 1)
        ],
    }


async def embed(settings: Settings, query: str) -> tuple[Vector, str]:
    """The sentence as a vector, and the version of the model it is of."""
    models = RemoteModels(settings)
    try:
        answer = await models.run(EMBED, Embedder.embed_texts, query)
    except ModelError as error:
        raise click.ClickException(f"{error.code}: {error}") from None
    finally:
        await models.close()
    return answer.value, answer.model.version


async def paths_of(store: Store, asset_ids: Sequence[str]) -> dict[str, str]:
    pages = [asset_ids[start : start + IDS] for start in range(0, len(asset_ids), IDS)]
    rows = [row for page in pages for row in await store.select("assets", "id,path", among={"id": page})]
    return {row["id"]: row["path"] for row in rows}


COMMAND = search
