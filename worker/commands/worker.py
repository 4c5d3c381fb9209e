"""`kizu worker`: Claim jobs and run them until stopped."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any, NoReturn

import click
import structlog

from worker import log
from worker.app import run_worker
from worker.settings import Settings, unknown_settings
from worker.target import read_target


@click.command("worker")
@click.option("--worker-id", help="Name of this worker; several workers need several names.")
@click.option("--lanes", help="Slots per lane, e.g. image=8,video=1.")
@click.option("--drain", is_flag=True, help="End when nothing runs and nothing is due within a minute.")
@click.option("--debug", is_flag=True, help="Log every step.")
def serve(worker_id: str | None, lanes: str | None, drain: bool, debug: bool) -> None:
    """Claim jobs and run them until stopped.

    SIGTERM finishes what runs, within GRACE_SECONDS; a second one gives it back at once. Exit code 3 says
    that jobs were given back unfinished.
    """
    given: dict[str, Any] = {"worker_id": worker_id, "lanes": lanes, "log_level": "debug" if debug else None}
    settings = read_target(**{name: value for name, value in given.items() if value is not None})
    log.configure(settings.log_level, settings.log_format)
    for name, meant in unknown_settings().items():
        structlog.get_logger().warning("setting unknown", name=name, perhaps=meant)
    asyncio.run(work_and_leave(settings, drain=drain))


async def work_and_leave(settings: Settings, *, drain: bool) -> NoReturn:
    """Serve, then end the process without waiting for threads whose jobs have been given back.

    The interpreter would join them first, and a decode may go on for minutes.
    """
    left = await run_worker(settings, drain=drain)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(3 if left else 0)


COMMAND = serve
