"""Leases of running jobs: one heartbeat extends all of them, and a job whose lease is gone is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, TypeVar

import structlog

from worker.core.clock import Moment
from worker.core.job import Job
from worker.core.queue import Heartbeat, Queue, Verdict

T = TypeVar("T")
log = structlog.get_logger()

TICK_SECONDS = 1.0
"""Progress is written at most this often."""
BEATS_PER_LEASE = 3
"""A lease survives two lost heartbeats."""


class Ending(StrEnum):
    """Why a running job is stopped from outside."""

    LOST = "lost"
    CANCELLED = "cancelled"
    STOPPING = "stopping"


class Ended(Exception):  # an ending, not an error
    """The job was stopped from outside."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending)
        self.ending = ending


class Hold:
    """This worker's hold on one running job."""

    def __init__(self, job: Job, since: Moment) -> None:
        self.job = job
        self.kept_at = since
        """When the last good claim or heartbeat was *sent*."""
        self.progress = 0
        self.step = ""
        self.reported = False
        """Whether progress has changed since the last heartbeat."""
        self._ending: Ending | None = None
        self.settling = False
        self._current: asyncio.Task[Any] | None = None

    def report(self, progress: int, step: str) -> None:
        """Note the job's progress in percent (0 to 100), which never goes backwards."""
        self.progress = max(self.progress, min(progress, 100))
        self.step = step
        self.reported = True

    def end(self, ending: Ending) -> None:
        """Stop the job's work; once the outcome is being settled, only a lost lease does.

        The first reason counts, but for a lost lease: whatever was asked before, nothing may be settled then.
        """
        if self._ending is Ending.LOST:
            return
        if ending is not Ending.LOST and (self.settling or self._ending is not None):
            return
        self._ending = ending
        if self._current is not None:
            self._current.cancel()

    async def attempt(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the job's work and return what it returns.

        Raises:
            Ended: the job was stopped from outside before the work was done.
        """
        if self._ending is not None:
            work.close()
            raise Ended(self._ending)
        self._current = task = asyncio.create_task(work)
        try:
            await asyncio.wait([task])
            if task.cancelled():
                raise self._reason()
            return task.result()
        finally:
            task.cancel()
            self._current = None

    def _reason(self) -> Exception:
        return Ended(self._ending) if self._ending else RuntimeError("the job cancelled itself")

    async def settle(self, work: Coroutine[Any, Any, T]) -> T:
        """Like `attempt`, but only losing the lease ends it."""
        self.settling = True
        if self._ending is not Ending.LOST:
            self._ending = None
        return await self.attempt(work)


class LeaseKeeper:
    """Extends the leases of all held jobs, and stops the jobs whose lease it could not extend."""

    def __init__(
        self, queue: Queue, lease_seconds: float, *, clock: Callable[[], Moment] = Moment.now
    ) -> None:
        self._queue = queue
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._tick = min(TICK_SECONDS, lease_seconds / BEATS_PER_LEASE / 2)
        self._holds: set[Hold] = set()

    @contextmanager
    def hold(self, job: Job, *, since: Moment) -> Iterator[Hold]:
        """Keep the job's lease while inside; `since` is the moment before its claim was sent."""
        hold = Hold(job, since)
        self._holds.add(hold)
        try:
            yield hold
        finally:
            self._holds.remove(hold)

    def end_all(self, ending: Ending) -> None:
        for hold in list(self._holds):
            hold.end(ending)

    async def serve(self) -> None:
        """Send heartbeats and check leases until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._beat())
            tasks.create_task(self._fence())

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._tick)
            if any(self._is_due(hold) for hold in self._holds):
                await self._extend(list(self._holds))

    def _is_due(self, hold: Hold) -> bool:
        return hold.reported or self._age(hold) >= self._lease_seconds / BEATS_PER_LEASE

    def _age(self, hold: Hold) -> float:
        """Seconds since the lease was last known to be kept."""
        return hold.kept_at.until(self._clock())

    async def _extend(self, holds: list[Hold]) -> None:
        sent_at = self._clock()
        for hold in holds:
            hold.reported = False
        try:
            verdicts = await self._queue.extend(
                [Heartbeat(job=hold.job, progress=hold.progress, step=hold.step) for hold in holds]
            )
        except Exception as error:  # the fence decides how long that may last
            log.warning("heartbeat failed", jobs=len(holds), reason=str(error))
            return
        for hold in holds:
            match verdicts.get(hold.job.attempt_id, Verdict.LOST):
                case Verdict.KEPT:
                    hold.kept_at = sent_at
                case Verdict.CANCEL:
                    hold.kept_at = sent_at
                    hold.end(Ending.CANCELLED)
                case Verdict.LOST if not hold.settling:  # a job just settled is held by nobody either
                    hold.end(Ending.LOST)

    async def _fence(self) -> None:
        """Stop jobs whose lease has run out by this worker's clocks: another worker may have them by now."""
        while True:
            await asyncio.sleep(self._tick)
            for hold in list(self._holds):
                if self._age(hold) >= self._lease_seconds:
                    hold.end(Ending.LOST)
