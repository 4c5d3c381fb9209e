"""How far the jobs are, asked directly of a database that may be away, and the redrive of poisoned ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

PROGRESS = """
select count(*) filter (where job.status in ('completed', 'failed')),
       count(*) filter (where job.status in ('completed', 'failed')
                          and job.error_code is distinct from 'worker_lost'),
       count(*) + (select count(*)
                     from chaos.wishes as wish
                    where not exists (
                            select from chaos.jobs where asset_id = wish.asset_id and slot = wish.slot
                          ))
  from chaos.jobs as job
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """Jobs that have ended, those of them that ended for good, and how many there are or will be."""

    ended: int
    final: int
    wished: int

    @property
    def is_over(self) -> bool:
        return self.final == self.wished

    @property
    def share(self) -> float:
        return self.final / self.wished


async def look(database_url: str) -> Progress | None:
    """None while the database is away."""
    try:
        async with await psycopg.AsyncConnection.connect(database_url, connect_timeout=2) as db:
            row = await (await db.execute(PROGRESS)).fetchone()
    except psycopg.OperationalError:
        return None
    return None if row is None else Progress(*row)


async def redrive(database_url: str, kinds: Sequence[str]) -> None:
    """Put back what was given up because three workers were lost with it, as an operator would."""
    wanted: dict[str, Any] = {"codes": ["worker_lost"], "kinds": list(kinds), "limit": 1000}
    try:
        async with await psycopg.AsyncConnection.connect(database_url, connect_timeout=2) as db:
            await db.execute("select public.retry_jobs(%s::jsonb, false)", [json.dumps(wanted)])
    except psycopg.OperationalError:
        return
