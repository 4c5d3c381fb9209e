"""A worker that drains one job of moments, as it is or only reading what it reads, and says what that took.

To standard output goes one JSON object, {"seconds", "cpu_seconds", "peak_bytes"}: the seconds of the handler,
the peak of the whole process.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import resource
import sys
import time

from worker import log
from worker.app import run_worker
from worker.context import Context
from worker.core.job import Done
from worker.handlers.generate_moments import HANDLER, Params
from worker.settings import read_settings


async def read(_params: Params, context: Context) -> Done:
    async for page in context.rows.pages("moments_photos", {}):
        context.record.count("photos", len(page))
    return Done()


async def serve(way: str) -> None:
    settings = read_settings()
    log.configure(settings.log_level, settings.log_format)
    work = {"read": read, "moments": HANDLER.run}[way]
    found: dict[str, float] = {}

    async def timed(params: Params, context: Context) -> Done:
        began, cpu = time.perf_counter(), time.process_time()
        done = await work(params, context)
        found.update(seconds=time.perf_counter() - began, cpu_seconds=time.process_time() - cpu)
        return done

    handler = dataclasses.replace(HANDLER, run=timed)
    await run_worker(settings, drain=True, handlers={handler.kind: handler})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts it in KiB
    print(json.dumps(found | {"peak_bytes": peak}))


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
