"""One run from an empty folder to a verdict."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg

from scripts.chaos_lab.crowd import Request, User, enqueue_all, sign_up
from scripts.chaos_lab.fleet import Fleet, Role
from scripts.chaos_lab.gateway import ChaosGateway
from scripts.chaos_lab.havoc import Havoc, kill_database, restart_database
from scripts.chaos_lab.plan import Plan
from scripts.chaos_lab.report import Report
from scripts.chaos_lab.trial import Scene, Trial
from scripts.chaos_lab.verdict import Verdict, judge
from scripts.chaos_lab.watch import Progress, look, redrive
from worker.local.stack import LocalStack, StackInfo, mint_token
from worker.project.connection import Connection
from worker.settings import Settings

LOOK_SECONDS = 0.5
DRAIN_SECONDS = 15
RESTARTS = ((0.3, kill_database), (0.6, restart_database))
"""At which share of finished jobs the database is taken away, and how."""


class Experiment:
    """`home` is an empty folder, where the database and the workers' logs will lie."""

    def __init__(
        self, trial: Trial, plan: Plan, *, home: Path, seed: int, tell: Callable[[str], None]
    ) -> None:
        self._trial = trial
        self._plan = plan
        self._seed = seed
        self._tell = tell
        self._dice = random.Random(seed)
        self._stack = LocalStack(home / "stack")
        self._logs = home / "workers"
        self._happened: Counter[str] = Counter()

    async def run(self) -> Report:
        """Everything it started is stopped when it returns, or raises."""
        self._logs.mkdir()
        try:
            info = await asyncio.to_thread(self._stack.up)
            personal, requests = await asyncio.to_thread(self._populate, info)
            seconds = await self._survive(info, personal, requests)
            verdict = await asyncio.to_thread(self._judge)
        finally:
            await asyncio.to_thread(self._stack.down)
        return Report(
            form=self._plan.form,
            checks=self._trial.checks,
            seed=self._seed,
            seconds=seconds,
            verdict=verdict,
            happened=self._happened,
        )

    def _populate(self, info: StackInfo) -> tuple[User, Sequence[Request]]:
        users = [sign_up(info) for _ in range(self._plan.users)]
        with psycopg.connect(info.database_url, autocommit=True) as db:
            db.execute(self._trial.schema)
            scene = Scene(db=db, stack=info, logs=self._logs)
            return users[0], self._trial.populate(scene, users, self._plan, self._dice)

    def _judge(self) -> Verdict:
        info = self._stack.up()
        with psycopg.connect(info.database_url, autocommit=True) as db:
            self._trial.witness(Scene(db=db, stack=info, logs=self._logs))
            return judge(db, self._trial.checks)

    async def _survive(self, info: StackInfo, personal: User, requests: Sequence[Request]) -> float:
        """Answers the seconds until the last job had ended."""
        plan = self._plan
        async with ChaosGateway(
            info.url, plan.mischief, lease=plan.lease, token_life=plan.token_life, dice=self._dice
        ) as gateway:
            settings = self._trial.settings(plan)
            fleet = Fleet(roles(plan, info, gateway.url, personal, settings), self._logs, self._trial.serve)
            havoc = Havoc(fleet, plan, self._dice)
            service = Settings(_env_file=None, supabase_url=gateway.url, supabase_secret_key=info.secret_key)
            try:
                async with Connection(service) as connection:
                    asking = asyncio.create_task(enqueue_all(connection, requests, within=plan.havoc / 4))
                    tasks = [
                        asyncio.create_task(fleet.serve()),
                        asyncio.create_task(self._for_a_while(havoc)),
                        asking,
                    ]
                    try:
                        seconds = await self._wait(info, gateway, fleet, havoc, tasks, asking)
                    finally:
                        for task in tasks:
                            task.cancel()
                        await asyncio.gather(*tasks, return_exceptions=True)
                gateway.calm = True
            finally:
                await fleet.end(within=DRAIN_SECONDS)
            await gateway.settled(within=DRAIN_SECONDS)
        self._happened += gateway.happened + havoc.done + fleet.deaths
        return seconds

    async def _for_a_while(self, havoc: Havoc) -> None:
        try:
            await asyncio.wait_for(havoc.serve(), self._plan.havoc)
        except TimeoutError:
            self._tell("the killing is over; the workers may finish")

    async def _wait(
        self,
        info: StackInfo,
        gateway: ChaosGateway,
        fleet: Fleet,
        havoc: Havoc,
        tasks: Sequence[asyncio.Task[None]],
        asking: asyncio.Task[None],
    ) -> float:
        """Until all is asked for and has ended for good, or time is up; restarts the database on the way.

        Answers how many seconds that took.
        """
        restarts = list(RESTARTS)
        began = time.monotonic()
        while (seconds := time.monotonic() - began) < self._plan.limit:
            await asyncio.sleep(LOOK_SECONDS)
            for task in tasks:
                if task.done():
                    task.result()
            progress = await look(info.database_url)
            if progress is None:
                continue
            havoc.ended = progress.final
            self._tell(_line(seconds, progress, fleet))
            if progress.is_over and asking.done():
                return seconds
            if restarts and progress.share >= restarts[0][0]:
                _, take_away = restarts.pop(0)
                after = await asyncio.to_thread(take_away, self._stack)
                gateway.upstream = after.url
                self._happened[take_away.__name__] += 1
            if progress.ended > progress.final:
                await redrive(info.database_url, self._trial.kinds)
        self._tell("time is up")
        return seconds


def roles(plan: Plan, info: StackInfo, url: str, personal: User, settings: Mapping[str, Any]) -> list[Role]:
    """The workers: all three ways to sign in."""
    common: dict[str, Any] = {
        **settings,
        "supabase_url": url,
        "lease_seconds": plan.lease,
        "grace_seconds": plan.grace,
        "poll_interval": 0.5,
        "poll_interval_realtime": 3,
    }
    publishable = {"supabase_publishable_key": info.publishable_key}
    ways: list[tuple[str, dict[str, Any]]] = [
        *((f"service-{number}", {"supabase_secret_key": info.secret_key}) for number in range(plan.services)),
        ("token", {**publishable, "kizu_worker_token": mint_token(info, role="kizu_worker")}),
        ("personal", {**publishable, "kizu_email": personal.email, "kizu_password": personal.password}),
    ]
    return [
        Role(name=name, settings={**common, **way, "worker_id": f"chaos-{info.url[-5:]}-{name}"})
        for name, way in ways
    ]


def _line(seconds: float, progress: Progress, fleet: Fleet) -> str:
    return (
        f"{seconds:5.0f} s  {progress.final:5} of {progress.wished} jobs ended"
        f"  {fleet.deaths['killed']:4} workers killed"
    )
