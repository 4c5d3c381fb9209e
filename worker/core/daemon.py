"""The daemon: lanes that fill themselves, a heartbeat, a wake-up, and an orderly end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import structlog

from worker.core.errors import StartupError
from worker.core.lane import Lane
from worker.core.leases import Ending, LeaseKeeper
from worker.core.outages import Outages
from worker.core.queue import Queue

log = structlog.get_logger()

ANNOUNCE_SECONDS = 30.0
"""Between two signs of life in the `workers` table; three missed ones make a worker stale."""
TIDY_SECONDS = 600.0
"""Between two rounds of chores."""
TIDY_ON_SECONDS = 10.0
"""The same while one of them has more to do than it does at once."""
Chore: TypeAlias = Callable[[], Awaitable[bool]]
"""Does a little that nobody waits for, and answers whether there is more."""
SETTLE_SECONDS = 5.0
"""How long a claim under way may hold up the stop, and, after the grace period, giving back what is left."""


class Wake(Protocol):
    """Rings the lanes when it hears of new jobs."""

    @property
    def healthy(self) -> bool:
        """Whether an insert of a job would be heard of now."""
        ...

    async def serve(self) -> None:
        """Listen until cancelled."""
        ...


class Daemon:
    """Runs the lanes until it is stopped, or, with lanes that drain, until they are empty."""

    def __init__(
        self,
        queue: Queue,
        lanes: Sequence[Lane],
        leases: LeaseKeeper,
        wake: Wake,
        outages: Outages,
        *,
        grace_seconds: float,
        capabilities: Callable[[], Mapping[str, Any]],
        requests: Callable[[], int],
        chores: Mapping[str, Chore] | None = None,
        tidy_first: bool = False,
    ) -> None:
        """With `tidy_first` chores are done once before the first claim, for a worker that may end soon."""
        self._queue = queue
        self._lanes = lanes
        self._leases = leases
        self._wake = wake
        self._outages = outages
        self._grace_seconds = grace_seconds
        self._capabilities = capabilities
        self._requests = requests
        self._chores = chores or {}
        self._tidy_first = tidy_first
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()

    def stop(self) -> None:
        """Finish the running jobs within the grace period; a second call releases them at once."""
        running = sum(lane.running for lane in self._lanes)
        if not self._stop.is_set():
            log.info("worker stopping", running=running, grace=self._grace_seconds)
        (self._hurry if self._stop.is_set() else self._stop).set()

    def hurry(self) -> None:
        """End the lanes' pauses after failed claims, because a person asked."""
        for lane in self._lanes:
            lane.hurry()

    def status(self) -> dict[str, Any]:
        """The daemon's state for the health check and the `workers` table."""
        return {
            "stopping": self._stop.is_set(),
            "realtime": self._wake.healthy,
            "lanes": {lane.name: {"running": lane.running, "slots": lane.slots} for lane in self._lanes},
            "down": {name: round(seconds, 1) for name, seconds in self._outages.down.items()},
            "claimed": sum(lane.claimed for lane in self._lanes),
            "requests": self._requests(),
        }

    async def serve(self) -> int:
        """Claim and run jobs until stopped; returns how many jobs were released unfinished.

        Raises:
            StartupError: the project refuses this worker.
        """
        await self._announce(refusable=True)
        background = [
            asyncio.create_task(self._leases.serve()),
            asyncio.create_task(self._wake.serve()),
            asyncio.create_task(self._keep_announcing()),
            asyncio.create_task(self._keep_tidying()),
        ]
        if self._tidy_first:
            await self._tidy()
        lanes = [asyncio.create_task(lane.serve()) for lane in self._lanes]
        emptied = asyncio.gather(*lanes)
        stopped = asyncio.create_task(self._stop.wait())
        try:
            log.info("worker started", **await asyncio.to_thread(self._capabilities))
            try:
                await _first_of(stopped, emptied, *background)
            finally:  # whatever ended it, nothing stays held
                left = await self._drain(lanes)
            return left
        finally:
            await _cancel([stopped, emptied, *lanes, *background])
            await self._outages.close()
            await self._announce(stopped=True)
            log.info("worker stopped")

    async def _drain(self, lanes: Sequence[asyncio.Task[None]]) -> int:
        """Let the running jobs finish within the grace period and release the rest."""
        for lane in self._lanes:
            lane.stop()
        drained = asyncio.create_task(self._drained(lanes))
        hurry = asyncio.create_task(self._hurry.wait())
        try:
            await asyncio.wait(
                [drained, hurry], timeout=self._grace_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            left = sum(lane.running for lane in self._lanes)
            if left:
                log.warning("releasing unfinished jobs", jobs=left)
                self._leases.end_all(Ending.STOPPING)
                await asyncio.wait([drained], timeout=SETTLE_SECONDS)
        finally:
            await _cancel([hurry, drained])
        try:
            left = max(left, await self._queue.release_all())
        except Exception as error:
            log.warning("release failed", reason=str(error))
        return left

    async def _drained(self, lanes: Sequence[asyncio.Task[None]]) -> None:
        """Wait for claims under way, because nobody else knows of their jobs, and for the jobs that run."""
        await asyncio.wait(lanes, timeout=SETTLE_SECONDS)
        for lane in self._lanes:
            await lane.drained()

    async def _keep_announcing(self) -> None:
        while True:
            await asyncio.sleep(ANNOUNCE_SECONDS * random.uniform(0.9, 1.0))
            await self._announce()

    async def _keep_tidying(self) -> None:
        more = True  # a worker that is started by a timer may not live for long
        while True:
            await asyncio.sleep((TIDY_ON_SECONDS if more else TIDY_SECONDS) * random.uniform(0.8, 1.2))
            more = await self._tidy()

    async def _tidy(self) -> bool:
        """Do each chore once; whether one of them has more to do."""
        more = False
        for name, chore in {"tidying": self._queue.tidy, **self._chores}.items():
            try:
                more |= await chore()
            except Exception as error:
                log.warning(f"{name} failed", reason=str(error))
        return more

    async def _announce(self, *, stopped: bool = False, refusable: bool = False) -> None:
        try:
            able = await asyncio.to_thread(self._capabilities)
            await self._queue.announce(
                {**able, **self.status(), "stopped": stopped, "beat_seconds": ANNOUNCE_SECONDS}
            )
        except Exception as error:
            if refusable and isinstance(error, StartupError):
                raise
            log.warning("announcement failed", reason=str(error))


def poll_seconds(wake: Wake, *, alone: float, woken: float) -> Callable[[], float]:
    """Seconds a lane sleeps at most: `woken` while the wake-up is healthy, else `alone`, less some jitter."""
    return lambda: (woken if wake.healthy else alone) * random.uniform(0.8, 1.0)


async def _first_of(*futures: asyncio.Future[Any]) -> None:
    """Wait until the first of the futures ends, and raise what it raised."""
    done, _ = await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
    for future in done:
        future.result()


async def _cancel(futures: Sequence[asyncio.Future[Any]]) -> None:
    for future in futures:
        future.cancel()
    await asyncio.gather(*futures, return_exceptions=True)
