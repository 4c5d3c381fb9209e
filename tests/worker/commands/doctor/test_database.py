"""What doctor makes of the database's health, and what the database tells to whom."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.sql.conftest import acting
from worker.commands.doctor.check import Check
from worker.commands.doctor.database import DEAD_ROWS, judge

HEALTHY: dict[str, Any] = {
    "vector_version": "0.8.5",
    "old_transactions": 0,
    "oldest_seconds": None,
    "tables": [{"table": "ai_processing_jobs", "live": 10, "dead": 5}],
}


def found(**health: Any) -> dict[str, Check]:
    return {check.subject: check for check in judge({**HEALTHY, **health})}


def test_a_healthy_database_is_ok() -> None:
    assert {check.state for check in found().values()} == {"ok"}


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ("0.8.3", "warning"),
        ("0.7", "warning"),
        ("0.8.4", "ok"),
        ("0.8.10", "ok"),
        ("0.9", "ok"),
        ("1.0", "ok"),
    ],
)
def test_an_old_pgvector_is_named(version: str, state: str) -> None:
    check = found(vector_version=version)["pgvector"]
    assert check.state == state
    assert version in check.text


def test_old_transactions_are_named_with_their_age() -> None:
    check = found(old_transactions=2, oldest_seconds=3600)["transactions"]
    assert check.state == "warning"
    assert "2 open" in check.text
    assert "60" in check.text
    assert found(old_transactions=None)["transactions"].state == "warning"


@pytest.mark.parametrize(
    ("live", "dead", "state"),
    [
        (0, DEAD_ROWS - 1, "ok"),
        (0, DEAD_ROWS, "warning"),
        (10 * DEAD_ROWS, DEAD_ROWS, "ok"),
        (DEAD_ROWS, 2 * DEAD_ROWS, "warning"),
    ],
)
def test_dead_rows_are_named_when_they_outnumber_the_living(live: int, dead: int, state: str) -> None:
    tables = [{"table": "ai_processing_jobs", "live": live, "dead": dead}]
    check = found(tables=tables)["dead rows"]
    assert check.state == state
    assert str(dead) in check.text


@pytest.fixture
def idle(stack: Any) -> Iterator[Callable[[], psycopg.Connection]]:
    """Opens transactions that hold a snapshot and do nothing."""
    opened: list[psycopg.Connection] = []

    def open_one() -> psycopg.Connection:
        connection = psycopg.connect(stack.database_url)
        opened.append(connection)
        connection.execute("set transaction isolation level repeatable read")
        connection.execute("select 'somebody''s secret'")
        return connection

    yield open_one
    for connection in opened:
        connection.close()


@pytest.mark.stack
def test_the_database_tells_ages_and_counts_only(
    db: psycopg.Connection, idle: Callable[[], psycopg.Connection]
) -> None:
    idle()
    idle()
    with acting(db, "kizu_worker"):
        # All that is open is old enough now.
        row = db.execute("select queue_health(interval '0')").fetchone()
        later = db.execute("select queue_health(interval '1 hour')").fetchone()
    assert row is not None
    assert later is not None
    health, calm = row[0], later[0]
    assert health["old_transactions"] >= 2
    assert 0 <= health["oldest_seconds"] < 600
    assert (calm["old_transactions"], calm["oldest_seconds"]) == (0, None)
    assert {table["table"] for table in health["tables"]} == {
        "ai_processing_jobs",
        "image_processing_jobs",
        "video_transcoding_jobs",
    }
    assert set(health) == set(HEALTHY)
    assert {key for table in health["tables"] for key in table} == {"table", "live", "dead"}
    assert "secret" not in json.dumps(health)
    assert {check.subject for check in judge(health)} == {"pgvector", "transactions", "dead rows"}


@pytest.mark.stack
def test_users_are_not_told(db: psycopg.Connection) -> None:
    for role in ("anon", "authenticated"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), acting(db, role):
            db.execute("select queue_health()")
