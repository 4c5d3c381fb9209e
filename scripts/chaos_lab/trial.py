"""What the workers are given to do while everything around them is killed, and how it is judged."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from scripts.chaos_lab.crowd import Request, User
from scripts.chaos_lab.plan import Plan
from scripts.chaos_lab.verdict import Check
from worker.local.stack import StackInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where it takes place; `db` is the superuser's."""

    db: psycopg.Connection[Any]
    stack: StackInfo
    logs: Path
    """The workers' folder; it tells their processes from others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One thing to do."""

    kinds: Sequence[str]
    """Of the jobs."""
    schema: str
    """SQL that makes the schema `chaos`: `wishes (asset_id, slot, …)`, a view `jobs` of what became of them,
    a view `done` of the runs that settled one, and logs of every write."""
    populate: Callable[[Scene, Sequence[User], Plan, random.Random], Sequence[Request]]
    """Give the users their assets, note every wish, and answer what is to be asked of the queue."""
    settings: Callable[[Plan], Mapping[str, Any]]
    """Of every worker."""
    serve: Callable[[Mapping[str, Any], str], None]
    """What a worker's process runs."""
    witness: Callable[[Scene], None]
    """When all is over, put into tables what only others than the database know."""
    checks: Sequence[Check]
