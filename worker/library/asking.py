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
FIRST_FULL: Final = 0.5
"""Where the user's other searches fill what there is, looks are left to them."""
LAST_FULL: Final = 2.0
MOST_FULL: Final = 3.0
GROWTH: Final = 1.5


async def search(
    connection: Connection, question: Mapping[str, Any], page: Mapping[str, Any], *, wait: float
) -> dict[str, Any]:
    """What the function `search` answers, and whether `wait` seconds were too few for a worker (`timed_out`).

    `question` holds the arguments of `ask_search`, and `page` the further ones of `search`.
    """
    answered = await wait_for_worker(connection, question, wait)
    answer = await _in_turn(connection, {**question, **page})
    return {**answer, "timed_out": not answered}


async def wait_for_worker(connection: Connection, question: Mapping[str, Any], wait: float) -> bool:
    """Whether within so many seconds there is no more to wait for; with no worker there, nobody waits."""
    deadline = time.monotonic() + wait
    pause = FIRST_LOOK
    while (told := await _ask(connection, question))["status"] in ("asked", "full"):
        left = deadline - time.monotonic()
        if left <= 0 or told["job"].get("attended") is False:
            return False
        is_full = told["status"] == "full"
        pause = min(max(pause, FIRST_FULL), LAST_FULL) if is_full else min(pause, LAST_LOOK)
        await asyncio.sleep(min(pause, left))
        pause *= GROWTH
    return True


async def _ask(connection: Connection, question: Mapping[str, Any]) -> dict[str, Any]:
    try:
        told: dict[str, Any] = await connection.rpc("ask_search", question)
    except TooManyJobs:  # as many of the user's searches wait as may: there will be room
        return {"status": "full", "job": {}}
    return told


async def _in_turn(connection: Connection, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What the database answers when, soon, no more than may be of the user's searches are being answered.

    Raises:
        TooManyJobs: that was not soon.
    """
    deadline = time.monotonic() + MOST_FULL
    pause = FIRST_FULL
    while True:
        try:
            answer: dict[str, Any] = await connection.rpc("search", arguments)
            return answer
        except TooManyJobs:
            if time.monotonic() + pause > deadline:
                raise
        await asyncio.sleep(pause)
        pause = min(pause * GROWTH, LAST_FULL)
