"""Asking a running worker how it is, over a socket only its own user can open."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger()

ANSWER_SECONDS = 5.0
"""A worker whose event loop does not answer within this is not healthy."""


def socket_path(worker_id: str) -> Path:
    """Where a worker of this machine answers. Short, because a socket's path holds about 100 bytes."""
    name = hashlib.sha256(worker_id.encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"kizu-{os.getuid()}" / f"{name}.sock"


@asynccontextmanager
async def answering(worker_id: str, status: Callable[[], dict[str, Any]]) -> AsyncIterator[None]:
    """Answer health checks with `status()` as JSON while inside."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(json.dumps(status()).encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    path = socket_path(worker_id)
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if path.parent.stat().st_uid != os.getuid():
            raise PermissionError(f"{path.parent} belongs to somebody else")
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(answer, path)
    except OSError as error:
        log.warning("health checks will not be answered", reason=str(error))
        yield
        return
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)


async def ask(worker_id: str) -> dict[str, Any] | None:
    """The status of the worker of that name on this machine, None when it does not answer."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(socket_path(worker_id))
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
    except (OSError, TimeoutError):
        return None
    status: dict[str, Any] = json.loads(answer)
    return status
