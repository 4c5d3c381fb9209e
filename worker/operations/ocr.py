"""Reads the text in a picture, whole for searching its words, and region by region."""

from __future__ import annotations

from models.pictures.detail import Detail
from models.tasks import OCR, TextReader
from worker.context import Context
from worker.core.errors import TooSmallToRead
from worker.core.job import Replace
from worker.operations.operation import Finding, Operation, SharedPicture, box_row, provenance

TEXT_IN_RESULT = 500
"""Characters; the row has all of it."""
CERTAIN = 0.5
"""A region of this score makes a picture one that has text, as apps count them."""


LEAST_SIDE = 512
"""Pixels of the short side, or all there are, from which on a picture can be said to have no text: the 60
lines of a page that fills it are then 8 pixels high.
"""


async def read(picture: SharedPicture, context: Context) -> Finding:
    answer = await picture.ask(context, OCR, TextReader.read)
    reading, model = answer.value, answer.model
    frame = picture.frames[OCR.name]
    if not reading.regions and picture.size is not None:
        least = min(LEAST_SIDE, *picture.size)
        if min(frame.width, frame.height) < least:
            raise TooSmallToRead(
                f"no text was found at {frame.width} x {frame.height} pixels of {picture.size[0]} x "
                f"{picture.size[1]}; MAX_IMAGE_SIZE allows no more"
            )
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
