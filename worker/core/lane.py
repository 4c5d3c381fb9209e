"""A lane: some slots, the kinds they run, and the loop that fills them.

Kinds share slots only with kinds of their lane, so that a ten-minute video never delays a thumbnail.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol
from uuid import UUID, uuid4

import structlog

from worker.core.clock import Moment
from worker.core.errors import DatabaseUnavailable, StartupError
from worker.core.job import Job
from worker.core.queue import Claim, Queue
from worker.core.wake import Doorbell

log = structlog.get_logger()

GATHER_SECONDS = 0.05
"""With a backlog, how long a freed slot waits at least for others, so that one claim fills them together."""
GATHER_SHARE = 0.5
"""It waits longer where jobs take long: for this share of what the last one took."""
GATHER_CAP_SECONDS = 1.0
OUTAGE_CAP_SECONDS = 30.0
"""Longest pause between claims while the database cannot be reached."""
DRAIN_SECONDS = 60.0
"""A draining lane waits for what is due within this: for every retry of a job with five attempts (32 s at
most, see `core.retry`) and for jobs of a dead worker, but not for what somebody put off until tomorrow. It
waits as long for an outage to end."""
REFUSALS = 10
"""Claims refused in a row before the worker gives up, after some three minutes: a server that is restarting
may refuse a good token or not know its own functions for a moment, but a revoked account stays refused."""


class RunJob(Protocol):
    """Runs one job to its end; never raises."""

    def __call__(self, job: Job, *, since: Moment) -> Awaitable[None]: ...


class Lane:
    """Claims jobs for its free slots and runs each as a task."""

    def __init__(
        self,
        name: str,
        slots: int,
        kinds: Sequence[str],
        queue: Queue,
        run: RunJob,
        poll_seconds: Callable[[], float],
        *,
        until_empty: bool = False,
        replay_seconds: float = 20.0,
        can_do: Callable[[str], bool] = lambda kind: True,
        can_run: Callable[[str], bool] = lambda kind: True,
        new_claim_id: Callable[[], UUID] = uuid4,
    ) -> None:
        """A claim without an answer is repeated under its id for `replay_seconds`, well within a lease.

        Kinds that `can_do` denies are left to other workers. Those that `can_run` denies are not claimed, and
        whoever changes its answer rings.
        """
        self.name = name
        self.slots = slots
        self.kinds = tuple(kinds)
        self.claimed = 0
        self._queue = queue
        self._run = run
        self._poll_seconds = poll_seconds
        self._until_empty = until_empty
        self._replay_seconds = replay_seconds
        self._can_do = can_do
        self._can_run = can_run
        self._new_claim_id = new_claim_id
        self._bell = Doorbell()
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._look = True
        """Whether there may be due work that no claim has asked for yet."""
        self._look_by = 0.0
        """Monotonic time at which there may be, even if nothing rings; a job that ends does not move it."""
        self._backlog = False
        """Whether the last claim got all it asked for."""
        self._took = 0.0
        """Seconds from the claim of the job that ended last to its end."""
        self._failures = 0
        self._resume_at = 0.0
        """Monotonic time until which a failed claim is rested from; only a stop or a person ends that."""
        self._withheld_since: float | None = None
        """Since when some of the kinds cannot be run."""
        self._claim_id: UUID | None = None
        """Kept while a claim has had no answer: asking again returns what it may have taken."""
        self._claim_since = Moment.now()

    @property
    def running(self) -> int:
        return len(self._running)

    def ring(self) -> None:
        """Make the lane look for work, because there may be some."""
        self._look = True
        self._bell.ring()

    def hurry(self) -> None:
        """End a pause after a failed claim, because a person asked."""
        self._resume_at = 0.0
        self.ring()

    def stop(self) -> None:
        """Claim nothing more, so that `serve` returns while running jobs go on."""
        self._stopping = True
        self._bell.ring()

    async def serve(self) -> None:
        """Fill the slots until stopped, or until nothing runs and nothing is due soon if that was asked."""
        while not self._stopping:
            self._bell.clear()
            if (rest := self._resume_at - time.monotonic()) > 0:
                await self._bell.wait(rest)
                continue
            self._look = self._look or time.monotonic() >= self._look_by
            if self._look and self.running < self.slots:
                pause = await self._fill()
                if pause is None:
                    return
                self._look_by = time.monotonic() + pause
            is_full = self.running == self.slots
            await self._bell.wait(self._poll_seconds() if is_full else self._look_by - time.monotonic())

    async def drained(self) -> None:
        """Wait until no job is running."""
        while self._running:
            await asyncio.wait(self._running)

    async def _fill(self) -> float | None:
        """Claim for the free slots; seconds until the next look if nothing rings, None when drained."""
        if self._backlog:
            await self._gather()
            if self._stopping:
                return self._poll_seconds()
        free = self.slots - self.running
        ours = [kind for kind in self.kinds if self._can_do(kind)]
        kinds = [kind for kind in ours if self._can_run(kind)]
        self._withheld_since = (self._withheld_since or time.monotonic()) if len(kinds) < len(ours) else None
        self._look = False
        try:
            claim = await self._claim(kinds, free) if kinds else Claim()
        except Exception as error:  # whatever a server answers, the worker outlives it
            self._failures += 1
            if isinstance(error, StartupError) and self._failures >= REFUSALS:
                raise
            if not isinstance(error, DatabaseUnavailable):
                self._claim_id = None
            self._look = True
            pause = random.uniform(0.5, 1.0) * min(OUTAGE_CAP_SECONDS, 2.0 ** min(self._failures, 10))
            self._resume_at = time.monotonic() + pause
            log.warning("claim failed", lane=self.name, reason=str(error), pause=round(pause, 1))
            return pause
        self._failures = 0
        self._backlog = len(claim.jobs) >= free or claim.next_due_seconds == 0
        self._look = self._look or self._backlog
        if self._until_empty and not self._running and not _is_soon(claim.next_due_seconds):
            if self._withheld_since is None:
                return None
            if time.monotonic() - self._withheld_since > DRAIN_SECONDS:
                log.warning("lane left undrained", lane=self.name)
                return None
        longest = min(self._poll_seconds(), DRAIN_SECONDS)
        if claim.next_due_seconds is None:
            return longest
        return min(longest, max(claim.next_due_seconds, GATHER_SECONDS))

    async def _gather(self) -> None:
        """Wait until half of the slots are free, while the others have work to go on with."""
        patience = min(max(GATHER_SECONDS, GATHER_SHARE * self._took), GATHER_CAP_SECONDS)
        until = time.monotonic() + patience
        while self.slots - self.running < math.ceil(self.slots / 2) and not self._stopping:
            left = until - time.monotonic()
            if left <= 0:
                return
            self._bell.clear()
            await self._bell.wait(left)

    async def _claim(self, kinds: Sequence[str], free: int) -> Claim:
        now = Moment.now()
        if self._claim_id is None or self._claim_since.until(now) > self._replay_seconds:
            self._claim_id, self._claim_since = self._new_claim_id(), now
        claim = await self._queue.claim(kinds, free, self._claim_id)
        self._claim_id = None
        self.claimed += len(claim.jobs)
        for job in claim.jobs:
            self._start(job, self._claim_since)
        return claim

    def _start(self, job: Job, since: Moment) -> None:
        task = asyncio.ensure_future(self._run(job, since=since))
        self._running.add(task)
        task.add_done_callback(lambda task: self._finished(task, since, ran_alone=job.crashes > 0))

    def _finished(self, task: asyncio.Task[None], since: Moment, *, ran_alone: bool) -> None:
        self._running.discard(task)
        self._took = time.monotonic() - since.monotonic
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("runner raised", lane=self.name, exc_info=error)
        if self._until_empty or ran_alone:
            self._look = True
        self._bell.ring()


def _is_soon(due_seconds: float | None) -> bool:
    return due_seconds is not None and due_seconds <= DRAIN_SECONDS
