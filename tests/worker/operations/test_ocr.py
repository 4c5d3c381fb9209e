"""What apps are told of a text; the rows are in tests/worker/handlers/test_image_ai.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from models.frame import Frame
from models.results import Box, Reading, TextRegion
from worker.core.errors import TooSmallToRead
from worker.core.job import Replace
from worker.operations.ocr import read
from worker.operations.operation import Finding, SharedPicture
from worker.testing import FakeModels

BOX = Box(x=0.1, y=0.2, width=1 / 3, height=0.4)


async def found(
    *regions: tuple[str, float], seen: tuple[int, int] = (8, 8), size: tuple[int, int] | None = None
) -> Finding:
    image = Image.new("RGB", seen)
    picture = SharedPicture(frames={"ocr": Frame.of(image)}, sha256="0" * 64, level="medium", size=size)
    reading = Reading(
        regions=tuple(TextRegion(text=text, score=score, box=BOX) for text, score in regions),
        languages=("en", "de"),
    )
    context: Any = SimpleNamespace(models=FakeModels(ocr=lambda _: reading))
    return await read(picture, context)


@pytest.mark.parametrize(
    ("scores", "has_text"),
    [((), False), ((0.49,), False), ((0.5,), True), ((0.1, 0.9), True), ((0.1, 0.2), False)],
)
async def test_a_picture_has_text_if_a_region_is_certain(scores: tuple[float, ...], has_text: bool) -> None:
    finding = await found(*(("EXIT", score) for score in scores))
    assert finding.result["has_text"] is has_text
    assert finding.count == len(scores), "what is not certain is a row all the same"


async def test_a_long_text_is_cut_in_the_result_and_whole_in_the_row() -> None:
    finding = await found(("x" * 499, 0.9), ("yz", 0.87654321))
    assert finding.result["text"] == "x" * 499 + " "
    [write] = finding.writes
    assert isinstance(write, Replace)
    [row] = write.rows
    assert row["extracted_text"] == "x" * 499 + " yz"
    assert row["languages"] == ["en", "de"]
    assert row["text_regions"][1] == {
        "text": "yz",
        "confidence": 0.8765,
        "bbox": {"x": 0.1, "y": 0.2, "width": 0.333333, "height": 0.4},
        "block": 0,
        "angle": 0.0,
    }


@pytest.mark.parametrize(
    ("seen", "size"),
    [
        ((512, 384), (512, 384)),  # all there is
        ((853, 640), (4000, 3000)),
        ((4000, 3000), (4000, 3000)),
        ((9040, 108), (9040, 108)),
    ],
)
async def test_a_picture_of_which_enough_was_seen_has_no_text(
    seen: tuple[int, int], size: tuple[int, int]
) -> None:
    assert (await found(seen=seen, size=size)).count == 0


@pytest.mark.parametrize(("seen", "size"), [((640, 480), (4000, 3000)), ((9040, 108), (90_400, 1080))])
async def test_nothing_is_said_of_text_where_too_little_was_seen(
    seen: tuple[int, int], size: tuple[int, int]
) -> None:
    with pytest.raises(TooSmallToRead, match=f"{seen[0]} x {seen[1]} pixels of {size[0]} x {size[1]}"):
        await found(seen=seen, size=size)
    assert (await found(("EXIT", 0.9), seen=seen, size=size)).count == 1
