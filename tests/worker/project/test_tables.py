"""Rows in pages by key, and the library's errors in our words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from postgrest.exceptions import APIError

from worker.core.errors import (
    AuthFailed,
    DatabaseUnavailable,
    InternalError,
    PermissionDenied,
    ProjectUnreachable,
    StartupError,
)
from worker.project.tables import PAGE, Store


class Table:
    """Enough of a query builder: rows with a text `id`, of which some come after the first question."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows
        self.queries: list[list[tuple[Any, ...]]] = []
        self.error: Exception | None = None

    def table(self, name: str) -> Any:
        said: list[tuple[Any, ...]] = [("table", name)]
        self.queries.append(said)
        return _Query(self, said)


class _Query:
    def __init__(self, table: Table, said: list[tuple[Any, ...]]) -> None:
        self._table = table
        self._said = said

    def __getattr__(self, word: str) -> Any:
        def say(*args: Any, **named: Any) -> _Query:
            self._said.append((word, *args, *named.values()))
            return self

        return say

    async def execute(self) -> Any:
        if self._table.error:
            raise self._table.error
        told = {word: args for word, *args in self._said}
        after = told.get("gt", ["id", ""])[1]
        rows = sorted((row for row in self._table.rows if row["id"] > after), key=lambda row: row["id"])
        return SimpleNamespace(data=rows[: told.get("limit", [len(rows)])[0]])


def store(table: Table) -> Store:
    connection: Any = SimpleNamespace(client=table)
    return Store(connection)


def rows_of(count: int) -> list[dict[str, Any]]:
    return [{"id": f"{number:05}"} for number in range(count)]


@pytest.mark.parametrize(
    ("count", "pages"), [(0, 1), (1, 1), (PAGE - 1, 1), (PAGE, 2), (PAGE + 1, 2), (2 * PAGE + 1, 3)]
)
async def test_every_row_comes_once_in_order(count: int, pages: int) -> None:
    table = Table(rows_of(count))
    assert [row async for row in store(table).every("assets", "id")] == rows_of(count)
    assert len(table.queries) == pages


async def test_rows_that_vanish_meanwhile_make_no_others_be_skipped() -> None:
    table = Table(rows_of(PAGE + 3))
    seen = []
    async for row in store(table).every("assets", "id"):
        seen.append(row["id"])
        if len(seen) == 1:
            table.rows = table.rows[10:]
    assert seen == [row["id"] for row in rows_of(PAGE + 3)]


async def test_a_choice_names_its_columns_values_and_order() -> None:
    table = Table(rows_of(9))
    rows = await store(table).select(
        "jobs", "id", equal={"status": "failed"}, among={"kind": ("a", "b")}, newest_by="created_at", limit=5
    )
    assert len(rows) == 5
    assert table.queries == [
        [
            ("table", "jobs"),
            ("select", "id"),
            ("eq", "status", "failed"),
            ("in_", "kind", ["a", "b"]),
            ("order", "created_at", True),
            ("limit", 5),
        ]
    ]


async def test_no_rows_to_add_ask_nobody() -> None:
    table = Table([])
    assert await store(table).add("assets", [], unique="path") == []
    assert table.queries == []


def api_error(code: str) -> APIError:
    return APIError({"code": code, "message": "no", "details": None, "hint": None})


@pytest.mark.parametrize(
    ("error", "raised", "says"),
    [
        (httpx.ConnectError("secret address"), DatabaseUnavailable, "^no answer: ConnectError$"),
        (httpx.ReadTimeout(""), DatabaseUnavailable, "ReadTimeout"),
        (api_error("42501"), PermissionDenied, "may not do this: 42501 no"),
        (api_error("PGRST301"), AuthFailed, "refused the key or token: PGRST301 no"),
        (api_error(""), AuthFailed, "refused the key or token: no"),  # as the gateway refuses a key
        (api_error("403"), ProjectUnreachable, "403 no, which the project did not say"),
        (api_error("PGRST125"), StartupError, "SUPABASE_URL has a path"),
        (api_error("57014"), DatabaseUnavailable, "57014 no"),
        (api_error("42703"), InternalError, "^the query was refused: 42703 no$"),
    ],
)
async def test_the_librarys_errors_are_told_in_our_words(
    error: Exception, raised: type[Exception], says: str
) -> None:
    table = Table([])
    table.error = error
    with pytest.raises(raised, match=says):
        await store(table).select("jobs")
