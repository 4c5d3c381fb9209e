"""Turns one picture into facts: it is decoded once, every operation asked for looks at it, and all that was
found is written in the transaction that ends the job.

An operation whose model is not to be had here leaves the others alone: the job is completed without that
fact, the asset goes on lacking it, and `enqueue_missing` finds it later.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from typing import IO, Any, Final

import structlog
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.json_schema import SkipJsonSchema

from models.errors import ModelError
from models.frame import Frame
from models.pictures.detail import Detail, shared_views
from models.pictures.picture import Picture
from models.results import Level
from models.spec import Choice
from worker import operations
from worker.context import Context
from worker.core.errors import (
    BadWeights,
    DeviceUnavailable,
    JobError,
    LicenceRefused,
    ModelFailed,
    OutOfMemory,
    PackageMissing,
    ServerUnavailable,
    TooSmallToRead,
    UnknownGeneration,
    UnknownModel,
    WeightsMissing,
)
from worker.core.handler import ADDRESS, Handler
from worker.core.job import Done, Update, Upsert, Write
from worker.decoding import Need
from worker.generations import TASKS, Generation
from worker.operations.operation import Finding, Operation, SharedPicture

log = structlog.get_logger(__name__)

OPERATIONS: Final = operations.discover()
ALL: Final = "all"
MODEL_ERRORS: Final[Mapping[str, type[JobError]]] = {
    error.code: error
    for error in (
        BadWeights,
        DeviceUnavailable,
        LicenceRefused,
        ModelFailed,
        OutOfMemory,
        PackageMissing,
        ServerUnavailable,
        UnknownModel,
        WeightsMissing,
    )
}
RESAMPLING: Final = Image.Resampling.HAMMING
"""As sharp as bicubic where a picture becomes smaller, at half of Lanczos's cost."""
UNAVAILABLE: Final = frozenset(
    {
        BadWeights,
        DeviceUnavailable,
        LicenceRefused,
        PackageMissing,
        ServerUnavailable,
        TooSmallToRead,
        UnknownGeneration,
        UnknownModel,
        WeightsMissing,
    }
)
"""Trying again here and now would not help."""


class Params(BaseModel):
    """The params of an `image_ai` job."""

    model_config = ConfigDict(extra="ignore")

    operations: list[str] | None = Field(
        None, max_length=64, json_schema_extra={"type": "array", "items": {"enum": [*OPERATIONS, ALL]}}
    )
    """Names of operations, or `all`; without any, the usual ones."""
    image_url: str | None = Field(None, json_schema_extra=ADDRESS)
    """Where the picture is, if not where its asset says: a storage key, a URL or a data URL."""
    detail_level: Level | None = None
    """How much `describe` says."""
    versions: SkipJsonSchema[dict[str, str]] = Field(default_factory=dict, max_length=64)
    """Versions of facts that the database misses; of one with vectors, the only generation to look for.

    No app asks for it.
    """

    @field_validator("operations")
    @classmethod
    def _known(cls, names: list[str] | None) -> list[str] | None:
        unknown = [name for name in names or () if name != ALL and name not in OPERATIONS]
        if unknown:
            raise ValueError(f"there is no operation {unknown[0][:50]!r}; there are {', '.join(OPERATIONS)}")
        return names

    def wanted(self) -> list[Operation]:
        """The operations asked for, each once, in the order of their names."""
        if not self.operations:
            return [operation for operation in OPERATIONS.values() if operation.usual]
        return [
            operation
            for name, operation in OPERATIONS.items()
            if ALL in self.operations or name in self.operations
        ]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """One operation's look at the picture; there is one for each generation of its vectors."""

    operation: Operation
    generation: Generation | None = None
    aside: bool = False
    """Whether another look of the operation is the job's answer, and this one is kept beside it."""
    refused: UnknownGeneration | None = None
    """Why it is not taken."""

    @property
    def version(self) -> str:
        """Of the fact, as far as it is known without a look."""
        return self.generation.version if self.generation else ""


async def look(params: Params, context: Context) -> Done:
    wanted = params.wanted()
    looks = await plan(wanted, params.versions, context)
    context.progress(5, "downloading")
    source = context.source(params.image_url)
    details = details_of(wanted)
    level = params.detail_level or context.settings.caption_level
    async with AsyncExitStack() as stack:
        with context.record.stage("fetch"):
            original = await stack.enter_async_context(
                context.picture(source, Need.for_details(details.values()))
            )
        context.progress(15, "decoding")
        with context.record.stage("decode"):
            most_pixels = context.settings.max_image_size**2
            picture = await original.see(partial(see, details, most_pixels, level))
    context.progress(20, "looking")
    picture = replace(picture, choices=await choices_of(context))
    found = await _run_all(looks, picture, context)
    return answer(found, context, picture)


async def plan(wanted: Sequence[Operation], versions: Mapping[str, str], context: Context) -> list[Look]:
    """The looks to take: one for each operation, or for each generation of its vectors.

    One at a generation that is no more is refused, and leaves the others alone.

    Raises:
        UnknownGeneration: no other look is asked for.
        DatabaseUnavailable: nobody says which there are.
    """
    looks: list[Look] = []
    for operation in wanted:
        generations: Sequence[Generation | None] = ()
        if operation.vectors is not None:
            version = versions.get(operation.name)
            try:
                generations = await context.generations.to_write(operation.vectors, version)
            except UnknownGeneration as error:
                looks.append(Look(operation=operation, refused=error))
                continue
        looks += [
            Look(operation=operation, generation=generation, aside=number > 0)
            for number, generation in enumerate(generations or [None])
        ]
    refused = [look.refused for look in looks if look.refused]
    if refused and len(refused) == len(looks):
        raise refused[0]
    return looks


