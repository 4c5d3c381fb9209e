"""Sieges: one fault at a time, kept up for long; afterwards every job is done, and no innocent has paid.

Those of jobs go on two at a time, each with a kind of jobs, workers and a gateway of its own. The last is
about more than jobs, and has a package of its own: `generations`.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx
import psycopg
from psycopg.types.json import Jsonb
from rich.console import Console
from rich.table import Table

from scripts.chaos_lab.crowd import User, sign_up
from scripts.chaos_lab.fleet import Fleet, Role
from scripts.chaos_lab.gateway import ChaosGateway
from scripts.chaos_lab.generations.siege import ChangePlan, ChangeVerdict, models_changed
from scripts.chaos_lab.plan import Mischief
from scripts.chaos_lab.report import show_broken
from scripts.chaos_lab.siege_handler import serve_siege
from scripts.chaos_lab.verdict import GENERATION_CHECKS
from scripts.chaos_lab.wire import Head
from worker.local.stack import LocalStack, StackInfo

SLOTS = 8
LEASE = 5
AT_ONCE = 2
"""Sieges; with all at once, a busy machine of two cores is so late that leases end by themselves."""
WAVES = 4
"""Under a snapshot that is held open, the queue is filled and emptied so often."""
CALM = Mischief(**dict.fromkeys(Mischief.__dataclass_fields__, 0.0))
PAGE = {"content-type": "text/html"}
ANSWERS = {
    "storage 503": httpx.Response(503, text="<html>down</html>", headers=PAGE),
    "storage 404": httpx.Response(404, text="<html>no such page</html>", headers=PAGE),
    "storage 403": httpx.Response(403, json={"message": "blocked by your organisation"}),
}
"""What something in front of Storage says."""
PHOTO = b"\xff\xd8\xff" + bytes(2000)
LARGE_PHOTO = PHOTO + bytes(17 * 2**20)
"""More than is kept in memory while it is downloaded."""
SMALL_DISK = 2 * SLOTS * len(LARGE_PHOTO)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiegePlan:
    """How many jobs each siege has, and for how many seconds the fault is kept up."""

    jobs: int
    storage_seconds: float
    """In all, a third for each of the answers."""
    stopped_seconds: float
    limit: float
    """When the program stops waiting for jobs and counts them as lost."""
    change: ChangePlan


SHORT_SIEGE = SiegePlan(
    jobs=80,
    storage_seconds=9,
    stopped_seconds=12,
    limit=180,
    change=ChangePlan(photos=30, upload_every=2, seconds=3, limit=180),
)
LONG_SIEGE = SiegePlan(
    jobs=400,
    storage_seconds=600,
    stopped_seconds=120,
    limit=300,
    change=ChangePlan(photos=600, upload_every=1, seconds=60, limit=900),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiegeVerdict:
    """What SQL finds after one siege; all zero but the first two is a pass."""

    siege: str
    jobs: int
    seconds: float
    lost: int
    """Jobs that have not ended."""
    doubled: int
    """Jobs that were done twice."""
    innocents_failed: int
    guilty_unpunished: int
    """Killers that did not fail as `worker_lost`."""
    attempts_spent: int
    """Jobs that paid with an attempt for what was not their fault; counted where no worker died or slept."""

    @property
    def is_clean(self) -> bool:
        return not any(
            (self.lost, self.doubled, self.innocents_failed, self.guilty_unpunished, self.attempts_spent)
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiegeReport:
    """All sieges."""

    outcomes: Sequence[SiegeVerdict]
    change: ChangeVerdict

    @property
    def is_clean(self) -> bool:
        return all(outcome.is_clean for outcome in (*self.outcomes, self.change))

    def as_json(self) -> dict[str, Any]:
        outcomes = [*self.outcomes, self.change]
        return {"ok": self.is_clean, "sieges": [outcome.as_json() for outcome in outcomes]}

    def show(self, console: Console) -> None:
        rows = [outcome.as_json() for outcome in self.outcomes]
        table = Table(*(name.replace("_", " ") for name in rows[0]), title="sieges")
        for row in rows:
            table.add_row(*map(str, row.values()))
        console.print(table)
        last = Table(show_header=False)
        for name, value in self.change.as_json().items():
            last.add_row(name.replace("_", " "), str(value))
        console.print(last)
        show_broken(console, GENERATION_CHECKS, self.change.broken)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What one siege has for itself within the stack."""

    info: StackInfo
    kind: str
    """Of its jobs: the siege's name."""
    user: User
    """With one photo."""
    logs: Path


class Siege(Protocol):
    """One of `SIEGES`, by its function's name."""

    __name__: str

    async def __call__(self, field: Field, plan: SiegePlan) -> SiegeVerdict: ...


