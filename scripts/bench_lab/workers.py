"""Worker processes: started, awaited until they are ready, and always ended."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from scripts.bench_lab.lab import Lab
from worker import health

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
END_SECONDS = 60
LOG_LINES = 20
KIZU_WORKER = ("-m", "worker", "worker")
DRAINING_WORKER = (*KIZU_WORKER, "--drain")
OUR_WORKER = ("-m", "scripts.bench_lab.worker_process")


@dataclass(slots=True, kw_only=True)
class Worker:
    """`last_words` is what the process wrote to standard output, once it has ended."""

    name: str
    project: str
    process: subprocess.Popen[str]
    log: Path
    last_words: str = ""
    started: float = field(default_factory=time.time)

    @property
    def rss_bytes(self) -> int:
        return int(psutil.Process(self.process.pid).memory_info().rss)

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def status(self) -> dict[str, Any] | None:
        """What it answers to a health check; None when it does not (yet)."""
        return asyncio.run(health.ask(self.name, self.project))

    def requests(self) -> int:
        """HTTP requests it has sent so far."""
        status = self.status()
        assert status is not None
        return int(status["requests"])

    def connections(self, url: str) -> int:
        """TCP connections it holds to that address."""
        port = int(url.rpartition(":")[2])
        return sum(
            bool(found.raddr) and found.raddr.port == port and found.status == psutil.CONN_ESTABLISHED
            for found in psutil.Process(self.process.pid).net_connections("tcp")
        )

    def findings(self) -> dict[str, Any]:
        """What `worker_process` measured in itself."""
        found: dict[str, Any] = json.loads(self.last_words)
        return found

    def end(self) -> None:
        if self.is_running:
            self.process.terminate()
        self.wait(END_SECONDS)

    def wait(self, within: float) -> None:
        """Until it has ended; killed when it takes longer.

        Raises:
            subprocess.TimeoutExpired: it took longer.
            RuntimeError: it failed.
        """
        try:
            words, _ = self.process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        self.last_words = self.last_words or words
        if self.process.returncode not in (0, 3):
            raise RuntimeError(
                f"{self.name} ended with exit code {self.process.returncode}; its log ends with:\n"
                + "\n".join(self.log.read_text().splitlines()[-LOG_LINES:])
            )


@contextmanager
def started(
    lab: Lab, name: str, program: Sequence[str], settings: Mapping[str, object] | None = None
) -> Iterator[Worker]:
    """A worker with the secret key; `settings` are those of `worker.settings`, in capitals.

    Its name becomes different from that of every other worker on this machine.
    """
    name = f"{lab.home.name}-{name}"
    environment = {
        kept: os.environ[kept] for kept in ("PATH", "HOME", "LANG", "TMPDIR") if kept in os.environ
    } | {
        "PYTHONPATH": str(ROOT),
        "SUPABASE_URL": lab.info.url,
        "SUPABASE_SECRET_KEY": lab.info.secret_key,
        "WORKER_ID": name,
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "warning",
        **{setting: str(value) for setting, value in (settings or {}).items()},
    }
    path = lab.home / f"{name}.log"
    with path.open("a") as log:
        process = subprocess.Popen(
            [sys.executable, *program],
            env=environment,
            cwd=lab.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    worker = Worker(name=name, project=lab.info.url, process=process, log=path)
    try:
        yield worker
    finally:
        worker.end()


@contextmanager
def serving(lab: Lab, settings: Mapping[str, object], *, count: int = 1) -> Iterator[list[Worker]]:
    """Workers that wait for jobs, with a working wake-up unless it is off."""
    with ExitStack() as stack:
        workers = [
            stack.enter_context(started(lab, f"worker-{number}", OUR_WORKER, settings))
            for number in range(count)
        ]
        for worker in workers:
            _wait_until_ready(worker, wakes=settings.get("WAKE") != "off")
        yield workers


def _wait_until_ready(worker: Worker, *, wakes: bool) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        status = worker.status()
        if status is not None and (status["realtime"] or not wakes):
            return
        if not worker.is_running:
            raise RuntimeError(f"{worker.name} ended while starting")
        if time.monotonic() > deadline:
            raise TimeoutError(f"{worker.name} was not ready within {START_SECONDS} s")
        time.sleep(0.1)
