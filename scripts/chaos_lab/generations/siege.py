"""The models of a library are changed, changed back and changed again, while it is searched and added to."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from scripts.chaos_lab.crowd import User, sign_up
from scripts.chaos_lab.fleet import Fleet, Role
from scripts.chaos_lab.generations.choices import KINDS, SETTINGS, second
from scripts.chaos_lab.generations.library import (
    LATE,
    Db,
    Uploads,
    count_vectors,
    look,
    name_faces,
    note_moment,
)
from scripts.chaos_lab.generations.schema import SCHEMA
from scripts.chaos_lab.generations.searches import note_searches, searching
from scripts.chaos_lab.havoc import restart_gateway
from scripts.chaos_lab.verdict import GENERATION_CHECKS
from scripts.chaos_lab.worker_process import serve_real
from worker.core.errors import GenerationIncomplete
from worker.local.stack import LocalStack, StackInfo
from worker.project.connection import Connection
from worker.settings import Settings

WORKERS = ("one", "other")
SLOTS = 3
LEASE = 10
SEARCH_SECONDS = 0.1
LOOK_SECONDS = 0.5
NAMED = (0, 1, 2)
"""People, of PEOPLE, whom the user names before anything changes."""
PAGE = 20
"""Photos per call of back-fill and of dropping, so that there are several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePlan:
    """How many photos there are at first and every how many seconds another comes, how many seconds are spent
    after each change, and in how many every wait has to be over."""

    photos: int
    upload_every: float
    seconds: float
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeVerdict:
    """What SQL finds afterwards; `broken` has what breaks each check, by its name: all empty is a pass."""

    siege: str
    seconds: float
    photos: int
    searches: int
    asked_again: int
    """Searches whose generation had been dropped."""
    longest_search: float
    """In seconds, but for those that met no gateway."""
    kills: int
    broken: Mapping[str, Sequence[str]]

    @property
    def is_clean(self) -> bool:
        return not any(self.broken.values())

    def as_json(self) -> dict[str, Any]:
        counts = {name: len(found) for name, found in self.broken.items()}
        rest = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "broken"}
        return {**rest, **counts}


class TooLate(Exception):
    """Something took longer than the plan's limit."""


async def models_changed(stack: LocalStack, home: Path, models: Path, plan: ChangePlan) -> ChangeVerdict:
    """Both kinds of models change, there and back and there again, and the first ones are dropped.

    Meanwhile searches and uploads go on, each of two workers is killed twice, and the gateway once.

    `models` is a MODEL_CACHE_DIR that `scripts.chaos_lab.generations.models` has filled.

    Raises:
        TooLate: it would not go on.
    """
    began = time.monotonic()
    info = await asyncio.to_thread(stack.up)
    user = await asyncio.to_thread(sign_up, info)
    service = Settings(_env_file=None, supabase_url=info.url, supabase_secret_key=info.secret_key)
    connect = partial(psycopg.AsyncConnection.connect, info.database_url, autocommit=True)
    async with await connect() as db, await connect() as uploading:
        await db.execute(SCHEMA)
        async with (
            Connection(service) as connection,
            changing_workers(info, home / "models", models) as fleet,
            searching(info, user, SEARCH_SECONDS) as apps,
            aclosing(Uploads(info, uploading, user, random.Random(0))) as uploads,
        ):
            change = Change(stack, db, connection, fleet, user, plan)
            for _ in range(plan.photos):
                await uploads.upload()
            await change.quiet()
            async with uploads.going_on(plan.upload_every), going_on(change.fill_for_ever()):
                await change.run()
            await change.end()
        await note_searches(db, [search for app in apps for search in app.searches])
        return await judged(db, time.monotonic() - began, fleet.deaths["killed"])


