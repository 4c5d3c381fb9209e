"""A captioner that composes is told what the other models found, and each of those is asked once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from models.errors import ModelFailed, OutOfMemory, WeightsMissing
from models.frame import Frame
from models.results import Box, Caption, DetectedObject, Level, Reading, Seen, TextRegion
from models.spec import Choice, ModelIdentity
from models.tasks import CAPTION, COMPOSED, Task
from worker.core.job import Replace
from worker.operations import describe, objects
from worker.operations.operation import SharedPicture
from worker.testing import FakeModels

BOX = Box(x=0.1, y=0.2, width=0.3, height=0.4)
DOG = DetectedObject(name="dog", class_id=16, score=0.9, box=BOX)
READING = Reading(
    regions=(TextRegion(text="EXIT", score=0.9, box=BOX), TextRegion(text="E?IT", score=0.6, box=BOX)),
    languages=("en",),
)


class Composing(FakeModels):
    """Its captioner is called as the one that composes; keeps what that was told."""

    def __init__(self, **answers: Any) -> None:
        self.told: list[Seen | None] = []
        super().__init__(caption=self._caption, **answers)

    def _caption(self, request: Any) -> Caption:
        self.told.append(request.seen)
        return Caption(text="a dog", level=request.level, seconds=0, cut_short=False)

    async def identity(self, task: Task[Any], choice: Choice | None = None) -> ModelIdentity:
        known = await super().identity(task, choice)
        return replace(known, name=COMPOSED) if task == CAPTION else known


def picture(level: Level = "medium") -> SharedPicture:
    image = Image.new("RGB", (8, 8))
    frames = dict.fromkeys(("caption", "objects", "faces", "ocr"), Frame.of(image))
    return SharedPicture(frames=frames, sha256="0" * 64, level=level)


async def test_the_composer_is_told_what_was_found_and_nobody_is_asked_twice() -> None:
    models = Composing(objects=lambda _: (DOG,), faces=lambda _: (), ocr=lambda _: READING)
    context: Any = SimpleNamespace(models=models)
    shared = picture()
    found, described = await asyncio.gather(
        objects.detect(shared, context), describe.describe(shared, context)
    )
    assert models.told == [Seen(objects=(DOG,), faces=0, text="EXIT")]
    assert sorted(task for task, _ in models.asked) == ["caption", "faces", "objects", "ocr"]
    assert found.count == 1
    assert described.result["description"] == "a dog"
    assert [model.version for model in described.made_of] == ["fake-objects", "fake-faces", "fake-ocr"]


async def test_what_is_only_likely_is_neither_told_nor_counted_nor_tagged_but_stored() -> None:
    likely = replace(DOG, name="cat", class_id=15, score=0.3, sure=False)
    models = Composing(objects=lambda _: (DOG, likely), faces=lambda _: (), ocr=lambda _: READING)
    context: Any = SimpleNamespace(models=models)
    shared = picture()
    found, _ = await asyncio.gather(objects.detect(shared, context), describe.describe(shared, context))
    assert [seen.objects for seen in models.told if seen] == [(DOG,)]
    assert found.count == 2
    assert found.result["count"] == 1
    assert [thing["class"] for thing in found.result["objects"]] == ["dog"]
    stored, tags = found.writes
    assert isinstance(stored, Replace)
    assert [(row["object_class"], row["sure"]) for row in stored.rows] == [("dog", True), ("cat", False)]
    assert isinstance(tags, Replace)
    assert [row["tag_value"] for row in tags.rows] == ["dog"]


async def test_faces_and_text_that_cannot_be_found_out_have_not_been_seen() -> None:
    models = Composing(objects=lambda _: (DOG,), faces=WeightsMissing("none"), ocr=WeightsMissing("none"))
    await describe.describe(picture(), SimpleNamespace(models=models))  # type: ignore[arg-type]
    assert models.told == [Seen(objects=(DOG,))]


async def test_without_a_detector_there_is_no_description() -> None:
    models = Composing(objects=WeightsMissing("none"), faces=lambda _: (1, 2), ocr=lambda _: READING)
    with pytest.raises(WeightsMissing):
        await describe.describe(picture(), SimpleNamespace(models=models))  # type: ignore[arg-type]
    assert models.told == []


@pytest.mark.parametrize("failed", ["objects", "faces", "ocr"])
@pytest.mark.parametrize("error", [ModelFailed("broke off"), OutOfMemory("full")])
async def test_what_another_try_may_find_out_is_not_described_as_absent(
    failed: str, error: ModelFailed | OutOfMemory
) -> None:
    answers = {"objects": lambda _: (DOG,), "faces": lambda _: (), "ocr": lambda _: READING, failed: error}
    models = Composing(**answers)
    with pytest.raises(type(error)):
        await describe.describe(picture(), SimpleNamespace(models=models))  # type: ignore[arg-type]
    assert models.told == []


async def test_a_brief_description_reads_no_text() -> None:
    models = Composing(objects=lambda _: (), faces=lambda _: ())
    await describe.describe(picture("brief"), SimpleNamespace(models=models))  # type: ignore[arg-type]
    assert ("ocr", "read") not in models.asked


async def test_another_captioner_looks_for_itself() -> None:
    models = FakeModels(
        caption=lambda request: Caption(text=str(request.seen), level="medium", seconds=0, cut_short=False)
    )
    finding = await describe.describe(picture(), SimpleNamespace(models=models))  # type: ignore[arg-type]
    assert finding.result["description"] == "None"
    assert [task for task, _ in models.asked] == ["caption"]
