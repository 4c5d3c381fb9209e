"""Describes a picture in a sentence, two, or a paragraph."""

from __future__ import annotations

from models.tasks import CAPTION, Captioner, CaptionRequest
from worker.context import Context
from worker.core.job import Replace
from worker.operations.operation import Finding, Operation, SharedPicture, provenance


async def describe(picture: SharedPicture, context: Context) -> Finding:
    request = CaptionRequest(frame=picture.frame, level=picture.level)
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


OPERATION = Operation(
    name="describe",
    long_side=1024,
    run=describe,
    task=CAPTION,
    model_key="vlm",
    result_key="description",
    usual=False,
)
