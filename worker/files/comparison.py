"""Rows held against files: what rows name and Storage lacks, and what Storage has and no row names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from worker.project.connection import Connection


async def missing_files(connection: Connection) -> AsyncIterator[list[Mapping[str, Any]]]:
    """Pages of rows whose file is not in Storage: {table, id, asset_id, bucket, key}.

    They are the caller's own or, for the service, everybody's.

    Raises:
        DatabaseUnavailable: no answer in time.
        PermissionDenied: the caller is a worker's token.
    """
    async for page in _pages(connection, "list_missing_files", {}):
        yield page["missing"]


async def unnamed_files(
    connection: Connection, *, older_than_hours: float
) -> AsyncIterator[list[Mapping[str, Any]]]:
    """Pages of files that no row names: {bucket, key, bytes, written_at}; raises and is scoped as above."""
    wish = {"p_older_than": f"{older_than_hours} hours"}
    async for page in _pages(connection, "list_unnamed_files", wish):
        yield page["files"]


async def _pages(
    connection: Connection, function: str, params: Mapping[str, Any]
) -> AsyncIterator[Mapping[str, Any]]:
    after = None
    while True:
        page = await connection.rpc(function, {**params, "p_after": after})
        yield page
        after = page["next"]
        if after is None:
            return
