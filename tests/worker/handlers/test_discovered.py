"""What the code discovers, the database lists: kinds with their tables, operations with their facts."""

from __future__ import annotations

import psycopg
import pytest

from worker import handlers, operations
from worker.generations import TASKS

pytestmark = pytest.mark.stack


def test_every_kind_is_listed_with_its_table(db: psycopg.Connection) -> None:
    rows = db.execute("select kind, table_name, needs_asset, alias_of from job_kinds").fetchall()
    listed = {kind: rest for kind, *rest in rows}
    for kind, handler in handlers.discover().items():
        alias_of = handler.kind if kind in handler.aliases else None
        assert listed[kind] == [handler.table, handler.about_asset, alias_of], kind


def test_every_fact_is_listed_with_the_kind_that_finds_it_out(db: psycopg.Connection) -> None:
    listed = dict(db.execute("select fact, kind from facts").fetchall())
    found_out = {fact: handler.kind for handler in handlers.discover().values() for fact in handler.facts}
    assert listed == found_out
    assert set(operations.discover()) <= set(listed)


def test_every_operation_with_vectors_has_a_table_for_them(db: psycopg.Connection) -> None:
    kinds = db.execute("select kind, fact, table_name from vector_kinds")
    found = {fact: (kind, table) for kind, fact, table in kinds}
    vectors = {name: one for name, one in operations.discover().items() if one.vectors}
    assert set(vectors) == set(found)
    for name, operation in vectors.items():
        kind, table = found[name]
        assert operation.vectors == kind
        assert operation.task == TASKS[kind]
        [column] = db.execute(
            "select format_type(atttypid, null) from pg_attribute"
            " where attrelid = to_regclass(%s) and attname = 'embedding'",
            [table],
        )
        assert column == ("vector",)
