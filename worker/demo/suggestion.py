"""A search to try first, made of what was found in the photos."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from models.catalog.composed import counted
from models.errors import ModelError
from models.serving.remote import RemoteModels
from worker.core.errors import JobError
from worker.generations import Generations
from worker.library.search import search
from worker.project.connection import Connection
from worker.settings import Settings

BEST: Final = 3
"""Photos shown as the answer, at most."""
NEAR: Final = 0.75
"""Share of the best one's similarity from which on others are shown."""
CERTAIN: Final = 0.5
"""Least score of a thing that is searched for."""
MOST_TRIED: Final = 8
"""Searches, before none is suggested."""
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


def candidates(things: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of things to search for, given the rows of detected objects, the best first; people are not.

    Best is what most photos show for sure; of several, what fills most of a photo.
    """
    photos: dict[str, set[str]] = {}
    clearest: dict[str, float] = {}
    for thing in things:
        name, box = thing["object_class"], thing["bounding_box"]
        if name in DULL or thing["confidence"] < CERTAIN:
            continue
        photos.setdefault(name, set()).add(thing["asset_id"])
        clear = thing["confidence"] * box["width"] * box["height"]
        clearest[name] = max(clear, clearest.get(name, 0.0))
    return sorted(photos, key=lambda name: (-len(photos[name]), -clearest[name], name))


async def suggest(
    connection: Connection, settings: Settings, things: Iterable[Mapping[str, Any]]
) -> Suggestion | None:
    """A search whose first answer shows what it asks for, as the detector saw it; None if there is none."""
    rows = list(things)
    models = RemoteModels(settings)
    generations = Generations(connection.rpc, settings)
    try:
        for name in candidates(rows)[:MOST_TRIED]:
            sentence = counted(name, 1)
            matches = (await search(connection, models, generations, sentence, BEST)).matches
            showing = {row["asset_id"] for row in rows if row["object_class"] == name}
            if matches[0].asset_id in showing:
                near = [one for one in matches if one.similarity >= NEAR * matches[0].similarity]
                return Suggestion(
                    sentence=sentence,
                    found=[match.asset_id for match in near],
                    names=[match.file_name or match.path or match.asset_id for match in near],
                )
    except (ModelError, JobError):
        return None
    finally:
        await models.close()
    return None
