"""A search as it was before workers answered it: the model is loaded by the program that asks.

`python -m scripts.bench_lab.local_search TEXT`, with the project and the model in the environment.
"""

from __future__ import annotations

import asyncio
import sys

from models.serving.remote import RemoteModels
from worker.generations import Generations
from worker.library.search import search
from worker.project.connection import Connection
from worker.settings import read_settings


async def main(text: str) -> None:
    settings = read_settings()
    models = RemoteModels(settings)
    try:
        async with Connection(settings) as connection:
            found = await search(connection, models, Generations(connection.rpc, settings), text, 20)
    finally:
        await models.close()
    for match in found.matches:
        print(match.rank, f"{match.similarity:.3f}", match.file_name or match.path)


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:])))
