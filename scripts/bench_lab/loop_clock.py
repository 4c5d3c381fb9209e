"""How late an event loop is: in a worker while its handlers run, or in a process that does nothing else.

As a program it ticks until SIGTERM and then says what it saw: how late the machine alone makes a loop.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from dataclasses import replace
from typing import Any

from scripts.bench_lab.measure import percentile
from worker.context import Context
from worker.core.handler import Handler
from worker.core.job import Done

TICK_SECONDS = 0.02
"""Four times as often the clock alone took three percent of a core from what is measured."""


class LoopClock:
    """Notes lateness, in seconds, while `running` is not 0."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self.running = 0

    async def serve(self) -> None:
        """Until cancelled."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(TICK_SECONDS)
            if self.running:
                self.late.append(time.perf_counter() - began - TICK_SECONDS)

    def watched(self, handler: Handler[Any, Context]) -> Handler[Any, Context]:
        """The same handler, counted while it runs."""

        async def run(params: Any, context: Context) -> Done:
            self.running += 1
            try:
                return await handler.run(params, context)
            finally:
                self.running -= 1

        return replace(handler, run=run)

    def as_json(self) -> dict[str, float]:
        if len(self.late) < 2:
            return {"samples": len(self.late)}
        return {
            "samples": len(self.late),
            "p50": percentile(self.late, 50),
            "p99": percentile(self.late, 99),
            "longest": max(self.late),
        }


async def tick() -> None:
    clock = LoopClock()
    clock.running = 1
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    ticking = asyncio.create_task(clock.serve())
    await stopped.wait()
    ticking.cancel()
    print(json.dumps(clock.as_json()))


if __name__ == "__main__":
    asyncio.run(tick())
