"""Captions of one's own library to try models with: the same ones whenever it is the same.

Ids are random, so that the first by id are a sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from worker.generations import Generation
from worker.library.search import IDS
from worker.project.tables import Row, Store

LOOKED_THROUGH: Final = 20
"""Times as many rows as are wanted, in search of photos that both generations know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """What the library says of one of its photos."""

    asset_id: str
    user_id: str
    text: str


async def draw(store: Store, one: Generation, other: Generation, count: int) -> list[Caption]:
    """Captions of up to `count` photos that both generations know.

    A photo has one caption, and no two photos of a user have the same: whose would it be?
    """
    captions: dict[str, Caption] = {}
    said: set[tuple[str, str]] = set()
    described = store.every("image_descriptions", "id,asset_id,user_id,description")
    async for row in _known_to_both(store, one, other, described, count):
        text = " ".join(row["description"].split())
        if text and row["asset_id"] not in captions and (row["user_id"], text) not in said:
            said.add((row["user_id"], text))
            captions[row["asset_id"]] = Caption(asset_id=row["asset_id"], user_id=row["user_id"], text=text)
        if len(captions) == count:
            break
    return list(captions.values())


async def _known_to_both(
    store: Store, one: Generation, other: Generation, rows: AsyncIterator[Row], count: int
) -> AsyncIterator[Row]:
    """Those of `rows` whose photo both generations have a vector of; not for ever, where few have."""
    pages = 0
    async for page in _paged(rows, IDS):
        found = await store.select(
            "image_embeddings",
            "asset_id,model_version",
            among={
                "asset_id": [row["asset_id"] for row in page],
                "model_version": [one.version, other.version],
            },
        )
        known = Counter(row["asset_id"] for row in found)
        for row in page:
            if known[row["asset_id"]] == 2:
                yield row
        pages += 1
        if pages * IDS >= LOOKED_THROUGH * count:
            break


async def _paged(rows: AsyncIterator[Row], size: int) -> AsyncIterator[Sequence[Row]]:
    page: list[Row] = []
    async for row in rows:
        page.append(row)
        if len(page) == size:
            yield page
            page = []
    if page:
        yield page