async def choices_of(context: Context) -> dict[str, Choice]:
    """The models that make the vectors that answer, by task: what they see is asked once for all purposes."""
    choices = {}
    for kind, task in TASKS.items():
        if generation := await context.generations.answering(kind):
            with suppress(ModelError):
                choices[task.name] = generation.choice
    return choices


def details_of(wanted: Sequence[Operation]) -> dict[str, Detail]:
    """How large operations, and those who tell their models what they see, look at the picture, by view."""
    told_by = {task.name for operation in wanted for task in operation.told_by}
    views = {operation.view for operation in wanted} | told_by
    return {one.view: one.detail for one in OPERATIONS.values() if one.view in views}


def see(
    details: Mapping[str, Detail], most_pixels: int, level: Level, picture: Picture, file: IO[bytes]
) -> SharedPicture:
    """A decoded picture and its file as operations are given them, no larger than needed; blocks."""
    needs = {
        name: detail.long_side_of(picture.width, picture.height, most_pixels=most_pixels)
        for name, detail in details.items()
    }
    views = shared_views(needs)
    frames = {
        side: Frame.of(picture.upright(long_side=side, resampling=RESAMPLING)) for side in set(views.values())
    }
    # The type IO does not say that a binary file reads into a buffer.
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    return SharedPicture(
        frames={name: frames[side] for name, side in views.items()},
        sha256=sha256,
        level=level,
        size=(picture.width, picture.height),
    )


async def _run_all(
    looks: Sequence[Look], picture: SharedPicture, context: Context
) -> dict[Look, Finding | JobError]:
    """What each look found, or the error for which it could not.

    Raises:
        JobError: one failed in a way that another attempt may mend, and there is another attempt.
    """
    done = 0

    async def run(look: Look) -> Finding | JobError:
        nonlocal done
        name = look.operation.name
        if look.refused:
            return look.refused
        try:
            with context.record.stage(f"{name} beside" if look.aside else name):
                seen = picture.for_generation(look.generation) if look.generation else picture
                found: Finding | JobError = await look.operation.run(seen, context)
        except ModelError as error:
            found = MODEL_ERRORS.get(error.code, ModelFailed)(str(error))
        except TooSmallToRead as error:
            found = error
        done += 1
        context.progress(20 + 70 * done // len(looks), name)
        return found

    try:
        async with asyncio.TaskGroup() as tasks:
            running = {look: tasks.create_task(run(look)) for look in looks}
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from group
    found = {look: task.result() for look, task in running.items()}
    # What is kept beside the answer keeps no job waiting: the next round of back-fill finds what it lacks.
    errors = [error for look, error in found.items() if isinstance(error, JobError) and not look.aside]
    mendable = [error for error in errors if type(error) not in UNAVAILABLE]
    if mendable and context.job.attempt < context.job.max_attempts:
        raise mendable[0]
    if len(errors) == sum(not look.aside for look in looks):
        raise errors[0]
    return found


def answer(found: Mapping[Look, Finding | JobError], context: Context, picture: SharedPicture) -> Done:
    """The job's outcome: its result for apps, the rows found, and the facts now known of the asset.

    The run's record says of each fact what told it, and with which parameters.
    """
    result: dict[str, Any] = {"asset_id": str(context.job.asset_id)}
    writes: list[Write] = []
    facts: list[dict[str, str | None]] = []
    versions: dict[str, str] = {}
    for look, finding in sorted(found.items(), key=lambda item: item[0].operation.name):
        operation, said = look.operation, {"fact": look.operation.name, "reason": None}
        key = operation.result_key or operation.name
        if isinstance(finding, JobError):
            _complain(operation.name, finding.code, str(finding))
            if not look.aside:
                result[key] = {"success": False, "error": finding.code, "message": str(finding)}
            facts.append({**said, "version": look.version, "state": "unavailable", "reason": finding.code})
            continue
        writes.extend(finding.writes)
        model = finding.model
        facts.append(
            {
                **said,
                "version": model.version if model else operation.version,
                "state": "done" if finding.count else "nothing_found",
            }
        )
        teller = model or operation.identity
        frame = picture.frames[operation.view]
        context.record.model(
            teller,
            fact=operation.name,
            parameters={**teller.parameters, **finding.parameters, "long_side": frame.long_side},
            made_of=[asdict(one) for one in finding.made_of],
        )
        if look.aside:
            continue
        result[key] = dict(finding.result)
        context.record.count(operation.name, finding.count)
        if model and operation.model_key:
            versions[operation.model_key] = model.version
    result["_meta"] = {"worker_id": context.settings.worker_id, "models": versions}
    writes += [
        Upsert(table="asset_facts", rows=facts),
        Update(
            table="assets",
            set={"ai_processed_by": context.settings.worker_id},
            merge={"ai_model_versions": versions},
        ),
    ]
    return Done(result=result, writes=writes)


@lru_cache(maxsize=64)
def _complain(operation: str, code: str, reason: str) -> None:
    """Log once what this machine lacks: it lacks it for every picture, and each job's result says so too."""
    log.warning("operation unavailable", operation=operation, error_code=code, reason=reason)


HANDLER = Handler(
    kind="image_ai",
    aliases=("process_image",),
    version="1",
    lane="ai",
    table="ai_processing_jobs",
    params=Params,
    run=look,
    facts=tuple(OPERATIONS),
)
