"""The handler that the workers run: real rows, and whatever trouble the job brings along."""

from __future__ import annotations

import asyncio
import os
import time

from pydantic import BaseModel

from scripts.chaos_lab.schema import KINDS
from scripts.chaos_lab.wish import COMPLETED, REFUSED, UNREADABLE, Fault
from worker.context import Context
from worker.core.errors import StorageUnavailable, Unreadable
from worker.core.handler import Handler
from worker.core.job import Done, Job, Replace, Update, Write

CRASH_STATUS = 70


class ChaosParams(BaseModel):
    """What a wish became on the job row."""

    slot: int
    rows: int
    expected: str
    faults: tuple[Fault, ...]
    seconds: float


async def run(params: ChaosParams, ctx: Context) -> Done:
    ctx.progress(10, "working")
    await asyncio.sleep(params.seconds)
    attempt = ctx.job.attempt
    await suffer(params.faults[attempt - 1] if attempt <= len(params.faults) else Fault.NONE, ctx)
    ctx.progress(90, "writing")
    if params.expected == UNREADABLE:
        raise Unreadable
    return Done(result={"epoch": ctx.job.epoch}, writes=writes_of(params, ctx.job))


async def suffer(fault: Fault, ctx: Context) -> None:
    lease = ctx.settings.lease_seconds
    match fault:
        case Fault.NONE:
            pass
        case Fault.TRANSIENT:
            raise StorageUnavailable
        case Fault.DEFECT:
            raise ValueError("nobody has thought of this")
        case Fault.STALL:
            await asyncio.sleep(1.3 * lease)
        case Fault.FREEZE:
            time.sleep(1.3 * lease)  # noqa: ASYNC251 - on purpose: the event loop stands still, nobody extends
        case Fault.EXIT:
            os._exit(CRASH_STATUS)


def writes_of(params: ChaosParams, job: Job) -> list[Write]:
    """The job's rows and a mark on its asset; a refused job breaks a rule only after both were written."""
    stamp = {"job_id": str(job.id), "epoch": job.epoch}
    writes: list[Write] = [
        Replace(
            table="chaos_facts",
            scope={"slot": params.slot},
            rows=[{**stamp, "place": place} for place in range(params.rows)],
        ),
        Update(table="assets", set={"ai_model_versions": {"job": str(job.id), "epoch": job.epoch}}),
    ]
    if params.expected == REFUSED:
        writes.append(Replace(table="chaos_facts", scope={"slot": -1}, rows=[{**stamp, "place": -1}]))
    else:
        assert params.expected == COMPLETED
    return writes


def handlers() -> dict[str, Handler[ChaosParams, Context]]:
    """One for each kind; every kind has a lane, and a table, of its own."""
    return {kind: Handler(kind=kind, version="1", lane=kind, params=ChaosParams, run=run) for kind in KINDS}
