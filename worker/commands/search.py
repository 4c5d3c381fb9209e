"""`kizu search`: The pictures that TEXT describes best, by the library's model."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

import click

from models.errors import ModelError
from models.serving.remote import RemoteModels
from worker.core.errors import NotFound
from worker.generations import Generations
from worker.library.search import search
from worker.output import CommandFailed, as_json, print_json, print_table
from worker.project.connection import Connection
from worker.settings import Settings
from worker.target import read_target

LONGEST = 500
"""Characters of a query; models read some seventy words at most."""


@click.command("search")
@click.argument("text", metavar="TEXT...", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="Most pictures.")
@as_json
def search_command(text: tuple[str, ...], limit: int, as_json: bool) -> None:
    """The pictures that TEXT describes best, by the library's model.

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
    rows = [
        {
            "rank": row["rank"],
            "similarity": f"{row['similarity']:.3f}",
            "photo": row["file_name"] or row["path"],
            "asset": row["asset_id"],
        }
        for row in answer["found"]
    ]
    print_table(rows, ["rank", "similarity", "photo", "asset"])


async def find(settings: Settings, query: str, limit: int) -> dict[str, Any]:
    """What `--json` prints."""
    models = RemoteModels(settings)
    try:
        async with Connection(settings) as connection:
            generations = Generations(connection.rpc, settings)
            found = await search(connection, models, generations, query, limit)
    except (ModelError, NotFound) as error:
        raise CommandFailed(f"{error.code}: {error}") from None
    finally:
        await models.close()
    return {
        "text": query,
        "model_version": found.generation.version,
        "cutoff": found.generation.cutoff,
        "found": [asdict(match) for match in found.matches],
    }


COMMAND = search_command
