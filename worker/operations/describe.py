"""Describes a picture in a sentence, two, or a paragraph."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from models.errors import ModelError, ModelFailed, OutOfMemory
from models.pictures.detail import Detail
from models.results import Seen
from models.serving.asking import ModelAnswer
from models.spec import ModelIdentity
from models.tasks import (
    CAPTION,
    COMPOSED,
    FACES,
    OBJECTS,
    OCR,
    Captioner,
    CaptionRequest,
    FaceFinder,
    ObjectDetector,
    TextReader,
)
from worker.context import Context
from worker.core.job import Replace
from worker.operations.operation import Finding, Operation, SharedPicture, provenance

T = TypeVar("T")
LEGIBLE: Final = 0.8
"""Least score of text that a description quotes."""


async def describe(picture: SharedPicture, context: Context) -> Finding:
    captioner = await context.models.identity(CAPTION)
    seen, made_of = await see(picture, context) if captioner.name == COMPOSED else (None, ())
    request = CaptionRequest(frame=picture.frames[CAPTION.name], level=picture.level, seen=seen)
    answer = await context.models.run(CAPTION, Captioner.describe, request, shape=picture.level)
    caption, model = answer.value, answer.model
    return Finding(
        count=1,
        result={
            "success": True,
            "description": caption.text,
            "cut_short": caption.cut_short,
            "processing_time_ms": round(caption.seconds * 1000),
        },
        writes=[
            Replace(
                table="image_descriptions",
                scope={"detail_level": caption.level},
                rows=[{"description": caption.text, "detail_level": caption.level, **provenance(model)}],
            )
        ],
        model=model,
        parameters={"caption_level": caption.level},
        made_of=made_of,
    )


async def see(picture: SharedPicture, context: Context) -> tuple[Seen, tuple[ModelIdentity, ...]]:
    """What the other models say of the picture, and which they are; of faces and text, what is not to be had
    here is not seen.

    Raises:
        ModelError: there is no saying what is in the picture; or another try may well know more, and nobody
            would ask for a description anew.
    """
    frame = picture.frames[OBJECTS.name]
    size = (frame.width, frame.height)
    objects = await picture.ask(context, OBJECTS, ObjectDetector.detect, shape=size)
    faces = await _said(picture.ask(context, FACES, FaceFinder.find_faces))
    reading = None
    if picture.level != "brief":
        reading = await _said(picture.ask(context, OCR, TextReader.read))
    regions = reading.value.regions if reading else ()
    text = " ".join(region.text for region in regions if region.score >= LEGIBLE)
    things = tuple(thing for thing in objects.value if thing.sure)
    seen = Seen(objects=things, faces=len(faces.value) if faces else 0, text=text)
    return seen, tuple(answer.model for answer in (objects, faces, reading) if answer)


async def _said(asking: Coroutine[Any, Any, ModelAnswer[T]]) -> ModelAnswer[T] | None:
    try:
        return await asking
    except (ModelFailed, OutOfMemory):
        raise
    except ModelError:
        return None


OPERATION = Operation(
    name="describe",
    detail=Detail(long_side=1024),
    run=describe,
    task=CAPTION,
    told_by=(OBJECTS, FACES, OCR),
    model_key="vlm",
    result_key="description",
    usual=False,
)
