"""One worker of a name at a time, and asking it how it is, over a socket only its own user can open."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import structlog

from worker.core.errors import StartupError

log = structlog.get_logger()

ANSWER_SECONDS = 5.0
"""A worker whose event loop does not answer within this is not healthy."""


def socket_path(worker_id: str, project: str) -> Path:
    """Where the worker of that name for that project, given by its URL, answers on this machine.

    Short, because a socket's path holds about 100 bytes.
    """
    name = hashlib.sha256(f"{project} {worker_id}".encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"kizu-{os.getuid()}" / f"{name}.sock"


@contextmanager
def only_one(worker_id: str, project: str) -> Iterator[None]:
    """Keep the name for this process while inside.

    The file stays; the lock on it ends with whoever holds it, even by kill -9.

    Raises:
        StartupError: a worker of that name works for that project on this machine already.
    """
    path = socket_path(worker_id, project).with_suffix(".lock")
    try:
        _make_folder(path.parent)
        file = path.open("w")
    except OSError as error:
        log.warning("worker lock unavailable", reason=str(error))
        yield
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartupError(
                f"a worker named {worker_id} runs on this machine already: give this one another WORKER_ID"
            ) from None
        yield


@asynccontextmanager
async def answering(
    worker_id: str, project: str, status: Callable[[], dict[str, Any]]
) -> AsyncIterator[None]:
    """Answer health checks with `status()` as JSON while inside, which is to be inside `only_one`."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(json.dumps(status()).encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    path = socket_path(worker_id, project)
    try:
        _make_folder(path.parent)
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(answer, path)
    except OSError as error:
        log.warning("health socket unavailable", reason=str(error))
        yield
        return
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)


async def ask(worker_id: str, project: str) -> dict[str, Any] | None:
    """The status of that project's worker on this machine, None when it does not answer."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(socket_path(worker_id, project))
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
    except (OSError, TimeoutError):
        return None
    status: dict[str, Any] = json.loads(answer)
    return status


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")
