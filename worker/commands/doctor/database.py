"""What slows the queue's database down: an old pgvector, old transactions, and dead rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from worker.commands.doctor.check import Check

FIXED_VECTOR = (0, 8, 4)
"""Before this version vacuum could corrupt HNSW indexes, says its changelog."""
DEAD_ROWS = 20_000
"""Claims become measurably slower around this many."""


def judge(health: Mapping[str, Any]) -> Iterator[Check]:
    """Findings about what the function `queue_health` answered."""
    yield _vector(health["vector_version"])
    yield _transactions(health["old_transactions"], health["oldest_seconds"])
    yield _dead_rows(health["tables"])


def _vector(version: str) -> Check:
    numbers = tuple(int(part) for part in version.split(".") if part.isdigit())
    if numbers < FIXED_VECTOR:
        fixed = ".".join(map(str, FIXED_VECTOR))
        return Check(
            "pgvector",
            "warning",
            f"{version}: vacuum can corrupt HNSW indexes before {fixed}; upgrade the project's Postgres,"
            " `alter extension vector update`, and reindex them",
        )
    return Check("pgvector", "ok", version)


def _transactions(count: int | None, oldest_seconds: float | None) -> Check:
    if count is None:
        return Check(
            "transactions", "warning", "the database does not say which are open, so old ones stay unseen"
        )
    if count == 0 or oldest_seconds is None:
        return Check("transactions", "ok", "none has been open for minutes")
    return Check(
        "transactions",
        "warning",
        f"{count} open for minutes, the oldest for {oldest_seconds / 60:.0f}: rows that died since stay, and"
        " claims slow down; find it in pg_stat_activity (xact_start), end it, and"
        " set idle_in_transaction_session_timeout",
    )


def _dead_rows(tables: Sequence[Mapping[str, Any]]) -> Check:
    bloated = [table for table in tables if table["dead"] >= max(DEAD_ROWS, table["live"])]
    if bloated:
        said = ", ".join(
            f"{table['table']} ({table['dead']} dead, {table['live']} live)" for table in bloated
        )
        return Check(
            "dead rows",
            "warning",
            f"{said}: vacuum does not keep up; close old transactions, then `vacuum` these tables",
        )
    return Check("dead rows", "ok", f"{sum(table['dead'] for table in tables)} in the job tables")
