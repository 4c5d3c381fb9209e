"""The workers: processes forked from one that has imported everything, so that a new one is up at once."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import psutil

from scripts.chaos_lab import hosts, worker_process
from scripts.chaos_lab.handler import CRASH_STATUS

LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One worker: its name and its settings, which say how it signs in."""

    name: str
    settings: Mapping[str, Any]


class Fleet:
    """Keeps one process per role running: whatever ends is counted and started anew."""

    def __init__(
        self, roles: Sequence[Role], logs: Path, serve: Callable[[Mapping[str, Any], str], None]
    ) -> None:
        """`serve` runs in each process, with the role's settings and the file its log goes to."""
        self.deaths: Counter[str] = Counter()
        self._serve = serve
        self._roles = roles
        self._logs = logs
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([worker_process.__name__])
        self._processes: dict[str, ForkServerProcess] = {}
        self.untouchable: set[str] = set()
        """Workers that are stopped or draining, and not to be killed meanwhile."""

    @property
    def targets(self) -> list[str]:
        return sorted(
            name
            for name, process in self._processes.items()
            if name not in self.untouchable and process.is_alive()
        )

    @property
    def hosts(self) -> list[psutil.Process]:
        """The processes that the workers' models live in."""
        workers = [process.pid for process in self._processes.values() if process.is_alive()]
        return [host for host in hosts.everywhere() if hosts.parent_of(host) in workers]

    def send(self, name: str, number: signal.Signals) -> None:
        process = self._processes[name]
        if process.pid is not None and process.is_alive():
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)

    async def serve(self) -> None:
        """Until cancelled."""
        while True:
            for role in self._roles:
                process = self._processes.get(role.name)
                if process is not None and process.is_alive():
                    continue
                if process is not None:
                    self._count(process)
                self._start(role)
            await asyncio.sleep(LOOK_SECONDS)

    async def end(self, *, within: float) -> None:
        """SIGTERM to all, SIGKILL to those that take too long."""
        for number in (signal.SIGCONT, signal.SIGTERM):
            for name in self._processes:
                self.send(name, number)
        for process in self._processes.values():
            await asyncio.to_thread(process.join, within)
            if process.is_alive():
                process.kill()
                await asyncio.to_thread(process.join)
                self.deaths["did not drain"] += 1
            self._count(process)
        self._processes.clear()

    def _start(self, role: Role) -> None:
        process = self._context.Process(
            target=self._serve,
            args=(dict(role.settings), str(self._logs / f"{role.name}.log")),
            name=role.name,
        )
        process.start()
        self._processes[role.name] = process
        self.untouchable.discard(role.name)

    def _count(self, process: ForkServerProcess) -> None:
        match process.exitcode:
            case -9:
                self.deaths["killed"] += 1
            case 0 | 3:
                self.deaths["drained"] += 1
            case -15:
                self.deaths["ended while starting"] += 1
            case status if status == CRASH_STATUS:
                self.deaths["crashed"] += 1
            case _:
                self.deaths["unexpected"] += 1
