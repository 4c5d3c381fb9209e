"""Measures from which cosine on the library's pictures answer a sentence, once there are pictures enough."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

import structlog

from models.serving.asking import Models
from worker.generations import Generation, Generations
from worker.library.cutoff import cutoff_of
from worker.library.search import embed
from worker.operations.operation import vector_text
from worker.project.connection import Connection

log = structlog.get_logger()

FEWEST_PHOTOS: Final = 20
"""Fewer tell nothing of a library."""
AT_ONCE: Final = 50
"""Sentences that are made vectors and compared in one request."""


@cache
def unlike_sentences() -> list[str]:
    """Sentences that fit hardly any photo: abstract ones, words that are none, and things seldom seen."""
    sentences: list[str] = json.loads(Path(__file__).with_name("unlike.json").read_text(encoding="utf-8"))
    return sentences


async def measure_cutoffs(
    connection: Connection,
    models: Models,
    generations: Generations,
    can_embed: Callable[[Generation], bool],
) -> bool:
    """Measure the cut-off of each generation whose turn it is and that this machine has the model of.

    Answers that there is no more to do. Several workers may do so at a time.

    Raises:
        DatabaseUnavailable: no answer in time.
        ModelError: a model that should be here is not to be had.
    """
    due = {row["id"]: row["photos"] for row in await connection.rpc("unmeasured_generations")}
    if due:
        for generation in filter(can_embed, await generations.of("pictures")):
            if generation.id in due:
                photos = due[generation.id]
                cutoff = await measure(connection, models, generation, photos)
                if cutoff is not None:
                    wish = {"p_id": generation.id, "p_cutoff": cutoff, "p_photos": photos}
                    await connection.rpc("keep_cutoff", wish)
                    log.info("cut-off measured", generation=generation.version, cutoff=cutoff, photos=photos)
    return False


async def measure(
    connection: Connection,
    models: Models,
    generation: Generation,
    photos: int | None = None,
    on_step: Callable[[int, int], None] = lambda done, of: None,
) -> float | None:
    """The cut-off of a generation of `photos` pictures (None: those that are compared); None of very few.

    Raises:
        DatabaseUnavailable: no answer in time.
        ModelError: its model is not to be had here.
    """
    sentences = unlike_sentences()
    nearest: list[list[float]] = []
    measured = 0
    for start in range(0, len(sentences), AT_ONCE):
        on_step(start, len(sentences))
        page = sentences[start : start + AT_ONCE]
        spoken = await asyncio.gather(*(embed(models, generation, sentence) for sentence in page))
        vectors = [vector_text(vector, generation.dimension) for vector in spoken]
        found = await connection.rpc("measure_background", {"p_id": generation.id, "p_vectors": vectors})
        measured = found["photos"]
        if measured < FEWEST_PHOTOS:
            return None
        nearest += found["nearest"]
    on_step(len(sentences), len(sentences))
    return cutoff_of(nearest, measured=measured, photos=max(photos or 0, measured))
