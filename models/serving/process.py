"""The model host's process as the worker sees it: started without secrets, logged, ended for sure."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from models.serving.slots import LINE

log = structlog.get_logger()

END_SECONDS: Final = 5.0
"""How long a host may take to end before it is killed."""
SECRET: Final = re.compile(r"(^|_)(KEY|SECRET|TOKEN|PASSWORD|DSN|(DB|DATABASE)_URL)(_|$)", re.IGNORECASE)
"""Names of variables that are no business of the models' libraries."""


async def start_host() -> tuple[asyncio.subprocess.Process, socket.socket]:
    """A new host process, and the worker's end of the socket that it serves.

    Raises:
        OSError: the process could not be started.
    """
    ours, theirs = socket.socketpair()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "models.serving.host", str(theirs.fileno())),
            pass_fds=(theirs.fileno(),),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            env=environment(),
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    ours.setblocking(False)
    return process, ours


async def reap(process: asyncio.subprocess.Process) -> str:
    """Wait for the process to end, killing it if that takes long; returns how it ended, in words."""
    try:
        code = await asyncio.wait_for(process.wait(), END_SECONDS)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        code = await process.wait()
    if code >= 0:
        return f"exit code {code}; its log lines say why"
    name = signal.Signals(-code).name
    return f"{name}, perhaps because memory ran out" if name == "SIGKILL" else name


async def log_output(process: asyncio.subprocess.Process) -> None:
    """Log what libraries print, a line at a time, without what is no text, until the output ends."""
    assert process.stdout is not None
    rest = b""
    while chunk := await process.stdout.read(2**16):
        *lines, rest = re.split(rb"[\r\n]+", rest + chunk)
        for line in [*lines, *([rest] if len(rest) > 8 * LINE else [])]:
            _log_line(line)
        rest = rest if len(rest) <= 8 * LINE else b""
    _log_line(rest)


def _log_line(line: bytes) -> None:
    text = "".join(letter for letter in line.decode(errors="replace") if letter.isprintable()).strip()
    if text:
        log.info("model host printed", line=text[:LINE])


def environment() -> dict[str, str]:
    """The worker's environment without secrets, in which the host finds this package from any folder."""
    ours = {name: value for name, value in os.environ.items() if not SECRET.search(name)}
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [root, ours.get("PYTHONPATH")]))
    return {**ours, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
