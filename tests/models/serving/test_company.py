from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from models.serving.company import Company


class Room:
    """Notes who is there with whom."""

    def __init__(self) -> None:
        self.company = Company()
        self.there: list[str] = []
        self.seen: list[tuple[str, ...]] = []

    async def together(self, name: str, until: Callable[[], Awaitable[Any]]) -> None:
        async with self.company.together():
            await self._stay(name, until)

    async def alone(self, name: str, until: Callable[[], Awaitable[Any]]) -> None:
        async with self.company.alone():
            await self._stay(name, until)

    async def _stay(self, name: str, until: Callable[[], Awaitable[Any]]) -> None:
        self.there.append(name)
        self.seen.append(tuple(sorted(self.there)))
        try:
            await until()
        finally:
            self.there.remove(name)


async def soon() -> None:
    await asyncio.sleep(0.005)


async def test_many_are_together_and_whoever_is_alone_is_with_nobody() -> None:
    room = Room()
    await asyncio.gather(
        *(room.together(name, soon) for name in "abc"),
        *(room.alone(name, soon) for name in "XY"),
        *(room.together(name, soon) for name in "de"),
    )
    assert ("a", "b", "c") in room.seen
    assert ("X",) in room.seen
    assert ("Y",) in room.seen
    assert all(len(there) == 1 for there in room.seen if {"X", "Y"} & set(there))
    assert room.seen[-1] == ("d", "e"), "who comes while somebody wants to be alone comes afterwards"


@pytest.mark.parametrize("waits", ["together", "alone"])
async def test_who_leaves_while_waiting_holds_up_nobody(waits: str) -> None:
    room = Room()
    leave = asyncio.Event()
    first = asyncio.create_task(room.alone("X", leave.wait))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(getattr(room, waits)("gone", soon))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    leave.set()
    await first
    await asyncio.wait_for(room.together("a", soon), 1)
    await asyncio.wait_for(room.alone("Y", soon), 1)
    assert "gone" not in {name for there in room.seen for name in there}


async def test_error_of_one_who_is_alone_opens_the_room() -> None:
    room = Room()

    async def fail() -> None:
        raise ValueError("it fails")

    with pytest.raises(ValueError, match="it fails"):
        await room.alone("X", fail)
    await asyncio.wait_for(room.together("a", soon), 1)
