"""Outages: what every job needs and none gets is nobody's attempt.

A job that fails for want of Storage, the disk or a host says which (`JobError.dependency`). The dependency is
then asked something that only it can answer. If it answers, the failure is the job's own; if not, jobs are
given back as they were, and lanes claim nothing that needs it until it answers again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TypeAlias

import structlog

from worker.core.errors import JobError

log = structlog.get_logger()

Probe: TypeAlias = Callable[[], Awaitable[bool]]
"""Whether the dependency answers now; bounded in time."""

PAUSE_CAP_SECONDS = 30.0
"""Longest pause between two looks at a dependency that is down."""


class Outages:
    """Which dependencies are down, as far as this worker knows."""

    def __init__(
        self,
        probe_of: Callable[[str], Probe | None] = lambda name: None,
        *,
        back: Callable[[], None] = lambda: None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`probe_of` a dependency's name is None where a failure is always the job's own.

        `back` is called when one answers again; `jitter` is uniform in [0, 1).
        """
        self._probe_of = probe_of
        self._back = back
        self._jitter = jitter
        self._since: dict[str, float] = {}
        self._asking: dict[str, asyncio.Task[bool]] = {}
        self._watching: set[asyncio.Task[None]] = set()

    @property
    def down(self) -> Mapping[str, float]:
        """Seconds since each dependency was found to be down."""
        now = time.monotonic()
        return {name: now - since for name, since in self._since.items()}

    def spare(self, needs: Collection[str]) -> bool:
        """Whether nothing of `needs` is down."""
        return not any(name in self._since for name in needs)

    async def caused(self, error: JobError) -> bool:
        """Whether `error` is due to an outage; the first one to ask has the dependency looked at."""
        name = error.dependency
        if name is None or (probe := self._probe_of(name)) is None:
            return False
        if name not in self._since and not await self._answers(name, probe) and name not in self._since:
            self._since[name] = time.monotonic()
            log.warning("dependency down", dependency=name, reason=str(error))
            watching = asyncio.create_task(self._watch(name, probe))
            self._watching.add(watching)
            watching.add_done_callback(self._watching.discard)
        return name in self._since

    async def close(self) -> None:
        """Watch no longer."""
        tasks = [*self._watching, *self._asking.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _answers(self, name: str, probe: Probe) -> bool:
        """What the probe says; those who ask at the same time share one."""
        if name not in self._asking:
            self._asking[name] = asyncio.create_task(_asked(name, probe))
            self._asking[name].add_done_callback(lambda _: self._asking.pop(name))
        return await asyncio.shield(self._asking[name])

    async def _watch(self, name: str, probe: Probe) -> None:
        looks = 0
        while True:
            await asyncio.sleep((0.5 + self._jitter() / 2) * min(PAUSE_CAP_SECONDS, 2.0 ** min(looks, 10)))
            looks += 1
            if await self._answers(name, probe):
                seconds = time.monotonic() - self._since.pop(name)
                log.info("dependency back", dependency=name, seconds=round(seconds, 1))
                self._back()
                return


async def _asked(name: str, probe: Probe) -> bool:
    try:
        return await probe()
    except Exception:
        log.exception("probe raised", dependency=name)
        return True  # a defect of ours is no outage, and must not stop the lanes
