"""Files that no row refers to, left behind by attempts that were lost, cancelled or replaced."""

from __future__ import annotations

from collections.abc import AsyncIterator

from worker.project.connection import Connection


async def orphans(connection: Connection, *, older_than_hours: float) -> AsyncIterator[list[str]]:
    """Pages of keys of orphaned files: the caller's own, or everybody's for a worker that serves all users.

    Raises:
        DatabaseUnavailable: no answer in time.
        StartupError: the project refuses the caller.
    """
    after: str | None = ""
    while after is not None:
        page = await connection.rpc(
            "list_orphans", {"p_older_than": f"{older_than_hours} hours", "p_after": after}
        )
        if page["orphans"]:
            yield page["orphans"]
        after = page["next"]