class Change:
    """The story, step by step; `db` is a superuser's connection that nobody else uses."""

    def __init__(
        self, stack: LocalStack, db: Db, connection: Connection, fleet: Fleet, user: User, plan: ChangePlan
    ) -> None:
        self._stack = stack
        self._db = db
        self._connection = connection
        self._fleet = fleet
        self._user = user
        self._plan = plan
        self._first: dict[str, dict[str, Any]] = {}
        self._second: dict[str, dict[str, Any]] = {}

    async def run(self) -> None:
        one, other = WORKERS
        for person in NAMED:
            await name_faces(self._db, self._user.id, person)
        await asyncio.sleep(self._plan.seconds)

        self._first = {row["kind"]: row for row in await self._call("generations", {})}
        self._second = {kind: await self._call("begin_generation", second(kind)) for kind in KINDS}
        await self._filled(0.2)
        await self._kill(one)
        await self._filled(0.6)
        await self._kill(other)
        await self._filled(1.0)

        await self._flip(self._second, before="before")
        await look(self._db, self._user.id, "flipped")
        await asyncio.sleep(self._plan.seconds / 2)
        await self._restart_gateway()
        await name_faces(self._db, self._user.id, LATE, late=True)
        await asyncio.sleep(self._plan.seconds / 2)
        await self._kill(one)

        await self._flip(self._first)
        await look(self._db, self._user.id, "rolled back")
        await asyncio.sleep(self._plan.seconds)
        await self._kill(other)
        await self._flip(self._second)
        await look(self._db, self._user.id, "flipped again")
        await asyncio.sleep(self._plan.seconds)

        await note_moment(self._db, "whole")
        await self.quiet()
        living = [
            (kind, row["model_version"]) for rows in (self._first, self._second) for kind, row in rows.items()
        ]
        await count_vectors(self._db, "whole", living)
        await self._drop()
        await asyncio.sleep(self._plan.seconds)

    async def end(self) -> None:
        """When nothing is uploaded any more."""
        await self.quiet()
        await look(self._db, self._user.id, "dropped")
        await count_vectors(
            self._db, "dropped", [(kind, row["model_version"]) for kind, row in self._second.items()]
        )

    async def fill_for_ever(self) -> None:
        """Ask for what generations lack, as the command does that begins one."""
        while True:
            for row in list(self._second.values()):
                await self._call("fill_generation", {"p_id": row["id"], "p_limit": PAGE})
            await asyncio.sleep(LOOK_SECONDS)

    async def quiet(self) -> None:
        """Wait until what was uploaded until now has been looked at."""
        [before] = await self._one("select clock_timestamp()")
        async for _ in self._within_limit("jobs that are under way"):
            [left] = await self._one(
                "select count(*) from public.jobs join chaos.photos using (asset_id)"
                " where uploaded_at <= %s and job_type = 'image_ai' and status in ('pending', 'processing')",
                [before],
            )
            if not left:
                return

    async def _filled(self, share: float) -> None:
        """Wait until the second generations have this share of the photos."""
        async for _ in self._within_limit(f"back-fill to {share:.0%}"):
            found = [
                await self._call("generation_progress", {"p_id": row["id"]}) for row in self._second.values()
            ]
            if all(one["photos"] - one["missing"] >= share * one["photos"] for one in found):
                return

    async def _flip(self, to: Mapping[str, Mapping[str, Any]], *, before: str | None = None) -> None:
        """Let these generations answer as soon as they lack nothing; `before` names a look just before."""
        left = list(to)
        async for _ in self._within_limit("generations that lack photos"):
            if before is not None and len(left) == len(to):
                await self._db.execute("delete from chaos.seen where moment = %s", [before])
                await self._db.execute("delete from chaos.moments where name = %s", [before])
                await look(self._db, self._user.id, before)
            try:
                while left:
                    if to is self._first:
                        await self._call("rollback_generation", {"p_kind": left[0]})
                    else:
                        await self._call("flip_generation", {"p_id": to[left[0]]["id"]})
                    del left[0]
            except GenerationIncomplete:
                continue
            return

    async def _drop(self) -> None:
        for kind, row in self._first.items():
            await self._db.execute(
                "insert into chaos.dropped (kind, model_version) values (%s, %s)",
                [kind, row["model_version"]],
            )
            async for _ in self._within_limit(f"dropping of {kind}"):
                if (await self._call("drop_generation", {"p_id": row["id"], "p_limit": PAGE}))["done"]:
                    break

    async def _kill(self, name: str) -> None:
        """As soon as it has a job under way."""
        async for _ in self._within_limit(f"worker {name}"):
            [busy] = await self._one(
                "select exists (select from public.jobs where status = 'processing' and worker_id = %s)",
                [name],
            )
            if busy and name in self._fleet.targets:
                self._fleet.send(name, signal.SIGKILL)
                return

    async def _restart_gateway(self) -> None:
        [began] = await self._one("select clock_timestamp()")
        info = await asyncio.to_thread(restart_gateway, self._stack)
        assert info.url == self._connection.url, "the gateway is somewhere else now"
        await self._db.execute(
            "insert into chaos.outages (began, ended) values (%s, clock_timestamp())", [began]
        )

    async def _call(self, function: str, params: Mapping[str, Any]) -> Any:
        """As the service."""
        return await self._connection.rpc(function, params, within=self._plan.limit)

    async def _one(self, query: str, values: Sequence[Any] = ()) -> Any:
        row = await (await self._db.execute(query, values)).fetchone()
        assert row is not None
        return row

    async def _within_limit(self, what: str) -> AsyncIterator[None]:
        """Now and again until the limit.

        Raises:
            TooLate: it is over.
        """
        until = time.monotonic() + self._plan.limit
        while time.monotonic() < until:
            yield
            await asyncio.sleep(LOOK_SECONDS)
        raise TooLate(f"after {self._plan.limit:.0f} s there are still {what}")


