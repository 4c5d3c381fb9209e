"""The job of a siege: it reads its photo, and perhaps kills its worker."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from threading import Timer
from typing import Any, Final

from pydantic import BaseModel

from scripts.chaos_lab.handler import CRASH_STATUS
from scripts.chaos_lab.worker_process import serve_with
from worker.context import Context
from worker.core.handler import Handler
from worker.core.job import Done

NEW_MOUNTS: Final = 0x00020000
NEW_USER: Final = 0x10000000
"""CLONE_NEWNS and CLONE_NEWUSER of Linux."""
PRIVATE_BELOW: Final = 0x4000 | 0x40000
"""MS_REC and MS_PRIVATE: what is mounted here is seen nowhere else."""


class SiegeParams(BaseModel):
    """What is wished for."""

    photo: bool = False
    kill: bool = False
    seconds: float = 0.05
    fill_seconds: float = 0
    """So long the worker's temporary folder is full from then on."""


async def run(params: SiegeParams, ctx: Context) -> Done:
    if params.photo:
        with await ctx.files.fetch(ctx.source(None), ctx.job.user_id) as file:
            await asyncio.to_thread(file.read)
    if params.fill_seconds:
        await asyncio.to_thread(_fill, Path(tempfile.gettempdir()) / "filler", params.fill_seconds)
    await asyncio.sleep(params.seconds)
    if params.kill:
        os._exit(CRASH_STATUS)
    return Done()


def _fill(filler: Path, seconds: float) -> None:
    """Write a file until there is no room; it goes when the time is over."""
    try:
        with filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(2**20))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    Timer(seconds, filler.unlink).start()


def serve_siege(settings: Mapping[str, Any], log_file: str) -> None:
    """Do jobs of every kind that has a lane until stopped; `small_disk`: bytes of a temporary folder."""
    rest = dict(settings)
    if size := rest.pop("small_disk", 0):
        _mount_temporary_folder(size)
    handlers = {
        kind: Handler(kind=kind, version="1", lane=kind, params=SiegeParams, run=run)
        for kind in rest["lanes"]
    }
    serve_with(handlers, rest, log_file)


def _mount_temporary_folder(size: int) -> None:
    """A file system in memory that this process alone sees; on Linux, as root or with user namespaces.

    Raises:
        OSError: the system does not allow it.
    """
    folder = tempfile.mkdtemp(prefix="kizu-siege-")
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    _check(libc.unshare(NEW_MOUNTS if user == 0 else NEW_MOUNTS | NEW_USER))
    if user != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _check(libc.mount(b"none", b"/", None, PRIVATE_BELOW, None))
    _check(libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, b"size=%d" % size))
    tempfile.tempdir = folder


def _check(answer: int) -> None:
    if answer:
        raise OSError(ctypes.get_errno(), "a temporary folder of its own could not be mounted")
