"""What follows when another generation of faces begins to answer: everybody's faces are clustered by it."""

from __future__ import annotations

from worker.project.connection import Connection


async def follow_flip(connection: Connection) -> bool:
    """Ask for clusterings for some of the users who have not been told yet; whether there are more.

    Raises:
        DatabaseUnavailable: no answer in time.
    """
    return bool((await connection.rpc("cluster_after_flip"))["more"])
