"""`kizu worker`: assemble the daemon from its parts and run it."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from importlib.metadata import version
from typing import Any, NoReturn

import click

from models import catalog, memory
from models.errors import ModelError
from models.models import Models
from models.remote import RemoteModels
from models.selection import select
from models.tasks import EMBED, FACES
from worker import health, log
from worker.commands.target import read_target
from worker.connection import Connection
from worker.context import Context, files_for
from worker.daemon import Daemon, poll_seconds
from worker.errors import StartupError
from worker.handler import Handler
from worker.handlers import discover
from worker.job import Job
from worker.lane import Lane
from worker.leases import Hold, LeaseKeeper
from worker.realtime import RealtimeSupervisor
from worker.record import Record
from worker.runner import Runner
from worker.settings import Settings
from worker.supabase_queue import SupabaseQueue

VECTOR_TABLES = {EMBED: "image_embeddings", FACES: "face_embeddings"}


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
    given = {"worker_id": worker_id, "lanes": lanes, "log_level": "debug" if debug else None}
    settings = read_target(**{name: value for name, value in given.items() if value is not None})
    log.configure(settings.log_level, settings.log_format)
    asyncio.run(work_and_leave(settings, drain=drain))


async def work_and_leave(settings: Settings, *, drain: bool) -> NoReturn:
    """Serve, then end the process without waiting for threads whose jobs have been given back.

    The interpreter would join them first, and a decode may go on for minutes.
    """
    left = await run_worker(settings, drain=drain)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(3 if left else 0)


async def run_worker(
    settings: Settings,
    *,
    drain: bool = False,
    handlers: dict[str, Handler[Any, Context]] | None = None,
    models: Models | None = None,
) -> int:
    """Serve until a signal or, with `drain`, until nothing is due soon; answers how many jobs went back.

    Raises:
        StartupError: a setting is wrong, the project refuses this worker, or its name is taken.
    """
    memory.use_one_arena()
    handlers = handlers or discover()
    async with AsyncExitStack() as stack:
        stack.enter_context(health.only_one(settings.worker_id, settings.url))
        connection = await stack.enter_async_context(Connection(settings, patience=math.inf))
        files = await stack.enter_async_context(files_for(connection, settings))
        models = models or RemoteModels(settings)
        stack.push_async_callback(models.close)
        pixels = ThreadPoolExecutor(settings.decode_threads, "pixels")
        stack.callback(pixels.shutdown, wait=False, cancel_futures=True)
        if any("image_ai" in kinds for _, _, kinds in lanes_of(settings, handlers)):
            await check_dimensions(connection, settings)
        queue = SupabaseQueue(connection.rpc, settings.worker_id, settings.lease_seconds)
        leases = LeaseKeeper(queue, settings.lease_seconds)

        def context(job: Job, hold: Hold, record: Record) -> Context:
            return Context(
                job=job,
                files=files,
                models=models,
                settings=settings,
                pixels=pixels,
                record=record,
                progress=hold.report,
            )

        lanes: list[Lane] = []

        def ring() -> None:
            for lane in lanes:
                lane.ring()

        tables = sorted({handler.table for handler in handlers.values()})
        runner = Runner(queue, handlers, leases, context)
        wake = RealtimeSupervisor(connection, ring, tables, mode=settings.wake)
        poll = poll_seconds(wake, alone=settings.poll_interval, woken=settings.poll_interval_realtime)
        lanes += [
            Lane(
                name,
                slots,
                kinds,
                queue,
                runner.run,
                poll,
                until_empty=drain,
                replay_seconds=settings.lease_seconds / 2,
            )
            for name, slots, kinds in lanes_of(settings, handlers)
        ]
        daemon = Daemon(
            queue,
            lanes,
            leases,
            wake,
            grace_seconds=settings.grace_seconds,
            capabilities=capabilities(settings, handlers),
            requests=lambda: connection.requests,
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, daemon.stop)
        await stack.enter_async_context(health.answering(settings.worker_id, settings.url, daemon.status))
        return await daemon.serve()


async def check_dimensions(connection: Connection, settings: Settings) -> None:
    """Compare the vectors of the selected models with the columns they go to; an outage is waited for.

    Raises:
        StartupError: one does not fit, or the settings select no model.
        SchemaMissing: the project's migrations are older than this worker.
    """
    columns = await connection.rpc("vector_dimensions", within=math.inf)
    for task, table in VECTOR_TABLES.items():
        try:
            _, variant = select(catalog.discover(), task.name, settings)
        except ModelError as error:
            raise StartupError(f"{error.code}: {error}") from None
        if variant.dimension not in (None, columns[table]):
            raise StartupError(
                f"dimension_mismatch: {variant.version} makes vectors of {variant.dimension} numbers, and "
                f"{table}.embedding holds {columns[table]}: choose another model, or alter the column"
            )


def lanes_of(
    settings: Settings, handlers: dict[str, Handler[Any, Context]]
) -> list[tuple[str, int, list[str]]]:
    """The lanes that have both slots and handlers: name, slots, kinds.

    Raises:
        StartupError: no lane has both.
    """
    lanes = [
        (name, slots, sorted(kind for kind, handler in handlers.items() if handler.lane == name))
        for name, slots in settings.lanes.items()
        if slots
    ]
    if not any(kinds for _, _, kinds in lanes):
        known = ", ".join(sorted({handler.lane for handler in handlers.values()}))
        raise StartupError(f"LANES: no lane with work to do; this worker has handlers for: {known}")
    return [lane for lane in lanes if lane[2]]


def capabilities(settings: Settings, handlers: dict[str, Handler[Any, Context]]) -> dict[str, Any]:
    """What the `workers` table is told of this worker."""
    return {
        "version": version("kizu-worker"),
        "kinds": {kind: handler.version for kind, handler in handlers.items()},
        "slots": {name: slots for name, slots, _ in lanes_of(settings, handlers)},
        "device": "cpu",
        "cores": os.cpu_count(),
    }
