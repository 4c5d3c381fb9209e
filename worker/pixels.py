"""The threads in which pictures are decoded and encoded, and the memory they may take for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any, Final, TypeVar

from models.machine import memory
from models.pictures.demand import Demand
from models.pictures.schedule import Request, Schedule
from worker.core.errors import MEMORY, MemoryShort, TooLarge

T = TypeVar("T")
NOTHING: Final = Demand()
"""What follows on a decoded picture: it takes little time, and memory that is taken already."""
LOOKED_FOR: Final = 64 * memory.MEGABYTE
"""Work that takes more bytes begins only if the system has them."""


def has_memory(dependency: str) -> bool:
    """Whether the memory that `dependency` names could be had now; blocks for a moment."""
    free = memory.available()
    return free is None or free >= int(dependency.removeprefix(MEMORY))


class PixelThreads:
    """Runs blocking work on pixels in the order of a `Schedule`.

    Work that waits may be cancelled. Work that has begun cannot, and counts until its end.
    """

    def __init__(
        self,
        threads: int,
        *,
        machine: int | None = None,
        available: Callable[[], int | None] = memory.available,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`machine` is the memory there is in all, `available` what can be had now, both in MiB."""
        self._machine = memory.machine("cpu") if machine is None else machine
        self._available = available
        self._schedule = Schedule(threads, self._machine * memory.MEGABYTE, clock=clock)
        self._lock = Lock()
        self._pool = ThreadPoolExecutor(self._schedule.most_threads, "pixels")

    async def run(
        self,
        work: Callable[..., T],
        *args: Any,
        lane: str = "",
        demand: Demand = NOTHING,
        urgent: bool = False,
    ) -> T:
        """What `work` answers. Raises what `submit` and the work raise."""
        return await asyncio.wrap_future(
            self.submit(lambda: work(*args), lane=lane, demand=demand, urgent=urgent)
        )

    def submit(
        self, work: Callable[[], T], *, lane: str = "", demand: Demand = NOTHING, urgent: bool = False
    ) -> Future[T]:
        """Let `work` have its turn.

        Raises:
            TooLarge: it takes more memory than the machine has.
            MemoryShort: it takes more than there is just now, at its turn.
        """
        needed = -(-demand.bytes // memory.MEGABYTE)
        if needed > self._machine:
            raise TooLarge(f"the picture takes {needed} MiB of memory, and this machine has {self._machine}")
        future: Future[T] = Future()
        with self._lock:
            request = self._schedule.add(lane, demand, (future, work), urgent=urgent)
        future.add_done_callback(lambda ended: self._withdraw(request) if ended.cancelled() else None)
        self._admit()
        return future

    def close(self) -> None:
        """Begin nothing more; what runs goes on to its end."""
        with self._lock:
            waiting = list(self._schedule.waiting)
            self._schedule.waiting.clear()
        for request in waiting:
            request.work[0].cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _admit(self) -> None:
        with self._lock:
            while request := self._schedule.next():
                self._pool.submit(self._perform, request)

    def _withdraw(self, request: Request) -> None:
        with self._lock:
            self._schedule.withdraw(request)

    def _perform(self, request: Request) -> None:
        future, work = request.work
        request.work = None  # it may hold a file, and the end of this is not the end of the thread's frame
        try:
            if future.set_running_or_notify_cancel():
                short = self._short_of(request.demand)
                fulfil(future, work) if short is None else future.set_exception(short)
        finally:
            del future, work
            with self._lock:
                self._schedule.end(request)
            self._admit()

    def _short_of(self, demand: Demand) -> MemoryShort | None:
        if demand.bytes < LOOKED_FOR:
            return None
        needed, free = demand.bytes // memory.MEGABYTE, self._available()
        return None if free is None or free >= needed else MemoryShort(needed)


def fulfil(future: Future[T], work: Callable[[], T]) -> None:
    """Give a future that runs what `work` answers or raises."""
    try:
        result = work()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