class SiegeGateway(ChaosGateway):
    """Forwards everything, but for Storage what `storage` says, if it says anything."""

    storage: httpx.Response | None = None
    asked: asyncio.Event | None = None
    """Is set when `storage` has answered."""

    async def _answer(self, head: Head, body: bytes, writer: asyncio.StreamWriter) -> bool:
        if self.storage is not None and head.target.startswith("/storage/"):
            await self._pass_on(self.storage, writer)
            if self.asked is not None:
                self.asked.set()
            return True
        return await super()._answer(head, body, writer)


async def besiege(home: Path, models: Path, plan: SiegePlan) -> SiegeReport:
    """All sieges over a stack in `home`; what it started is stopped when it returns.

    `models` is the folder of those that are changed.
    """
    stack = LocalStack(home / "stack")
    try:
        info = await asyncio.to_thread(stack.up)
        fields = [await asyncio.to_thread(_prepare, info, home, siege) for siege in SIEGES]
        turns = asyncio.Semaphore(AT_ONCE)

        async def in_turn(siege: Siege, field: Field) -> SiegeVerdict:
            async with turns:
                return await siege(field, plan)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(in_turn(*one)) for one in zip(SIEGES, fields, strict=True)]
        outcomes = [task.result() for task in tasks]
        change = await models_changed(stack, home, models, plan.change)
    finally:
        await asyncio.to_thread(stack.down)
    return SiegeReport(outcomes=outcomes, change=change)


