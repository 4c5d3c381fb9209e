"""The vocabulary of operations: one operation finds out one fact about a picture and makes rows of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from models.frame import Frame
from models.pictures.detail import Detail
from models.results import Box, Level, Vector
from models.serving.asking import M, ModelAnswer, Out
from models.spec import Choice, ModelIdentity, Parameter
from models.tasks import Task
from worker.context import Context
from worker.core.job import Write
from worker.generations import TASKS, Generation


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedPicture:
    """The decoded picture that all operations of a job share."""

    frames: Mapping[str, Frame]
    """Upright sRGB, in the sizes in which operations look at it; by `Operation.view`."""
    sha256: str
    """Of the file's bytes, lower-case hexadecimal."""
    level: Level
    size: tuple[int, int] | None = None
    """Width and height of the whole upright picture in pixels, where that is known."""
    generation: Generation | None = None
    """Which the operation that looks at it now makes vectors for; None: for the first, which it begins."""
    choices: Mapping[str, Choice] = field(default_factory=dict)
    """Of the models that the library uses, by task; models of other tasks are the settings' choice."""
    answers: dict[tuple[str, Choice | None], asyncio.Task[Any]] = field(default_factory=dict)
    """What models were asked about it, by task and choice; see `ask`."""

    def for_generation(self, generation: Generation) -> SharedPicture:
        """The same picture, as the model of `generation` is to be asked about it. Raises `UnknownModel`."""
        task = TASKS[generation.kind].name
        return replace(self, generation=generation, choices={**self.choices, task: generation.choice})

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
        choice = self.choices.get(task.name)
        if (task.name, choice) not in self.answers:
            asking = context.models.run(task, call, self.frames[task.name], shape=shape, choice=choice)
            self.answers[task.name, choice] = asyncio.ensure_future(asking)
        answer: ModelAnswer[Out] = await self.answers[task.name, choice]
        return answer

    async def embed(
        self,
        context: Context,
        kind: str,
        task: Task[M],
        call: Callable[[M, Sequence[Frame]], Sequence[Out]],
    ) -> tuple[ModelAnswer[Out], Generation]:
        """As `ask`, and the generation that the answer's vectors, of `kind`, belong to; it may be the first.

        Raises:
            ModelError: also where another model answers, or other weights, than the generation's.
        """
        answer = await self.ask(context, task, call)
        generation = self.generation or await context.generations.begin(kind, answer.model)
        if self.generation is None and generation.version != answer.model.version:
            return await self.for_generation(generation).embed(context, kind, task, call)
        generation.check(answer.model)
        await context.generations.learn(generation, answer.model)
        return answer, generation


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What an operation found in a picture, which may be nothing."""

    count: int
    result: Mapping[str, Any]
    """For the job's `result`, as apps read it."""
    writes: Sequence[Write] = ()
    model: ModelIdentity | None = None
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    """What decided it besides the model's own parameters."""
    made_of: Sequence[ModelIdentity] = ()
    """Models whose answers its model was told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One fact about a picture; each file of `worker/operations` ends in `OPERATION = Operation(...)`."""

    name: str
    """As jobs ask for it."""
    detail: Detail
    """How large it looks at the picture; larger gains nothing."""
    run: Callable[[SharedPicture, Context], Awaitable[Finding]]
    """Raises a `ModelError`, or a `JobError`."""
    task: Task[Any] | None = None
    """Whose model tells it; None: no model does."""
    told_by: Sequence[Task[Any]] = ()
    """Whose models tell its own what they see."""
    version: str = "1"
    """Of its facts, where no model tells them."""
    vectors: str | None = None
    """The kind of vectors that its model makes, if any: it then looks once for each generation of these."""
    model_key: str | None = None
    """Under which `assets.ai_model_versions` names its model; older apps read it."""
    result_key: str | None = None
    """Under which a job's result tells what it found, where apps know another name than its own."""
    usual: bool = True
    """Done where the job does not say which."""

    @property
    def view(self) -> str:
        """The name of the frame it looks at."""
        return self.task.name if self.task else self.name

    @property
    def identity(self) -> ModelIdentity:
        """What tells it, where no model does: this code."""
        return ModelIdentity(
            task=self.name,
            name="kizu",
            version=self.version,
            digest=None,
            backend="python",
            precision="",
            device="cpu",
        )


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


def vector_text(vector: Vector, dimension: int) -> str:
    """A vector as pgvector reads it, with the nine digits that bring a float32 back unchanged.

    A shorter one than `dimension` gets zeros at its end, with which all cosines stay as they are.
    """
    padded = (*vector, *(0.0,) * (dimension - len(vector)))
    return "[" + ",".join(f"{number:.9g}" for number in padded) + "]"
