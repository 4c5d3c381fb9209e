"""What is told when there is nothing else: the commonest place, and what is newest."""

from __future__ import annotations

import zlib
from typing import Final

from models.moments.scene import Scene, Story, short

LEAST: Final = 3
RECENT: Final = 20


def common_place(scene: Scene) -> list[Story]:
    """The photos of the name that most photos with one have."""
    import numpy as np

    library, words = scene.library, scene.words
    place = scene.place(np.arange(len(library)))
    if not place:
        return []
    named = [number for number, name in enumerate(library.photos.place_names) if name.strip() == place]
    found = np.flatnonzero(np.isin(library.photos.places[library.numbers], named))
    if len(found) < LEAST:
        return []
    rows, key = scene.chosen(found), f"location:{place}"
    template = words.visits[zlib.crc32(key.encode()) % len(words.visits)]
    return [
        Story(
            kind="location",
            key=key,
            title=template.format(place=short(place)),
            subtitle=words.from_place.format(photos=scene.photos(rows), place=short(place)),
            rows=rows,
            whole=found,
            place=place,
            criteria={"location_name": place, "fallback": True},
        )
    ]


def recent(scene: Scene) -> list[Story]:
    """The 20 newest photos with a time."""
    import numpy as np

    rows = np.arange(len(scene.library.days))[-RECENT:]
    if len(rows) < LEAST:
        return []
    return [
        Story(
            kind="recent",
            key=f"recent:{scene.day(rows[-1])}",
            title=scene.words.recent,
            subtitle=scene.photos(rows),
            rows=rows,
            whole=rows,
            criteria={"fallback": True, "count": len(rows)},
        )
    ]