async def storage_away(field: Field, plan: SiegePlan) -> SiegeVerdict:
    """Something in front of Storage answers, in three ways; everything else goes on."""
    began = time.monotonic()
    async with workers(field, 1) as (gateway, _):
        for name, answer in ANSWERS.items():
            gateway.storage, gateway.asked = answer, asyncio.Event()
            add_jobs(field, [{"photo": True, "said": name}] * (plan.jobs // len(ANSWERS)))
            await asyncio.wait_for(gateway.asked.wait(), plan.limit)
            await asyncio.sleep(plan.storage_seconds / len(ANSWERS))
            gateway.storage = None
            await ended(field, plan.limit)
    return judged(field, began, counts_attempts=True)


async def killer_among_others(field: Field, plan: SiegePlan) -> SiegeVerdict:
    """One job of many kills the worker that runs it, with all it holds."""
    began = time.monotonic()
    async with workers(field, 2):
        harmless: list[dict[str, Any]] = [{"seconds": 0.2}] * (plan.jobs // 2)
        add_jobs(field, [*harmless[::2], {"kill": True}, *harmless[1::2]])
        await ended(field, plan.limit)
    return judged(field, began)


async def worker_asleep(field: Field, plan: SiegePlan) -> SiegeVerdict:
    """A worker is suspended for much longer than its leases, and wakes when others have its jobs."""
    began = time.monotonic()
    async with workers(field, 2) as (_, fleet):
        add_jobs(field, [{"seconds": 1.0}] * (plan.jobs // 2))
        sleeper = await busy(field, plan.limit)
        fleet.send(sleeper, signal.SIGSTOP)
        await asyncio.sleep(plan.stopped_seconds)
        fleet.send(sleeper, signal.SIGCONT)
        await ended(field, plan.limit)
    return judged(field, began)


async def snapshot_held_open(field: Field, plan: SiegePlan) -> SiegeVerdict:
    """Something like a dump looks at the queue as it was, so that no index forgets a job that is done."""
    began = time.monotonic()
    async with workers(field, 2):
        with psycopg.connect(field.info.database_url) as dump:
            dump.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            dump.execute("select count(*) from public.jobs")
            for wave in range(WAVES):
                add_jobs(field, [{"seconds": 0.0, "wave": wave}] * (plan.jobs // WAVES))
                await ended(field, plan.limit)
    return judged(field, began, counts_attempts=True)


async def disk_full(field: Field, plan: SiegePlan) -> SiegeVerdict:
    """The worker's temporary folder is full, and freed again, while large photos wait."""
    began = time.monotonic()
    await asyncio.to_thread(_upload, field.info, field.user, LARGE_PHOTO)
    async with workers(field, 1, small_disk=SMALL_DISK):
        add_jobs(field, [{"fill_seconds": plan.stopped_seconds}])
        await ended(field, plan.limit)
        add_jobs(field, [{"photo": True, "number": number} for number in range(plan.jobs // 8)])
        await ended(field, plan.limit)
    return judged(field, began, counts_attempts=True)


@asynccontextmanager
async def workers(field: Field, count: int, **more: Any) -> AsyncIterator[tuple[SiegeGateway, Fleet]]:
    """So many workers behind a gateway, with `more` settings; whichever ends is started anew."""
    info = field.info
    async with SiegeGateway(info.url, CALM, lease=LEASE, token_life=3600, dice=random.Random(0)) as gateway:
        common: Mapping[str, Any] = {
            "supabase_url": gateway.url,
            "supabase_secret_key": info.secret_key,
            "lanes": {field.kind: SLOTS},
            "lease_seconds": LEASE,
            "poll_interval": 0.5,
            "poll_interval_realtime": 3,
            **more,
        }
        names = [f"{field.kind}-{number}" for number in range(count)]
        roles = [Role(name=name, settings={**common, "worker_id": name}) for name in names]
        fleet = Fleet(roles, field.logs, serve_siege)
        serving = asyncio.create_task(fleet.serve())
        try:
            yield gateway, fleet
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            await fleet.end(within=15)


def add_jobs(field: Field, params: Sequence[Mapping[str, Any]]) -> None:
    """Jobs of the user about their one photo, each different from every other."""
    with psycopg.connect(field.info.database_url, autocommit=True) as db, db.cursor() as cursor:
        cursor.executemany(
            "insert into public.ai_processing_jobs (user_id, asset_id, job_type, params)"
            " select user_id, id, %s, %s from public.assets where user_id = %s",
            [(field.kind, Jsonb(one), field.user.id) for one in params],
        )


async def ended(field: Field, limit: float) -> None:
    """Wait until every job has ended, for at most `limit` seconds."""
    query = "select count(*) from public.jobs where job_type = %s and status in ('pending', 'processing')"
    until = time.monotonic() + limit
    async with await psycopg.AsyncConnection.connect(field.info.database_url, autocommit=True) as db:
        while time.monotonic() < until:
            row = await (await db.execute(query, [field.kind])).fetchone()
            if row == (0,):
                return
            await asyncio.sleep(0.2)


async def busy(field: Field, limit: float) -> str:
    """Wait for a worker that has as much under way as it can, and name it.

    Raises:
        TimeoutError: there was none within `limit` seconds.
    """
    query = (
        "select worker_id from public.jobs where job_type = %s and status = 'processing'"
        " group by worker_id having count(*) = %s"
    )
    async with (
        asyncio.timeout(limit),
        await psycopg.AsyncConnection.connect(field.info.database_url, autocommit=True) as db,
    ):
        while True:
            row = await (await db.execute(query, [field.kind, SLOTS])).fetchone()
            if row is not None:
                return str(row[0])
            await asyncio.sleep(0.1)


VERDICT = """
select count(*),
       count(*) filter (where status not in ('completed', 'failed')),
       (select count(*)
          from (select from public.runs where kind = %(kind)s and outcome = 'done'
                 group by job_id having count(*) > 1) as twice),
       count(*) filter (where status = 'failed' and not params ? 'kill'),
       count(*) filter (where params ? 'kill' and error_code is distinct from 'worker_lost'),
       count(*) filter (where attempts > 1)
  from public.jobs
 where job_type = %(kind)s
"""


def judged(field: Field, began: float, *, counts_attempts: bool = False) -> SiegeVerdict:
    """Look at all its jobs."""
    with psycopg.connect(field.info.database_url, autocommit=True) as db:
        row = db.execute(VERDICT, {"kind": field.kind}).fetchone()
        assert row is not None
    jobs, lost, doubled, innocents, unpunished, spent = row
    return SiegeVerdict(
        siege=field.kind.replace("_", " "),
        jobs=jobs,
        seconds=round(time.monotonic() - began, 1),
        lost=lost,
        doubled=doubled,
        innocents_failed=innocents,
        guilty_unpunished=unpunished,
        attempts_spent=spent if counts_attempts else 0,
    )


SIEGES: Sequence[Siege] = (storage_away, killer_among_others, worker_asleep, snapshot_held_open, disk_full)


def _prepare(info: StackInfo, home: Path, siege: Siege) -> Field:
    """A user with one photo, and the kind of job that looks at it."""
    field = Field(info=info, kind=siege.__name__, user=sign_up(info), logs=home / siege.__name__)
    field.logs.mkdir()
    _upload(info, field.user, PHOTO)
    with psycopg.connect(info.database_url, autocommit=True) as db:
        db.execute(
            "insert into public.job_kinds (kind, table_name) values (%s, 'ai_processing_jobs')", [field.kind]
        )
        db.execute(
            "insert into public.assets (user_id, path, media_type) values (%s, %s, 'document')",
            [field.user.id, _key_of(field.user)],
        )
    return field


def _upload(info: StackInfo, user: User, content: bytes) -> None:
    """The one photo of a user, also over what it was."""
    httpx.post(
        f"{info.url}/storage/v1/object/assets/{_key_of(user)}",
        headers={"authorization": f"Bearer {info.secret_key}", "apikey": info.secret_key, "x-upsert": "true"},
        content=content,
        timeout=30,
        trust_env=False,
    ).raise_for_status()


def _key_of(user: User) -> str:
    return f"{user.id}/photo.jpg"
