"""A worker process with three things that `kizu worker` has not: no-op jobs, a clock on its event loop, and
a signal, SIGUSR1, at which it unloads every model.

What it measured goes to standard output as one JSON object when the worker ends.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import resource
import signal

from models.serving.remote import RemoteModels
from scripts.bench_lab import noop_handler
from scripts.bench_lab.loop_clock import LoopClock
from worker import log
from worker.app import run_worker
from worker.core.handler import by_kind
from worker.handlers import discover
from worker.settings import read_settings


async def serve() -> None:
    settings = read_settings()
    log.configure(settings.log_level, settings.log_format)
    clock = LoopClock()
    models, interactive_models = RemoteModels(settings), RemoteModels(settings)
    known = {handler.kind: handler for handler in (*discover().values(), noop_handler.HANDLER)}
    handlers = by_kind(clock.watched(handler) for handler in known.values())
    running = [asyncio.create_task(clock.serve())]
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGUSR1, lambda: running.append(asyncio.create_task(models.unload_all()))
    )
    try:
        await run_worker(settings, handlers=handlers, models=models, interactive_models=interactive_models)
    finally:
        for task in running:
            task.cancel()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts it in KiB
    metrics = {version: dataclasses.asdict(found) for version, found in (await models.metrics()).items()}
    print(json.dumps({"loop_late": clock.as_json(), "peak_bytes": peak, "models": metrics}))


if __name__ == "__main__":
    asyncio.run(serve())
