"""Who is killed, stopped and restarted, and when."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from contextlib import suppress

import psutil

from scripts.chaos_lab.fleet import Fleet
from scripts.chaos_lab.plan import Plan
from worker.local.postgres import Postgres
from worker.local.stack import LocalStack, StackInfo

LOOK_SECONDS = 0.05


class Havoc:
    """Serve it as a task; cancel it to let the workers finish."""

    def __init__(self, fleet: Fleet, plan: Plan, dice: random.Random) -> None:
        self.done: Counter[str] = Counter()
        self.ended = 0
        """Jobs so far; told by whoever watches them."""
        self._fleet = fleet
        self._plan = plan
        self._dice = dice

    async def serve(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._kill())
            tasks.create_task(self._stop())
            tasks.create_task(self._drain())
            if self._plan.kill_host_every is not None:
                tasks.create_task(self._kill_hosts(self._plan.kill_host_every))

    async def _due(self, every: float) -> None:
        """So many seconds, and as many again until enough jobs have ended meanwhile."""
        before = self.ended
        while True:
            await asyncio.sleep(every)
            if self.ended - before >= self._plan.jobs_between_kills:
                return

    async def _target(self) -> str:
        """A worker that may be touched; waits for one, so that a turn is late rather than lost."""
        while True:
            if targets := self._fleet.targets:
                return self._dice.choice(targets)
            await asyncio.sleep(LOOK_SECONDS)

    async def _host(self) -> psutil.Process:
        """A worker's model host; waits for one, too."""
        while True:
            if hosts := await asyncio.to_thread(lambda: self._fleet.hosts):
                return self._dice.choice(hosts)
            await asyncio.sleep(LOOK_SECONDS)

    async def _kill(self) -> None:
        while True:
            await self._due(self._plan.kill_every)
            self._fleet.send(await self._target(), signal.SIGKILL)
            self.done["kills"] += 1

    async def _kill_hosts(self, every: float) -> None:
        """SIGKILL to the models only: their worker must notice, and start them anew."""
        while True:
            await self._due(every)
            host = await self._host()
            with suppress(psutil.NoSuchProcess):
                host.kill()
                self.done["host kills"] += 1

    async def _stop(self) -> None:
        """Stop a worker for longer than its lease: it comes back as a writer whose jobs are another's."""
        while True:
            await asyncio.sleep(self._plan.stop_every)
            name = await self._target()
            self._fleet.untouchable.add(name)
            self._fleet.send(name, signal.SIGSTOP)
            self.done["stops"] += 1
            try:
                await asyncio.sleep(self._plan.lease * self._dice.uniform(1.2, 2))
            finally:
                self._fleet.send(name, signal.SIGCONT)
            await asyncio.sleep(self._plan.kill_every)  # long enough to say what it still believes
            self._fleet.untouchable.discard(name)

    async def _drain(self) -> None:
        while True:
            await self._due(self._plan.drain_every)
            name = await self._target()
            self._fleet.untouchable.add(name)  # until its successor starts
            self._fleet.send(name, signal.SIGTERM)
            self.done["drains"] += 1


def kill_database(stack: LocalStack) -> StackInfo:
    """SIGKILL to Postgres in the middle of everything, then up again. Blocks."""
    pid = stack.status().database_pid
    if pid is not None:
        process = psutil.Process(pid)
        process.kill()
        psutil.wait_procs([process], timeout=10)
    return stack.up()


def restart_database(stack: LocalStack) -> StackInfo:
    """An orderly restart of Postgres alone. Blocks."""
    Postgres(stack.home).stop()
    return stack.up()


def restart_gateway(stack: LocalStack) -> StackInfo:
    """SIGKILL to the gateway alone, then up again. Blocks."""
    pid = stack.status().gateway_pid
    if pid is not None:
        process = psutil.Process(pid)
        process.kill()
        psutil.wait_procs([process], timeout=10)
    return stack.up()
