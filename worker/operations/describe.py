"""Describes a picture in a sentence, two, or a paragraph."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from models.errors import ModelError, ModelFailed, OutOfMemory
from models.results import Seen
from models.serving.asking import ModelAnswer
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
    seen = await see(picture, context) if captioner.name == COMPOSED else None
    request = CaptionRequest(frame=picture.frame, level=picture.level, seen=seen)
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
    )


async def see(picture: SharedPicture, context: Context) -> Seen:
    """What the other models say of the picture; of faces and text, what is not to be had here is not seen.

    Raises:
        ModelError: there is no saying what is in the picture; or another try may well know more, and nobody
            would ask for a description anew.
    """
    size = (picture.frame.width, picture.frame.height)
    objects = (await picture.ask(context, OBJECTS, ObjectDetector.detect, shape=size)).value
    faces = await _said(picture.ask(context, FACES, FaceFinder.find_faces), ())
    reading = None
    if picture.level != "brief":
        reading = await _said(picture.ask(context, OCR, TextReader.read), None)
    lines = [region.text for region in reading.regions if region.score >= LEGIBLE] if reading else []
    return Seen(objects=objects, faces=len(faces), text=" ".join(lines))


async def _said(asking: Coroutine[Any, Any, ModelAnswer[Any]], otherwise: T) -> Any | T:
    try:
        return (await asking).value
    except (ModelFailed, OutOfMemory):
        raise
    except ModelError:
        return otherwise


OPERATION = Operation(
    name="describe",
    long_side=1024,
    run=describe,
    task=CAPTION,
    model_key="vlm",
    result_key="description",
    usual=False,
)
