"""One process at a time fetches a file of weights."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

from models.errors import WeightsMissing

log = structlog.get_logger()

LOCK_SECONDS: Final = 3600.0
"""How long another process may take to fetch the same file."""
LOOK_SECONDS: Final = 0.2


@contextmanager
def alone(folder: Path, name: str) -> Iterator[None]:
    """Hold the lock on a file to fetch, which one process at a time does while the others wait."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / f".{name}.lock").open("w")
    except OSError as error:
        raise WeightsMissing(f"weights cannot be kept in {folder}: {error.strerror or error}") from error
    with lock:
        until, logged = time.monotonic() + LOCK_SECONDS, False
        while not _locked(lock.fileno()):
            if time.monotonic() > until:
                raise WeightsMissing(
                    f"another process has been fetching {name} for {LOCK_SECONDS / 60:.0f} minutes"
                    f" and holds {folder / f'.{name}.lock'}"
                )
            if not logged:
                log.info("weights download waiting for another process", file=name)
                logged = True
            time.sleep(LOOK_SECONDS)
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
