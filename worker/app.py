"""Composes one daemon from its parts: connection, files, models, lanes, heartbeat and wake-up."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import cache, partial
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Final, TypeAlias

import structlog

from models import catalog as catalogs
from models.errors import ModelError, UnknownModel
from models.machine import memory
from models.selection import check_name, choice_of, select
from models.serving.asking import Models
from models.serving.machine import problem_of
from models.serving.profile import resolved
from models.serving.remote import RemoteModels
from worker import health, operations
from worker.context import Context, files_for
from worker.core.daemon import Chore, Daemon, poll_seconds
from worker.core.errors import HOST, MEMORY, JobError, StartupError
from worker.core.handler import Handler
from worker.core.job import Job
from worker.core.lane import Lane
from worker.core.leases import Hold, LeaseKeeper
from worker.core.outages import Outages, Probe
from worker.core.record import Record
from worker.core.runner import Runner
from worker.files.spool import has_room, remove_leftovers
from worker.files.storage import Files
from worker.files.trash import empty_trash
from worker.generations import Generation, Generations
from worker.handlers import discover
from worker.library.abilities import announced, can_embed, sentences
from worker.library.flips import follow_flip
from worker.library.measuring import measure_cutoffs
from worker.library.names import spread_names
from worker.operations.operation import Operation
from worker.pictures import Pictures
from worker.pixels import PixelThreads, has_memory
from worker.project.connection import Connection
from worker.project.queue import SupabaseQueue
from worker.project.realtime import RealtimeSupervisor
from worker.project.rows import SupabaseRows
from worker.project.staging import SupabaseStaging
from worker.settings import Settings

log = structlog.get_logger()

Handlers: TypeAlias = Mapping[str, Handler[Any, Context]]
"""By kind and alias."""

INTERACTIVE: Final = "interactive"
"""The lane of jobs for which a person waits."""


async def run_worker(
    settings: Settings,
    *,
    drain: bool = False,
    handlers: Handlers | None = None,
    models: Models | None = None,
    interactive_models: Models | None = None,
) -> int:
    """Serve until a signal or, with `drain`, until nothing is due soon; returns how many jobs went back.

    Jobs of the lane `interactive`, for which a person waits, ask a model host of their own: in the others'
    host they would wait behind whatever is running there, and a caption takes ten seconds. `models` and
    `interactive_models` are used instead of both, the former for all jobs where it is given alone.

    Raises:
        StartupError: a setting is wrong, the project refuses this worker, or its name is taken.
    """
    memory.use_one_arena()
    settings = await asyncio.to_thread(resolved, settings)
    handlers = handlers or discover()
    async with AsyncExitStack() as stack:
        life = stack.enter_context(health.only_one(settings.worker_id, settings.url))
        kinds = [kind for _, _, kinds in lanes_of(settings, handlers) for kind in kinds]
        found_out = operations_of(handlers[kind] for kind in kinds)
        looking = asyncio.create_task(check_machine(settings, found_out))
        stack.callback(looking.cancel)
        log.info("connecting", url=settings.url)
        connection = await stack.enter_async_context(Connection(settings, patience=math.inf))
        files = await stack.enter_async_context(files_for(connection, settings))
        await looking
        await asyncio.to_thread(remove_leftovers)
        await lose_claims(connection, settings.worker_id, life)
        interactive_models = interactive_models or models or RemoteModels(settings)
        models = models or RemoteModels(settings)
        stack.push_async_callback(models.close)
        stack.push_async_callback(interactive_models.close)
        pixels = PixelThreads(settings.decode_threads)
        stack.callback(pixels.close)
        pictures = Pictures(files, pixels, max_pixels=settings.max_image_pixels)
        generations = Generations(connection.rpc, settings)
        for other in await check_generations(generations, settings, found_out):
            log.warning("settings name another model than the library's", reason=other)
        for kind in {handler.sentences_of for handler in handlers.values() if handler.sentences_of}:
            await generations.answering(kind, within=math.inf)  # so that the first sign of life says it

        def context(job: Job, hold: Hold, record: Record) -> Context:
            return Context(
                job=job,
                files=files,
                models=interactive_models if handlers[job.kind].lane == INTERACTIVE else models,
                generations=generations,
                rows=SupabaseRows(connection.rpc, settings.worker_id, job.attempt_id),
                staging=SupabaseStaging(connection.rpc, settings.worker_id, job.attempt_id),
                settings=settings,
                pixels=pixels,
                pictures=pictures,
                lane=handlers[job.kind].lane,
                record=record,
                progress=hold.report,
            )

        chores = chores_of(connection, files, models, generations, partial(can_embed, found_out, settings))
        daemon = compose(
            connection, settings, handlers, context, probes_of(files), life, generations, chores, drain=drain
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, daemon.stop)
        if not sys.stdin.isatty():  # a terminal sends it when it is closed, which is to end the worker
            loop.add_signal_handler(signal.SIGHUP, daemon.hurry)
        await stack.enter_async_context(health.answering(settings.worker_id, settings.url, daemon.status))
        return await daemon.serve()


def compose(
    connection: Connection,
    settings: Settings,
    handlers: Handlers,
    make_context: Callable[[Job, Hold, Record], Context],
    probe_of: Callable[[str], Probe | None],
    life: health.Life,
    generations: Generations,
    chores: Mapping[str, Chore],
    *,
    drain: bool,
) -> Daemon:
    """A daemon whose lanes claim from the project's queue and are rung by its Realtime."""
    queue = SupabaseQueue(connection.rpc, settings.worker_id, settings.lease_seconds)
    leases = LeaseKeeper(queue, settings.lease_seconds)
    lanes: list[Lane] = []

    def ring() -> None:
        for lane in lanes:
            lane.ring()

    outages = Outages(probe_of, back=ring)
    runner = Runner(queue, handlers, leases, make_context, outages=outages)

    able = Able(settings, handlers, generations)

    def can_run(kind: str) -> bool:
        return outages.spare(handlers[kind].needs)

    tables = sorted({handler.table for handler in handlers.values()})
    wake = RealtimeSupervisor(connection, ring, tables, mode=settings.wake)
    poll = poll_seconds(wake, alone=settings.poll_interval, woken=settings.poll_interval_realtime)
    replay = settings.lease_seconds / 2
    lanes += [
        Lane(
            name,
            slots,
            kinds,
            queue,
            runner.run,
            poll,
            until_empty=drain,
            replay_seconds=replay,
            can_do=able.can_do,
            can_run=can_run,
            new_claim_id=life.claim_id,
        )
        for name, slots, kinds in lanes_of(settings, handlers)
    ]
    return Daemon(
        queue,
        lanes,
        leases,
        wake,
        outages,
        grace_seconds=settings.grace_seconds,
        capabilities=able.look,
        requests=lambda: connection.requests,
        chores=chores,
        tidy_first=drain,
    )


