"""A worker process with two things that `kizu worker` has not: no-op jobs, and a clock on its event loop.

What the clock says goes to standard output as one JSON object when the worker ends.
"""

from __future__ import annotations

import asyncio
import json
import resource

from scripts.bench_lab import noop_handler
from scripts.bench_lab.loop_clock import LoopClock
from worker import log
from worker.commands.serve import run_worker
from worker.handler import by_kind
from worker.handlers import discover
from worker.settings import read_settings


async def serve() -> None:
    settings = read_settings()
    log.configure(settings.log_level, settings.log_format)
    clock = LoopClock()
    handlers = by_kind(clock.watched(handler) for handler in (*discover().values(), noop_handler.HANDLER))
    ticking = asyncio.create_task(clock.serve())
    try:
        await run_worker(settings, handlers=handlers)
    finally:
        ticking.cancel()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts it in KiB
    print(json.dumps({"loop_late": clock.as_json(), "peak_bytes": peak}))


if __name__ == "__main__":
    asyncio.run(serve())
