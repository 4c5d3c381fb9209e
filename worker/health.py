"""One worker of a name at a time, and asking it how it is, over a socket only its own user can open."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID, uuid4

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


class Life:
    """One worker process's time under its name, by which its claims are known from those of others."""

    def __init__(self, before: UUID | None = None) -> None:
        self._id = uuid4()
        self.before = before
        """A claim of the life before this one, on this machine, if that did not end in good order."""

    def claim_id(self) -> UUID:
        """A new claim's id: its first half is the same for all claims of this life."""
        return UUID(bytes=self._id.bytes[:8] + os.urandom(8))


@contextmanager
def only_one(worker_id: str, project: str) -> Iterator[Life]:
    """Keep the name for this process while inside.

    The file stays; the lock on it ends with whoever holds it, even by kill -9. It holds a claim's id of
    whoever has not ended in good order.

    Raises:
        StartupError: a worker of that name works for that project on this machine already.
    """
    path = socket_path(worker_id, project).with_suffix(".lock")
    try:
        _make_folder(path.parent)
        file = path.open("a+")
    except OSError as error:
        log.warning("worker lock unavailable", reason=str(error))
        yield Life()
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartupError(
                f"a worker named {worker_id} runs on this machine already: give this one another WORKER_ID"
            ) from None
        life = Life(_read_claim(file))
        _write(file, str(life.claim_id()))
        try:
            yield life
        except StartupError:
            _write(file, "")  # said with a word, and nothing was claimed that has not been given back
            raise
        _write(file, "")


def _read_claim(file: TextIO) -> UUID | None:
    file.seek(0)
    try:
        return UUID(file.read(100))
    except ValueError:
        return None


def _write(file: TextIO, text: str) -> None:
    with suppress(OSError):  # a full disk: then jobs come back when their lease is over
        file.truncate(0)
        file.write(text)
        file.flush()


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
