"""One claimed job from start to settlement. Every job ends in exactly one outcome, decided here."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import structlog

from worker.core.clock import Moment
from worker.core.errors import JobError, ResultRefused, UnknownJobType
from worker.core.handler import Handler
from worker.core.job import Cancelled, Done, Failed, Job, Outcome, Released, Retry, Run
from worker.core.leases import Ended, Ending, Hold, LeaseKeeper
from worker.core.outages import Outages
from worker.core.queue import Queue, SettleAnswer, Settled
from worker.core.record import Record
from worker.core.retry import LONGEST_MESSAGE, RetryPolicy, as_job_error

C = TypeVar("C")
log = structlog.get_logger()

OUTAGE_SECONDS = 90.0
"""Least time for which a job is left alone whose host is down, which lanes cannot see before they claim; more
than a lane that drains waits for."""
GIVE_UP_SECONDS = 900.0
"""A host that has been down for longer counts as the job's own trouble, so that each job has an end."""


class Runner(Generic[C]):
    """Runs jobs by their kind's handler, in a context that only the handlers understand."""

    def __init__(
        self,
        queue: Queue,
        handlers: Mapping[str, Handler[Any, C]],
        leases: LeaseKeeper,
        make_context: Callable[[Job, Hold, Record], C],
        *,
        outages: Outages | None = None,
        policy: RetryPolicy | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._queue = queue
        self._handlers = handlers
        self._leases = leases
        self._make_context = make_context
        self._outages = outages or Outages()
        self._policy = policy or RetryPolicy()
        self._jitter = jitter

    async def run(self, job: Job, *, since: Moment) -> None:
        """Run the job and settle it; `since` is the moment before its claim was sent."""
        record = Record()
        with (
            structlog.contextvars.bound_contextvars(kind=job.kind, job=str(job.id), epoch=job.epoch),
            self._leases.hold(job, since=since) as hold,
        ):
            log.debug("job started", attempt=job.attempt)
            try:
                outcome = await self._outcome(job, hold, record)
                settled = await self._settle(job, hold, outcome, self._run_of(job, record))
            except Ended:  # lost, before or while settling: whoever has the job now decides
                log.warning("lease lost", error_code="lease_lost", seconds=round(record.seconds, 3))
            except Exception as error:
                log.warning("settlement failed", reason=str(error))  # the lease will run out
            else:
                _tell(outcome, settled, record)

    async def _outcome(self, job: Job, hold: Hold, record: Record) -> Outcome:
        """Perform the job and name how it ended.

        Raises:
            Ended: the lease was lost.
        """
        try:
            return await hold.attempt(self._perform(job, hold, record))
        except Ended as ended:
            match ended.ending:
                case Ending.LOST:
                    raise
                case Ending.CANCELLED:
                    return Cancelled()
                case Ending.STOPPING:
                    return Released()
        except Exception as error:
            named = as_job_error(error)
            if await self._outages.caused(named) and (given_back := self._given_back(job, named)):
                return given_back
            if not isinstance(error, JobError) and named.code == "internal_error":
                log.exception("handler raised")
            return self._policy.outcome_of(named, job, jitter=self._jitter())

    def _given_back(self, job: Job, error: JobError) -> Released | None:
        """At once where the lane waits for what was missing, else later.

        None once that has been away for so long that it may never be back, which no lane waits for.
        """
        handler = self._handlers.get(job.kind)
        message = str(error)[:LONGEST_MESSAGE]
        if handler is not None and error.dependency in handler.needs:
            return Released(code=error.code, message=message)
        if self._outages.down.get(error.dependency or "", 0.0) > GIVE_UP_SECONDS:
            return None
        delay = OUTAGE_SECONDS * (1.0 + self._jitter())
        return Released(delay_seconds=delay, code=error.code, message=message)

    async def _perform(self, job: Job, hold: Hold, record: Record) -> Done:
        if (handler := self._handlers.get(job.kind)) is None:
            raise UnknownJobType(f"no handler here for job type {job.kind!r}")

        async with asyncio.timeout(handler.timeout_seconds):
            return await handler.perform(job, self._make_context(job, hold, record))

    async def _settle(self, job: Job, hold: Hold, outcome: Outcome, run: Run) -> Settled:
        settled = await hold.settle(self._queue.settle(job, outcome, run))
        if settled.answer is not SettleAnswer.REFUSED:
            return settled
        log.error("result refused", reason=settled.error)
        refused = ResultRefused(f"the database refused the result: {settled.error}")
        failed = self._policy.outcome_of(refused, job, jitter=0.0)
        bare = dataclasses.replace(run, models=(), timings={}, counts={})  # what the handler noted may be why
        settled = await hold.settle(self._queue.settle(job, failed, bare))
        if settled.answer is SettleAnswer.REFUSED:
            raise refused
        return settled

    def _run_of(self, job: Job, record: Record) -> Run:
        handler = self._handlers.get(job.kind)
        return record.run(handler.kind, handler.version) if handler else record.run("", "")


def _tell(outcome: Outcome, settled: Settled, record: Record) -> None:
    """Log the one line that every job gets."""
    fields: dict[str, Any] = {"seconds": round(record.seconds, 3), "status": settled.status}
    match outcome:
        case _ if settled.answer is SettleAnswer.LOST:
            log.warning("lease lost", error_code="lease_lost", **fields)
        case Done() if settled.status == "pending":
            log.info("job goes back", error_code="source_changed", **fields)
        case Done():
            log.info("job done", **fields)
        case Retry(code=code, message=message, delay_seconds=delay):
            log.warning(
                "job will be retried", error_code=code, reason=message, delay=round(delay, 1), **fields
            )
        case Failed(code=code, message=message):
            log.warning("job failed", error_code=code, reason=message, **fields)
        case Released(code=code, message=message, delay_seconds=delay):
            why = {"error_code": code, "reason": message, "delay": round(delay, 1)} if code else {}
            log.info("job released", **why, **fields)
        case Cancelled():
            log.info("job cancelled", **fields)
