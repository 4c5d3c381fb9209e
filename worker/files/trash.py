"""Files whose rows were deleted: Storage is asked to delete them, until they are gone."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Final

from worker.files.storage import Files
from worker.project.connection import Connection

PAGE: Final = 100
"""Files per call: Storage is asked right after it was looked whether anybody names them again."""
PAGES_AT_ONCE: Final = 50
"""What is left is for the next round."""


async def empty_trash(connection: Connection, files: Files) -> tuple[int, bool]:
    """Delete some of the caller's own trash, or everybody's for a worker that serves all users.

    Answers how many files Storage deleted, and whether more is waiting. What it does not delete is asked for
    again later, after ever longer pauses.

    Raises:
        StorageUnavailable: refused, or no answer.
        DatabaseUnavailable: no answer in time.
    """
    gone, done = 0, list[int]()
    for _ in range(PAGES_AT_ONCE):
        page = await connection.rpc("take_trash", {"p_done": done, "p_limit": PAGE})
        if not page["files"] and not page["more"]:
            return gone, False
        buckets = defaultdict[str, list[str]](list)
        for file in page["files"]:
            buckets[file["bucket"]].append(file["key"])
        deleted = await asyncio.gather(*(files.delete(bucket, keys) for bucket, keys in buckets.items()))
        # Where Storage deletes nothing, it is not asked for the same folder again at once, for ever.
        gone, done = gone + sum(deleted), page["ids"] if sum(deleted) else []
    page = await connection.rpc("take_trash", {"p_done": done, "p_limit": 0})
    return gone, bool(page["more"])
