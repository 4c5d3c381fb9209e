"""The vocabulary of operations: one operation finds out one fact about a picture and makes rows of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from PIL import Image

from models.frame import Frame
from models.results import Box, Level, Vector
from models.serving.asking import M, ModelAnswer, Out
from models.spec import ModelIdentity
from models.tasks import Task
from worker.context import Context
from worker.core.job import Write

VECTOR_LENGTH: Final = 512
"""Numbers that every column of vectors holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedPicture:
    """The decoded picture that all operations of a job share."""

    image: Image.Image
    """Upright sRGB, scaled to what the job's operations need; to be read only."""
    frame: Frame
    """The same, for models."""
    sha256: str
    """Of the file's bytes, lower-case hexadecimal."""
    level: Level
    answers: dict[str, asyncio.Task[Any]] = field(default_factory=dict)
    """What models were asked about it, by task; see `ask`."""

    async def ask(
        self,
        context: Context,
        task: Task[M],
        call: Callable[[M, Sequence[Frame]], Sequence[Out]],
        *,
        shape: Hashable = None,
    ) -> ModelAnswer[Out]:
        """What the model of `task` says of the picture; asked once, however many operations want to know.

        Raises a `ModelError`.
        """
        if task.name not in self.answers:
            asking = context.models.run(task, call, self.frame, shape=shape)
            self.answers[task.name] = asyncio.ensure_future(asking)
        answer: ModelAnswer[Out] = await self.answers[task.name]
        return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What an operation found in a picture, which may be nothing."""

    count: int
    result: Mapping[str, Any]
    """For the job's `result`, as apps read it."""
    writes: Sequence[Write] = ()
    model: ModelIdentity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One fact about a picture; each file of `worker/operations` ends in `OPERATION = Operation(...)`."""

    name: str
    """As jobs ask for it."""
    long_side: int
    """Pixels of the picture that it needs; larger gains nothing."""
    run: Callable[[SharedPicture, Context], Awaitable[Finding]]
    """Raises a `ModelError`, or a `JobError`."""
    task: Task[Any] | None = None
    """Whose model tells it; None: no model does."""
    version: str = "1"
    """Of its facts, where no model tells them."""
    vectors_in: str | None = None
    """The table whose column `embedding` holds the vectors of its model, where it makes any."""
    model_key: str | None = None
    """Under which `assets.ai_model_versions` names its model; older apps read it."""
    result_key: str | None = None
    """Under which a job's result tells what it found, where apps know another name than its own."""
    usual: bool = True
    """Done where the job does not say which."""


def provenance(model: ModelIdentity) -> dict[str, Any]:
    """The columns that name the model version and weights behind a row."""
    return {"model_version": model.version, "weights_digest": model.digest}


def box_row(box: Box) -> dict[str, float]:
    """A box as JSON in rows and results, rounded to a millionth of the picture's side."""
    return {
        "x": round(box.x, 6),
        "y": round(box.y, 6),
        "width": round(box.width, 6),
        "height": round(box.height, 6),
    }


def vector_text(vector: Vector) -> str:
    """A vector as pgvector reads it, with the nine digits that bring a float32 back unchanged.

    Shorter ones than the columns hold get zeros at their end, with which all cosines stay as they are.
    """
    padded = (*vector, *(0.0,) * (VECTOR_LENGTH - len(vector)))
    return "[" + ",".join(f"{number:.9g}" for number in padded) + "]"
