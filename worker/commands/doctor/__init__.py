"""`kizu doctor`: Check models, key, schema, Realtime, Storage and this machine; exit code 1 if any failed."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from uuid import uuid4

import click
import httpx

from models.serving.machine import problem_of
from models.serving.profile import resolved
from worker import operations
from worker.app import check_generations
from worker.commands.doctor.check import Check, State
from worker.commands.doctor.clock import check_clock
from worker.commands.doctor.database import judge
from worker.commands.doctor.keys import check_settings, check_token
from worker.commands.models.entry import all_entries, problems_of
from worker.context import files_for
from worker.core.errors import JobError, StartupError
from worker.files.sources import ASSETS_BUCKET
from worker.generations import Generations
from worker.handlers import discover
from worker.output import as_json, print_json, say
from worker.project.connection import Connection
from worker.project.queue import SupabaseQueue
from worker.project.realtime import RealtimeSupervisor
from worker.settings import Settings, unknown_settings
from worker.target import read_target

REALTIME_SECONDS = 15.0
SPACE_WANTED = 2 * 1024**3
"""Bytes free under KIZU_HOME, below which doctor warns."""
KEY_SET = "/auth/v1/.well-known/jwks.json"


@click.command()
@as_json
def doctor(as_json: bool) -> None:
    """Check models, key, schema, Realtime, Storage and this machine; exit code 1 if any failed."""

    async def run() -> list[Check]:
        checks = []
        async for check in examine():
            checks.append(check)
            if not as_json:
                for line in check.shown():
                    say(line)
        return checks

    checks = asyncio.run(run())
    if as_json:
        print_json([asdict(check) for check in checks])
    if any(check.state == "failed" for check in checks):
        raise SystemExit(1)


async def examine() -> AsyncIterator[Check]:
    """Look at everything, the most basic first; what cannot be reached ends the list early."""
    try:
        settings = await asyncio.to_thread(resolved, read_target())
    except StartupError as error:
        yield Check("settings", "failed", str(error))
        return
    yield Check("settings", "ok", f"project {settings.url}, worker {settings.worker_id}")
    for name, meant in unknown_settings().items():
        perhaps = f"; perhaps {meant} is meant" if meant else ""
        yield Check(name, "warning", f"nothing reads this variable{perhaps}")
    for check in await _machine(settings):
        yield check
    yield _models(settings)
    for check in check_settings(settings, now=time.time()):
        yield check
    try:
        async with Connection(settings, patience=5) as connection:
            who = connection.caller
            yield Check("sign-in", "ok", f"{who.kind}{f' {who.user_id}' if who.user_id else ''}")
            for check in await _time_and_keys(connection):
                yield check
            queue = await _queue(connection, settings)
            yield queue
            if queue.state == "failed":
                return
            for check in await _database(connection):
                yield check
            yield await _vectors(connection, settings)
            yield await _realtime(connection, settings)
            yield await _storage(connection, settings)
    except (StartupError, JobError) as error:
        yield Check("sign-in", "failed", f"{error.code}: {error}")


async def _machine(settings: Settings) -> list[Check]:
    home = settings.kizu_home
    home = home if home.exists() else home.absolute().parent
    free = shutil.disk_usage(home).free
    state: State = "ok" if free >= SPACE_WANTED else "warning"
    checks = [Check("disk", state, f"{free / 1024**3:.1f} GiB free at {home}")]
    if ffmpeg := shutil.which("ffmpeg"):
        checks.append(Check("ffmpeg", "ok", ffmpeg))
    else:
        checks.append(Check("ffmpeg", "warning", "not found; only video jobs need it (package `ffmpeg`)"))
    if problem := await problem_of(settings):
        checks.append(Check("GPU", "failed", problem))
    else:
        found = "NVIDIA driver found" if shutil.which("nvidia-smi") else "none found; the CPU is used"
        checks.append(Check("GPU", "ok", found))
    return checks


def _models(settings: Settings) -> Check:
    """A worker without models works; its photos lack facts until one with them comes."""
    entries = all_entries(settings)
    chosen = [entry for entry in entries if entry.selected]
    ready = tuple(f"{entry.task}: {entry.version}" for entry in chosen if not entry.problem)
    if problems := problems_of(entries):
        return Check("models", "warning", "; ".join(problems), lines=(*ready, *problems))
    return Check("models", "ok", ", ".join(str(entry.version) for entry in chosen), lines=ready)


async def _time_and_keys(connection: Connection) -> list[Check]:
    """One answer of Auth, open to everybody, tells its clock and the keys that tokens are checked with."""
    asked = time.time()
    try:
        answer = await connection.request("GET", KEY_SET)
        kids = [key["kid"] for key in answer.json()["keys"]] if answer.is_success else None
    except httpx.RequestError:
        return []  # the next check says who does not answer
    except (ValueError, KeyError, TypeError):
        return [
            Check("clock", "warning", f"could not be compared: {KEY_SET} was not answered as it should be")
        ]
    clock = check_clock(asked=asked, answered=time.time(), date=answer.headers.get("date", ""))
    return [clock, check_token(connection.token, kids, from_auth=connection.has_account)]


async def _database(connection: Connection) -> list[Check]:
    if connection.caller.kind == "user":
        return []  # how the database is doing is no user's business
    try:
        return list(judge(await connection.rpc("queue_health")))
    except (StartupError, JobError) as error:
        return [Check("database", "failed", f"{error.code}: {error}")]


async def _vectors(connection: Connection, settings: Settings) -> Check:
    """Whose vectors answer, and whether the settings mean somebody else."""
    generations = Generations(connection.rpc, settings)
    try:
        others = await check_generations(generations, settings, operations.discover().values())
    except StartupError as error:
        return Check("vectors", "failed", str(error))
    if others:
        return Check("vectors", "warning", "; ".join(others))
    living = [f"{one.kind}: {one.version} ({one.state})" for one in generations.known]
    return Check("vectors", "ok", ", ".join(living) or "none yet: the first photo's models begin them")


async def _queue(connection: Connection, settings: Settings) -> Check:
    """Claiming nothing proves that the verbs are there, may be called, and are answered."""
    queue = SupabaseQueue(connection.rpc, settings.worker_id, settings.lease_seconds)
    try:
        await queue.claim(sorted(discover()), 0, uuid4())
    except (StartupError, JobError) as error:
        return Check("queue", "failed", f"{error.code}: {error}")
    return Check("queue", "ok", "the worker verbs are there and may be called")


async def _realtime(connection: Connection, settings: Settings) -> Check:
    polled = f"new jobs are found every {settings.poll_interval:g} s"
    if settings.wake == "off":
        return Check("Realtime", "warning", f"switched off; {polled}")
    subscribed = asyncio.Event()
    tables = sorted({handler.table for handler in discover().values()})
    listening = asyncio.create_task(
        RealtimeSupervisor(connection, subscribed.set, tables, mode=settings.wake).serve()
    )
    try:
        async with asyncio.timeout(REALTIME_SECONDS):
            await subscribed.wait()
    except TimeoutError:
        return Check(
            "Realtime",
            "warning",
            f"no subscription within {REALTIME_SECONDS:.0f} s; {polled}. Are the job tables in the"
            " publication supabase_realtime, and does WAKE fit the key?",
        )
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    return Check("Realtime", "ok", "subscribed; new jobs ring at once")


async def _storage(connection: Connection, settings: Settings) -> Check:
    """Write, read and remove a few bytes where results go."""
    owner = connection.caller.user_id or uuid4()
    key, content = f"{owner}/processed/doctor/{uuid4()}.txt", b"kizu doctor"
    try:
        async with files_for(connection, settings) as files:
            await files.upload(ASSETS_BUCKET, key, content, "text/plain")
            with await files.fetch(key, owner) as file:
                found = file.read()
            await files.remove(ASSETS_BUCKET, [key])
    except (StartupError, JobError) as error:
        return Check("Storage", "failed", f"{error.code}: {error}")
    if found != content:
        return Check("Storage", "failed", "what was read is not what was written")
    return Check("Storage", "ok", "files can be written, read and removed")


COMMAND = doctor
