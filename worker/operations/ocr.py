"""Reads the text in a picture, whole for searching its words, and region by region."""

from __future__ import annotations

from models.pictures.detail import Detail
from models.tasks import OCR, TextReader
from worker.context import Context
from worker.core.job import Replace
from worker.operations.operation import Finding, Operation, SharedPicture, box_row, provenance

TEXT_IN_RESULT = 500
"""Characters; the row has all of it."""
CERTAIN = 0.5
"""A region of this score makes a picture one that has text, as apps count them."""


async def read(picture: SharedPicture, context: Context) -> Finding:
    answer = await picture.ask(context, OCR, TextReader.read)
    reading, model = answer.value, answer.model
    return Finding(
        count=len(reading.regions),
        result={
            "success": True,
            "has_text": any(region.score >= CERTAIN for region in reading.regions),
            "text": reading.text[:TEXT_IN_RESULT],
        },
        writes=[
            Replace(
                table="image_text",
                rows=[
                    {
                        "extracted_text": reading.text,
                        "text_regions": [
                            {
                                "text": region.text,
                                "confidence": round(region.score, 4),
                                "bbox": box_row(region.box),
                                "block": region.block,
                                "angle": round(region.angle, 1),
                            }
                            for region in reading.regions
                        ],
                        "languages": list(reading.languages),
                        **provenance(model),
                    }
                ],
            )
        ],
        model=model,
    )


OPERATION = Operation(
    name="ocr",
    detail=Detail(long_side=4096, strip_side=1600),
    run=read,
    task=OCR,
    model_key="ocr",
    usual=False,
)
