"""Embeds a picture as a vector that lies near sentences and pictures about the same thing."""

from __future__ import annotations

from models.pictures.detail import Detail
from models.tasks import EMBED, Embedder
from worker.context import Context
from worker.core.job import Replace
from worker.operations.operation import Finding, Operation, SharedPicture, provenance, vector_text


async def embed(picture: SharedPicture, context: Context) -> Finding:
    answer, generation = await picture.embed(context, "pictures", EMBED, Embedder.embed_images)
    vector, model = answer.value, answer.model
    return Finding(
        count=1,
        result={"success": True, "dimension": len(vector), "stored": True},
        writes=[
            Replace(
                table="image_embeddings",
                scope={"model_version": model.version},
                rows=[{"embedding": vector_text(vector, generation.dimension), **provenance(model)}],
            )
        ],
        model=model,
    )


OPERATION = Operation(
    name="embedding",
    detail=Detail(long_side=512, strip_side=384),
    run=embed,
    task=EMBED,
    vectors="pictures",
    model_key="clip",
)
