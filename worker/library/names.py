"""Names that owners gave to faces, told to all their photos where one call of theirs did not do it."""

from __future__ import annotations

from typing import Final

from worker.project.connection import Connection

PAGES_AT_ONCE: Final = 10
"""Of a hundred photos that change; what is left is for the next round."""


async def spread_names(connection: Connection) -> bool:
    """Recognise faces anew in some of the photos that a name may mean something for; whether there are more.

    Raises:
        DatabaseUnavailable: no answer in time.
    """
    for _ in range(PAGES_AT_ONCE):
        if not (await connection.rpc("spread_names"))["more"]:
            return False
    return True
