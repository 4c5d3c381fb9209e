"""Processes that outlive their caller: started detached, and recognised again without trusting a bare pid."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from worker.local import private

_LAUNCH = 'umask 077; "$@" </dev/null >>"$KIZU_LOG" 2>&1 & echo $!'


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A pid with the moment its process began, because a pid alone may by now be another process's."""

    pid: int
    started: float

    def process(self) -> psutil.Process | None:
        """The running process, or None when it has ended (also as a zombie).

        A process that was killed seems dead when its first thread is, and holds its port until the last is.
        """
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.started) >= 0.05:
                return None
            dead = process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1
            return None if dead else process
        except psutil.NoSuchProcess:
            return None


def read_process_id(path: Path) -> ProcessId | None:
    try:
        found = json.loads(path.read_text())
        return ProcessId(int(found["pid"]), float(found["started"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def write_process_id(path: Path, pid: int) -> ProcessId:
    """Write down a process we just started; raises `psutil.NoSuchProcess` when it has already ended."""
    identity = ProcessId(pid, psutil.Process(pid).create_time())
    aside = path.with_name(f".{path.name}")
    private.write_file(aside, json.dumps({"pid": identity.pid, "started": identity.started}))
    aside.replace(path)
    return identity


def launch(command: Sequence[str], *, environment: Mapping[str, str], log: Path, folder: Path) -> int:
    """Start a command in a session of its own with its output appended to `log`; returns its pid.

    A shell in between starts it and ends, so that it is nobody's child: the caller may end first, and has
    nothing to wait for.
    """
    started = subprocess.run(
        ["/bin/sh", "-c", _LAUNCH, "sh", *command],
        env={**environment, "KIZU_LOG": str(log)},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
        timeout=30,
    )
    return int(started.stdout)


def end(identity: ProcessId, *, grace_seconds: float) -> None:
    """End a process with SIGTERM, then SIGKILL after the grace; returns when it is gone."""
    process = identity.process()
    if process is None:
        return
    with suppress(psutil.NoSuchProcess):
        process.terminate()
        if not gone(identity, within_seconds=grace_seconds):
            process.kill()
            gone(identity, within_seconds=10)


def gone(identity: ProcessId, *, within_seconds: float) -> bool:
    deadline = time.monotonic() + within_seconds
    while identity.process() is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
