"""Finds the faces in a picture, and makes a small crop of each; SQL recognises whom the user has named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from PIL import Image

from models.frame import Frame
from models.pictures.detail import Detail
from models.pictures.picture import jpeg
from models.results import Box
from models.tasks import FACES, FaceFinder
from worker import derived
from worker.context import Context
from worker.core.job import Replace
from worker.operations.operation import Finding, Operation, SharedPicture, box_row, provenance, vector_text

CROP_SIDE: Final = 150
"""Pixels of the square crop; less for a face that has fewer."""
MARGIN: Final = 0.3
"""Around the face's box, as a share of its longer side."""
CROP_QUALITY: Final = 85


async def find(picture: SharedPicture, context: Context) -> Finding:
    answer, generation = await picture.embed(context, "faces", FACES, FaceFinder.find_faces)
    faces, model = answer.value, answer.model
    names = [f"face-{generation.id}-{index}" for index in range(len(faces))]
    boxes = dict(zip(names, (face.box for face in faces), strict=True))
    crops = await context.in_pixels(crop_all, picture.frames[FACES.name], boxes)
    stored = await derived.store(context, crops) if crops else {}
    public_url = context.settings.public_url
    return Finding(
        count=len(faces),
        result={
            "success": True,
            "count": len(faces),
            "stored": len(faces),
            "faces": [
                {
                    "index": index,
                    "confidence": round(face.score, 4),
                    "bounding_box": box_row(face.box),
                }
                for index, face in enumerate(faces)
            ],
        },
        writes=[
            Replace(
                table="face_embeddings",
                scope={"model_version": model.version},
                rows=[
                    {
                        "face_index": index,
                        "embedding": vector_text(face.embedding, generation.dimension),
                        "bounding_box": box_row(face.box),
                        "landmarks": [[round(x, 6), round(y, 6)] for x, y in face.landmarks],
                        "confidence": face.score,
                        "same_face": model.scale.same if model.scale else None,
                        "quality": face.quality,
                        "face_thumbnail_url": derived.url(stored[names[index]], public_url),
                        **provenance(model),
                    }
                    for index, face in enumerate(faces)
                ],
            ),
            Replace(
                table="derived_assets",
                scope={"kind": "face_crop", "model_version": model.version},
                rows=[derived.row(file) for file in stored.values()],
            ),
        ],
        model=model,
    )


def crop_all(frame: Frame, boxes: Mapping[str, Box]) -> dict[str, bytes]:
    """A JPEG crop per box, by the name it is stored under; blocks."""
    image = frame.image()
    return {name: crop(image, box) for name, box in boxes.items()}


def crop(image: Image.Image, box: Box) -> bytes:
    """The square around a face as JPEG, moved inside the picture where it would stick out."""
    width, height = box.width * image.width, box.height * image.height
    side = min(max(width, height) * (1 + 2 * MARGIN), image.width, image.height)
    left = _inside((box.x + box.width / 2) * image.width - side / 2, image.width - side)
    top = _inside((box.y + box.height / 2) * image.height - side / 2, image.height - side)
    pixels = max(1, min(CROP_SIDE, round(side)))
    square = image.resize(
        (pixels, pixels), Image.Resampling.LANCZOS, box=(left, top, left + side, top + side)
    )
    return jpeg(square, CROP_QUALITY)


def _inside(start: float, last: float) -> float:
    return min(max(start, 0.0), max(last, 0.0))


OPERATION = Operation(
    name="faces",
    detail=Detail(long_side=1280, strip_side=1280),
    run=find,
    task=FACES,
    vectors="faces",
    model_key="insightface",
)