@asynccontextmanager
async def changing_workers(info: StackInfo, logs: Path, models: Path) -> AsyncIterator[Fleet]:
    """Two workers whose settings mean the first models; whichever ends is started anew."""
    await asyncio.to_thread(logs.mkdir)
    common: Mapping[str, Any] = {
        **SETTINGS,
        "supabase_url": info.url,
        "supabase_secret_key": info.secret_key,
        "lanes": {"ai": SLOTS},
        "lease_seconds": LEASE,
        "poll_interval": 0.5,
        "poll_interval_realtime": 3,
        "model_profile": "best",
        "model_cache_dir": models,
        "model_downloads": False,
        "model_threads": 1,
    }
    fleet = Fleet(
        [Role(name=name, settings={**common, "worker_id": name}) for name in WORKERS], logs, serve_real
    )
    try:
        async with going_on(fleet.serve()):
            yield fleet
    finally:
        await fleet.end(within=15)


@asynccontextmanager
async def going_on(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Something that goes on for ever, until the context ends; what it raised is raised there."""
    task = asyncio.create_task(work)
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


COUNTS = """
select (select count(*) from chaos.photos),
       count(*),
       count(*) filter (where asked_again > 0),
       coalesce(extract(epoch from max(ended - began) filter (where not unreachable)), 0)::float8
  from chaos.searches
"""


async def judged(db: Db, seconds: float, kills: int) -> ChangeVerdict:
    """Look at everything; nothing may be running any more."""
    row = await (await db.execute(COUNTS)).fetchone()
    assert row is not None
    photos, searches, asked_again, longest = row
    broken = {}
    for check in GENERATION_CHECKS:
        broken[check.name] = [str(one) for (one,) in await (await db.execute(check.sql)).fetchall()]
    return ChangeVerdict(
        siege="models changed",
        seconds=round(seconds, 1),
        photos=photos,
        searches=searches,
        asked_again=asked_again,
        longest_search=round(longest, 3),
        kills=kills,
        broken=broken,
    )