def chores_of(
    connection: Connection,
    files: Files,
    models: Models,
    generations: Generations,
    can_make: Callable[[Generation], bool],
) -> dict[str, Chore]:
    """What a worker does besides jobs, a little at a time."""

    async def empty() -> bool:
        return (await empty_trash(connection, files))[1]

    return {
        "filling": partial(generations.fill, can_make),
        "measuring": partial(measure_cutoffs, connection, models, generations, can_make),
        "naming": partial(spread_names, connection),
        "clustering": partial(follow_flip, connection),
        "emptying": empty,
    }


async def lose_claims(connection: Connection, worker_id: str, life: health.Life) -> None:
    """Say that what the worker held in the life before, which was cut short, is nobody's now.

    Else it would come back only when its lease is over. Claims of a living worker are never meant, on
    whatever machine, because each life knows its own.
    """
    if life.before is not None:
        try:
            lost = await connection.rpc(
                "lose_claims", {"p_worker": worker_id, "p_claim_id": str(life.before)}
            )
            log.warning("worker was cut short before", jobs=lost)
        except JobError as error:
            log.warning("lost jobs not reported", reason=str(error))


def probes_of(files: Files) -> Callable[[str], Probe | None]:
    """How each dependency of jobs is asked whether it is there."""

    async def has_disk() -> bool:
        return await asyncio.to_thread(has_room)

    def probe_of(name: str) -> Probe | None:
        match name:
            case "storage":
                return files.answers
            case "disk":
                return has_disk
        if name.startswith(MEMORY):
            return partial(asyncio.to_thread, has_memory, name)
        return partial(files.host_answers, name.removeprefix(HOST)) if name.startswith(HOST) else None

    return probe_of


