"""The processes that models live in, each a child of its worker."""

from __future__ import annotations

from pathlib import Path

import psutil

MODULE = "models.serving.host"
MARK = "CHAOS_LOGS"
"""Set in the environment of every worker of ours, from which its host has it; the folder of their logs."""


def everywhere() -> list[psutil.Process]:
    """Those of other workers on this machine, too."""
    return [
        process for process in psutil.process_iter(["cmdline"]) if MODULE in (process.info["cmdline"] or ())
    ]


def ours(logs: Path) -> list[psutil.Process]:
    """Those of workers that log to `logs`, whether these are still there or not."""
    return [host for host in everywhere() if _mark_of(host) == str(logs)]


def parent_of(host: psutil.Process) -> int | None:
    """None when it has ended meanwhile."""
    try:
        return host.ppid()
    except psutil.NoSuchProcess:
        return None


def command_of(host: psutil.Process) -> str:
    try:
        return " ".join(host.cmdline())
    except psutil.NoSuchProcess:
        return MODULE


def _mark_of(host: psutil.Process) -> str | None:
    try:
        return host.environ().get(MARK)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
