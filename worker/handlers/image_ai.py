"""Turns one picture into facts: it is decoded once, every operation asked for looks at it, and all that was
found is written in the transaction that ends the job.

An operation whose model is not to be had here leaves the others alone: the job is completed without that
fact, the asset goes on lacking it, and `enqueue_missing` finds it later.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from functools import lru_cache, partial
from typing import IO, Any, Final

import structlog
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, field_validator

from models.errors import ModelError
from models.frame import Frame
from models.pictures.picture import Picture
from models.results import Level
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
    UnknownModel,
    WeightsMissing,
)
from worker.core.handler import ADDRESS, Handler
from worker.core.job import Done, Update, Upsert, Write
from worker.decoding import Need
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
        UnknownModel,
        WeightsMissing,
    }
)
"""Trying again here and now would not help, and says nothing about the picture."""


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


async def look(params: Params, context: Context) -> Done:
    wanted = params.wanted()
    context.progress(5, "downloading")
    source = context.source(params.image_url)
    long_side = min(max(operation.long_side for operation in wanted), context.settings.max_image_size)
    level = params.detail_level or context.settings.caption_level
    async with AsyncExitStack() as stack:
        with context.record.stage("fetch"):
            original = await stack.enter_async_context(context.picture(source, Need.of(long_side=long_side)))
        context.progress(15, "decoding")
        with context.record.stage("decode"):
            picture = await original.see(partial(see, long_side, level))
    context.progress(20, "looking")
    found = await _run_all(wanted, picture, context)
    return answer(wanted, found, context)


def see(long_side: int, level: Level, picture: Picture, file: IO[bytes]) -> SharedPicture:
    """A decoded picture and its file as operations are given them, no larger than needed; blocks."""
    image = picture.upright(long_side=long_side, resampling=RESAMPLING)
    # The type IO does not say that a binary file reads into a buffer.
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    return SharedPicture(image=image, frame=Frame.of(image), sha256=sha256, level=level)


async def _run_all(
    wanted: Sequence[Operation], picture: SharedPicture, context: Context
) -> dict[str, Finding | JobError]:
    """What each operation found, or the error for which it could not.

    Raises:
        JobError: one failed in a way that another attempt may mend, and there is another attempt.
    """
    done = 0

    async def run(operation: Operation) -> Finding | JobError:
        nonlocal done
        try:
            with context.record.stage(operation.name):
                found: Finding | JobError = await operation.run(picture, context)
        except ModelError as error:
            found = MODEL_ERRORS.get(error.code, ModelFailed)(str(error))
        done += 1
        context.progress(20 + 70 * done // len(wanted), operation.name)
        return found

    try:
        async with asyncio.TaskGroup() as tasks:
            running = {operation.name: tasks.create_task(run(operation)) for operation in wanted}
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from group
    found = {name: task.result() for name, task in running.items()}
    errors = [error for error in found.values() if isinstance(error, JobError)]
    mendable = [error for error in errors if type(error) not in UNAVAILABLE]
    if mendable and context.job.attempt < context.job.max_attempts:
        raise mendable[0]
    if len(errors) == len(found):
        raise errors[0]
    return found


def answer(wanted: Sequence[Operation], found: Mapping[str, Finding | JobError], context: Context) -> Done:
    """The job's outcome: its result for apps, the rows found, and the facts now known of the asset."""
    result: dict[str, Any] = {"asset_id": str(context.job.asset_id)}
    writes: list[Write] = []
    facts: list[dict[str, str]] = []
    versions: dict[str, str] = {}
    for operation in wanted:
        finding = found[operation.name]
        key = operation.result_key or operation.name
        if isinstance(finding, JobError):
            _complain(operation.name, finding.code, str(finding))
            result[key] = {"success": False, "error": finding.code, "message": str(finding)}
            facts.append({"fact": operation.name, "state": "unavailable", "reason": finding.code})
            continue
        result[key] = dict(finding.result)
        writes.extend(finding.writes)
        model = finding.model
        facts.append(
            {
                "fact": operation.name,
                "version": model.version if model else operation.version,
                "state": "done" if finding.count else "nothing_found",
            }
        )
        context.record.count(operation.name, finding.count)
        if model:
            context.record.model(model)
            if operation.model_key:
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