def operations_of(handlers: Iterable[Handler[Any, Context]]) -> list[Operation]:
    """The operations behind the facts that these handlers find out."""
    facts = {fact for handler in handlers for fact in handler.facts}
    return [operation for name, operation in operations.discover().items() if name in facts]


async def check_machine(settings: Settings, found_out: Sequence[Operation]) -> None:
    """Make sure that the device and the backend that models are to run on are there.

    Raises:
        StartupError: one that is asked for is not.
    """
    if any(operation.task is not None for operation in found_out):
        problem = await problem_of(settings)
        if problem:
            raise StartupError(problem)


async def check_generations(
    generations: Generations, settings: Settings, found_out: Iterable[Operation]
) -> list[str]:
    """Where the settings name another model than the library's vectors are made by, which is asked instead.

    Waits for an outage to end.

    Raises:
        StartupError: the settings select no model.
        SchemaMissing: the project's migrations are older than this worker.
    """
    catalog = catalogs.discover()
    others = []
    for operation in found_out:
        if operation.task is None:
            continue
        try:
            check_name(catalog, operation.task.name, settings)
            if operation.vectors is None:
                continue  # without a model that fits, its facts alone are lacking
            choice = choice_of(catalog, operation.task.name, settings)
            variant = select(catalog, operation.task.name, settings)[1]
        except ModelError as error:
            raise StartupError(f"{error.code}: {error}") from None
        active = await generations.answering(operation.vectors, within=math.inf)
        if active is None or active.model == choice.as_json():
            continue
        try:
            active.meant_by(settings)
        except UnknownModel as error:
            others.append(f"{operation.vectors}: {error.code}: {error}")
        else:
            others.append(
                f"{operation.vectors}: the library's vectors are made by {active.version}, which this worker "
                f"asks; its settings mean {variant.version} (no setting needs to follow; "
                "`kizu models generations` changes the library's)"
            )
    return others


def lanes_of(settings: Settings, handlers: Handlers) -> list[tuple[str, int, list[str]]]:
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


@cache
def is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # not even what it is a part of
        return False


class Able:
    """What this machine can do, looked at anew with each sign of life, as models come and go."""

    def __init__(self, settings: Settings, handlers: Handlers, generations: Generations) -> None:
        self._settings = settings
        self._handlers = handlers
        self._generations = generations
        self._sentences: list[str] = []

    def look(self) -> dict[str, Any]:
        """What the `workers` table is told of this worker."""
        kinds = [kind for _, _, kinds in lanes_of(self._settings, self._handlers) for kind in kinds]
        known = self._generations.known
        self._sentences = sentences(self._settings, known)
        return {
            "version": version("kizu-worker"),
            "kinds": {kind: handler.version for kind, handler in self._handlers.items()},
            "slots": {name: slots for name, slots, _ in lanes_of(self._settings, self._handlers)},
            "device": "cpu",
            "cores": os.cpu_count(),
            "sentences": self._sentences,
            **announced(operations_of(self._handlers[kind] for kind in kinds), self._settings, known),
        }

    def can_do(self, kind: str) -> bool:
        """Whether its packages are here, and at the last look was the model that it needs for sentences."""
        handler = self._handlers[kind]
        if not all(map(is_installed, handler.packages)):
            return False
        spoken = handler.sentences_of
        return spoken is None or any(
            one.version in self._sentences
            for one in self._generations.known
            if one.kind == spoken and one.state == "active"
        )
