"""Workers that run until the demo's queue is empty, and how far they are."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import Progress, TaskID

from worker.core.errors import StartupError
from worker.demo.preparing import chosen_models
from worker.local.stack import StackInfo
from worker.project.connection import Connection
from worker.project.tables import Store
from worker.settings import Settings

SIGN_IN = ("KIZU_WORKER_TOKEN", "KIZU_EMAIL", "KIZU_PASSWORD")
LEASE_SECONDS = 20
"""Short, so that a demo that was killed goes on soon after it is started again."""
LOOK_SECONDS = 0.3
"""Between two looks at the queue for the progress display."""
ROUNDS = 5
"""Workers started one after the other before giving up on jobs that never end."""
SCHEDULED = "generate_moments"
"""A kind of job that may wait for its time of the day, for which nobody waits here."""


async def work(
    connection: Connection, info: StackInfo, settings: Settings, progress: Progress, bar: TaskID
) -> None:
    """Run workers until no job is left; what a killed worker held comes back when its lease runs out.

    Once all photos have been looked at, who is the same person is found among all faces.
    """
    for number in range(ROUNDS):
        with _worker(info, settings) as process:
            while process.poll() is None:
                await _show(connection, progress, bar)
                await asyncio.sleep(LOOK_SECONDS)
        if process.returncode != 0:
            raise StartupError(f"the worker ended with {process.returncode}; see {_log_of(info)}")
        if number == 0 and await Store(connection).select("face_embeddings", "id", limit=1):
            await connection.rpc("cluster_people")
            continue
        if not await _show(connection, progress, bar):
            return
        await asyncio.sleep(LEASE_SECONDS)
    raise StartupError(f"some jobs did not end; see `kizu jobs list` and {_log_of(info)}")


@contextmanager
def _worker(info: StackInfo, settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker in a process of its own, ended with this one."""
    environment = {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith("SUPABASE_") and name not in SIGN_IN
        },
        "SUPABASE_URL": info.url,
        "SUPABASE_SECRET_KEY": info.secret_key,
        "LEASE_SECONDS": str(LEASE_SECONDS),
        "LOG_FORMAT": "json",
        **chosen_models(settings),
    }
    command = [sys.executable, "-m", "worker", "worker", "--drain", "--worker-id", f"demo-{os.getpid()}"]
    descriptor = os.open(_log_of(info), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _log_of(info: StackInfo) -> Path:
    return info.home / "logs" / "worker.log"


async def _show(connection: Connection, progress: Progress, bar: TaskID) -> int:
    """Bring the display up to date; returns how many jobs are not finished."""
    stats = await connection.rpc("job_stats")
    wanted = [row for row in stats if row["kind"] != SCHEDULED]
    total = sum(row["count"] for row in wanted)
    left: int = sum(row["count"] for row in wanted if row["status"] in ("pending", "processing"))
    progress.update(bar, total=total, completed=total - left)
    return left
