"""A search to try first, made of what was found in the photos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

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


def sentence_for(tags: Iterable[str]) -> str | None:
    """What to search for, given the name of each thing in each photo; None where nothing was recognised.

    It is the thing that most photos show, people aside; of several the first in the alphabet.
    """
    counts = Counter(tags)
    ranked = sorted(counts, key=lambda tag: (tag in DULL, -counts[tag], tag))
    if not ranked:
        return None
    return f"{'an' if ranked[0][0] in 'aeiou' else 'a'} {ranked[0]}"


async def suggest(connection: Connection, settings: Settings, tags: Iterable[str]) -> Suggestion | None:
    """A search and what it finds; None where nothing was recognised, or nothing can be searched for."""
    sentence = sentence_for(tags)
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
