"""Detects the objects in a picture with their boxes, and tags the photo with the names of what is sure."""

from __future__ import annotations

from models.pictures.detail import Detail
from models.tasks import OBJECTS, ObjectDetector
from worker.context import Context
from worker.core.job import Replace
from worker.operations.operation import Finding, Operation, SharedPicture, box_row, provenance


async def detect(picture: SharedPicture, context: Context) -> Finding:
    frame = picture.frames[OBJECTS.name]
    size = (frame.width, frame.height)
    answer = await picture.ask(context, OBJECTS, ObjectDetector.detect, shape=size)
    things, model = answer.value, answer.model
    sure = [thing for thing in things if thing.sure]
    tagged_by = {"source": "kizu", "model": model.version}
    return Finding(
        count=len(things),
        result={
            "success": True,
            "count": len(sure),
            "objects": [{"class": thing.name, "confidence": round(thing.score, 4)} for thing in sure],
        },
        writes=[
            Replace(
                table="detected_objects",
                rows=[
                    {
                        "object_class": thing.name,
                        "confidence": thing.score,
                        "sure": thing.sure,
                        "bounding_box": box_row(thing.box),
                        **provenance(model),
                    }
                    for thing in things
                ],
            ),
            Replace(
                table="asset_tags",
                rows=[
                    {"tag_value": name, "tagged_by": tagged_by}
                    for name in sorted({thing.name for thing in sure})
                ],
            ),
        ],
        model=model,
    )


OPERATION = Operation(
    name="objects", detail=Detail(long_side=1280, strip_side=640), run=detect, task=OBJECTS, model_key="yolo"
)
