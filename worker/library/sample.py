"""Photos and captions of one's own library to try models with: the same ones whenever it is the same.

Ids are random, so that the first by id are a sample.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from worker.generations import Generation
from worker.library.search import IDS
from worker.project.tables import Row, Store

LEAST_CAPTIONS: Final = 20
"""Fewer of one's own say too little of what is asked."""
PHOTOS_EACH: Final = 200
"""That a sentence is compared with: more pairs tell no more, and take seconds."""
LOOKED_THROUGH: Final = 20
"""Times as many rows as are wanted, in search of photos that both generations know."""
SENTENCES: Final = Path(__file__).with_name("sentences.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """What the library says of one of its photos."""

    asset_id: str
    user_id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Photos that both generations know, in their order, and captions of some of them."""

    photos: Sequence[str]
    captions: Sequence[Caption]
    said_of: Mapping[str, Set[str]]
    """The photos that each caption was said of, more than one where they are described alike."""

    @property
    def describes_itself(self) -> bool:
        """Whether there are captions enough to calibrate with."""
        return len(self.captions) >= LEAST_CAPTIONS

    @property
    def sentences(self) -> Sequence[str]:
        """What cutoffs are taken from."""
        if self.describes_itself:
            return list(dict.fromkeys(caption.text for caption in self.captions))
        neutral: list[str] = json.loads(SENTENCES.read_text(encoding="utf-8"))
        return neutral

    @property
    def unlike(self) -> list[tuple[str, str]]:
        """Each sentence with photos that it was not said of."""
        photos = self.photos[:PHOTOS_EACH]
        return [
            (text, photo)
            for text in self.sentences
            for photo in photos
            if photo not in self.said_of.get(text, ())
        ]


async def draw(store: Store, one: Generation, other: Generation, count: int) -> Sample:
    """Up to `count` photos that both generations know, those with a caption first.

    A photo has one caption, and no two photos of a user have the same: whose would it be?
    """
    captions: dict[str, Caption] = {}
    said: set[tuple[str, str]] = set()
    said_of: defaultdict[str, set[str]] = defaultdict(set)
    described = store.every("image_descriptions", "id,asset_id,user_id,description")
    async for row in _known_to_both(store, one, other, described, count):
        text = " ".join(row["description"].split())
        said_of[text].add(row["asset_id"])
        if text and row["asset_id"] not in captions and (row["user_id"], text) not in said:
            said.add((row["user_id"], text))
            captions[row["asset_id"]] = Caption(asset_id=row["asset_id"], user_id=row["user_id"], text=text)
        if len(captions) == count:
            break
    photos = dict.fromkeys(captions)
    embedded = store.every("image_embeddings", "id,asset_id", equal={"model_version": one.version})
    async for row in _known_to_both(store, one, other, embedded, count):
        if len(photos) == count:
            break
        photos[row["asset_id"]] = None
    return Sample(photos=list(photos), captions=list(captions.values()), said_of=said_of)


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
