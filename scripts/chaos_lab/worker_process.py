"""What runs in a worker's process: the real daemon."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import threading
from collections.abc import Mapping
from multiprocessing import connection
from pathlib import Path
from typing import Any

from scripts.chaos_lab import handler, hosts
from worker import log
from worker.app import run_worker
from worker.context import Context
from worker.core.handler import AnyHandler
from worker.handlers import discover
from worker.settings import Settings


def serve_invented(settings: Mapping[str, Any], log_file: str) -> None:
    """Work with the chaos handler until stopped."""
    serve_with(handler.handlers(), settings, log_file)


def serve_real(settings: Mapping[str, Any], log_file: str) -> None:
    """Work with the product's own handlers until stopped."""
    serve_with(discover(), settings, log_file)


def serve_with(
    handlers: Mapping[str, AnyHandler[Context]], settings: Mapping[str, Any], log_file: str
) -> None:
    """Work until stopped; exits with 3 when jobs were given back unfinished, as `kizu worker` does."""
    _write_to(log_file)
    os.environ[hosts.MARK] = str(Path(log_file).parent)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    log.configure("info", "json")
    if asyncio.run(run_worker(Settings(_env_file=None, **settings), handlers=handlers)):
        sys.exit(3)


def _write_to(log_file: str) -> None:
    file = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)


def _end_with_parent() -> None:
    """Nobody else would end us when the program itself is killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)
