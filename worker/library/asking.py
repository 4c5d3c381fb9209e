"""Searches the library by words that a worker somewhere understands: asks, waits, has the database rank."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

from worker.core.errors import TooManyJobs
from worker.project.connection import Connection

FIRST_LOOK: Final = 0.04
"""Seconds; a worker that is warm answers within some such."""
LAST_LOOK: Final = 0.25
GROWTH: Final = 1.5


async def search(
    connection: Connection, question: Mapping[str, Any], page: Mapping[str, Any], *, wait: float
) -> dict[str, Any]:
    """What the function `search` answers, and whether `wait` seconds were too few for a worker (`timed_out`).

    `question` holds the arguments of `ask_search`, and `page` the further ones of `search`.
    """
    answered = await wait_for_worker(connection, question, wait)
    answer: dict[str, Any] = await connection.rpc("search", {**question, **page})
    return {**answer, "timed_out": not answered}


async def wait_for_worker(connection: Connection, question: Mapping[str, Any], wait: float) -> bool:
    """Whether within so many seconds there is no more to wait for; with no worker there, nobody waits."""
    deadline = time.monotonic() + wait
    pause = FIRST_LOOK
    while (told := await _ask(connection, question))["status"] == "asked":
        left = deadline - time.monotonic()
        if left <= 0 or told["job"].get("attended") is False:
            return False
        await asyncio.sleep(min(pause, left))
        pause = min(pause * GROWTH, LAST_LOOK)
    return True


async def _ask(connection: Connection, question: Mapping[str, Any]) -> dict[str, Any]:
    try:
        told: dict[str, Any] = await connection.rpc("ask_search", question)
    except TooManyJobs:  # as many of the user's searches wait as may: there will be room
        return {"status": "asked", "job": {}}
    return told
