"""Rows of tables, for commands that speak for a person; the daemon itself needs only RPCs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx
from postgrest import AsyncRequestBuilder, AsyncSelectRequestBuilder
from postgrest.exceptions import APIError

from worker.core.errors import AuthFailed, DatabaseUnavailable, JobError, PermissionDenied, StartupError
from worker.project.connection import Connection
from worker.project.rpc_errors import TOKEN_CODES, Refusal, error_of

PAGE = 500
"""Rows per request; PostgREST cuts an answer at 1,000 without saying so."""

NO_JSON = "JSON could not be generated"
"""What the library (postgrest 2.34) says of an answer that is no JSON, whose HTTP status it gives as the
code; of an answer that is JSON without a code it keeps no status at all."""

Row = dict[str, Any]


class Store:
    """Rows as the signed-in user may see them, paged by key so that nothing is skipped while rows change."""

    def __init__(self, connection: Connection) -> None:
        self._client = connection.client

    async def select(
        self,
        table: str,
        columns: str = "*",
        *,
        equal: Mapping[str, object] | None = None,
        among: Mapping[str, Sequence[str]] | None = None,
        newest_by: str | None = None,
        limit: int = PAGE,
    ) -> list[Row]:
        """Up to `limit` rows where every column in `equal` has its value, in `among` one of its values."""
        query = _where(self._client.table(table).select(columns), equal or {})
        for column, values in (among or {}).items():
            query = query.in_(column, list(values))
        if newest_by:
            query = query.order(newest_by, desc=True)
        return await _rows(query.limit(limit))

    async def every(
        self, table: str, columns: str, *, equal: Mapping[str, object] | None = None
    ) -> AsyncIterator[Row]:
        """Every row, page by page in order of `id`, which `columns` must contain."""
        last: str | None = None
        while True:
            query = _where(self._client.table(table).select(columns), equal or {})
            page = await _rows((query.gt("id", last) if last else query).order("id").limit(PAGE))
            for row in page:
                yield row
            if len(page) < PAGE:
                return
            last = page[-1]["id"]

    async def add(self, table: str, rows: Sequence[Row], *, unique: str) -> list[Row]:
        """Insert the rows that are not there yet, by the columns `unique`; answers those that are new."""
        if not rows:
            return []
        builder: AsyncRequestBuilder = self._client.table(table)
        return await _rows(builder.upsert(list(rows), on_conflict=unique, ignore_duplicates=True))


def _where(query: AsyncSelectRequestBuilder, equal: Mapping[str, object]) -> AsyncSelectRequestBuilder:
    for column, value in equal.items():
        query = query.eq(column, value)
    return query


async def _rows(query: Any) -> list[Row]:
    """The rows a query answers with; raises errors of ours for the library's."""
    try:
        answer = await query.execute()
    except httpx.TransportError as error:
        raise DatabaseUnavailable(f"no answer: {type(error).__name__}") from error
    except APIError as error:
        refusal = Refusal(status=0, code=str(error.code or ""), message=error.message or "")
        raise _translated(refusal) from error
    rows: list[Row] = answer.data
    return rows


def _translated(refusal: Refusal) -> JobError | StartupError:
    """The library keeps no HTTP status, except as the code of an answer that is not PostgREST's."""
    said = " ".join(filter(None, (refusal.code, refusal.message)))
    if refusal.code == "42501":
        return PermissionDenied(f"the key or account in use may not do this: {said}")
    if refusal.code in TOKEN_CODES or (refusal.code in ("", "401") and refusal.message != NO_JSON):
        return AuthFailed(f"Supabase refused the key or token: {said}")
    return error_of(refusal, function="the query")
