"""A search to try first, made of what was found in the photos."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from models.errors import ModelError
from models.serving.remote import RemoteModels
from worker.core.errors import JobError
from worker.library.search import search
from worker.project.connection import Connection
from worker.settings import Settings

BEST: Final = 3
"""Photos shown as the answer."""
DULL: Final = ("person",)
"""What too many photos show for a search to be worth a look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A search, and its answer."""

    sentence: str
    found: Sequence[str]
    """Asset ids, the best first."""
    names: Sequence[str]
    """Of the files, in that order."""


def sentence_for(things: Iterable[Mapping[str, Any]]) -> str | None:
    """What to search for, given the rows of detected objects; None where nothing was recognised.

    It is what most photos show, people aside; of several, what fills most of a photo for sure.
    """
    photos: dict[str, set[str]] = {}
    clearest: dict[str, float] = {}
    for thing in things:
        name, box = thing["object_class"], thing["bounding_box"]
        photos.setdefault(name, set()).add(thing["asset_id"])
        clear = thing["confidence"] * box["width"] * box["height"]
        clearest[name] = max(clear, clearest.get(name, 0.0))
    if not photos:
        return None
    best = min(photos, key=lambda name: (name in DULL, -len(photos[name]), -clearest[name], name))
    return f"{'an' if best[0] in 'aeiou' else 'a'} {best}"


async def suggest(
    connection: Connection, settings: Settings, things: Iterable[Mapping[str, Any]]
) -> Suggestion | None:
    """A search and what it finds; None where nothing was recognised, or nothing can be searched for."""
    sentence = sentence_for(things)
    if sentence is None:
        return None
    models = RemoteModels(settings)
    try:
        _, matches = await search(connection, models, sentence, BEST)
    except (ModelError, JobError):
        return None
    finally:
        await models.close()
    return Suggestion(
        sentence=sentence,
        found=[match.asset_id for match in matches],
        names=[match.file_name or match.path or match.asset_id for match in matches],
    )
