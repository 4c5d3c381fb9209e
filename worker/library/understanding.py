"""Understands what a person searches for, and makes a vector of what it shows.

The answer goes to the database, which ranks with it and keeps it: asked again, it needs no worker.
"""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Annotated, Any, Final, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field

from models.errors import ModelError
from models.search.names import Known
from models.search.query import DatePart, Understood
from models.search.understanding import LONGEST_TEXT, understand
from models.tasks import EMBED, Embedder
from worker.context import Context
from worker.core.errors import UnknownGeneration
from worker.core.job import Done, Replace
from worker.core.rows import Row
from worker.operations.operation import vector_text

log = structlog.get_logger()

MOST_WORDS: Final = 5000
"""Names that are read of a library; the database's digest of them looks at as many."""
PIECES: Final = ","
"""Between the names of a place: Lisbon, Portugal."""


class Question(BaseModel):
    """The params of the jobs `search` and `understand`."""

    model_config = ConfigDict(extra="ignore")

    text: str = Field(min_length=1, max_length=LONGEST_TEXT)
    today: Annotated[date, Field(json_schema_extra={"maxLength": 10})]
    """Where the person is."""
    language: Annotated[str, Field(max_length=3)] | None = None
    """That of the app, for words that do not tell."""
    hemisphere: Literal["north", "south"] = "north"
    """Says when summer is."""
    without: Annotated[list[Annotated[int, Field(ge=0, le=500)]], Field(max_length=20)] = []
    """Parts that the person took out again, by their places."""
    words: str = Field("", max_length=32)
    """The database's digest of the names that may be said; it takes what is made of others for too old."""


async def answer(params: Question, context: Context) -> Done:
    with context.record.stage("read"):
        people, places, cameras = await names_of(context)
    with context.record.stage("understand"):
        understood = await asyncio.to_thread(
            understand,
            params.text,
            today=params.today,
            hemisphere=params.hemisphere,
            people=people,
            places=places,
            cameras=cameras,
            language=params.language,
        )
    understood = understood.without(params.without)
    with context.record.stage("embed"):
        vector = await vector_of(understood.semantic, context)
    context.record.count("parts", len(understood.parts))
    row = {
        "understood": understood.as_json(),
        "today": params.today.isoformat() if depends_on_today(understood) else None,
        **vector,
    }
    return Done(
        result={"parts": len(understood.parts), "embedded": "vector" in vector},
        writes=[Replace(table="queries", rows=[row])],
    )


async def names_of(context: Context) -> tuple[list[Known], list[Known], list[str]]:
    """The people and the places of the user's library by their names, and its cameras."""
    words: list[Row] = []
    async for page in context.rows.pages("search_words", {}):
        words.extend(page)
        if len(words) >= MOST_WORDS:
            break
    people = [Known(ids=(word["id"],), names=(word["name"],)) for word in words if word["kind"] == "person"]
    cameras = [word["name"] for word in words if word["kind"] == "camera"]
    return people, places_of([word["name"] for word in words if word["kind"] == "place"]), cameras


def places_of(names: list[str]) -> list[Known]:
    """Each place by its whole name, and by each piece of it: Lisbon, Portugal; Lisbon; Portugal."""
    pieces = (piece.strip() for name in names for piece in (name, *name.split(PIECES)))
    return [Known(names=(piece,)) for piece in dict.fromkeys(pieces) if piece]


async def vector_of(text: str, context: Context) -> dict[str, Any]:
    """The columns of `queries` that are about the vector; why there is none, if one is needed."""
    if not text:
        return {}
    generation = await context.generations.answering("pictures")
    if generation is None:
        return {"lacks": UnknownGeneration.code}
    try:
        answer = await context.models.run(EMBED, Embedder.embed_texts, text, choice=generation.choice)
        generation.check(answer.model)
    except ModelError as error:
        log.warning("search not embedded", error_code=error.code, reason=str(error))
        return {"model_version": generation.version, "lacks": error.code}
    context.record.model(answer.model)
    return {
        "model_version": generation.version,
        "vector": vector_text(answer.value, generation.dimension),
    }


def depends_on_today(understood: Understood) -> bool:
    """Whether the same text means other days on another day."""
    return any(isinstance(part, DatePart) and (part.since or part.before) for part in understood.parts)
