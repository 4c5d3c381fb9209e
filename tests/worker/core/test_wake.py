from __future__ import annotations

import asyncio
import time

import pytest

from worker.core.wake import Doorbell

LONG = 30.0


async def test_a_ring_is_remembered_until_it_is_cleared() -> None:
    bell = Doorbell()
    bell.ring()
    bell.ring()
    assert await bell.wait(LONG)
    assert await bell.wait(LONG), "waiting for it does not clear it"
    bell.clear()
    assert not await bell.wait(0.01), "and of two rings none is left"


async def test_a_ring_ends_the_wait_of_everybody() -> None:
    bell = Doorbell()
    waiting = [asyncio.create_task(bell.wait(LONG)) for _ in range(3)]
    await asyncio.sleep(0)
    bell.ring()
    assert await asyncio.gather(*waiting) == [True] * 3


@pytest.mark.parametrize("seconds", [0.01, 0, -5])
async def test_without_a_ring_the_wait_ends_in_time(seconds: float) -> None:
    begun = time.monotonic()
    assert not await Doorbell().wait(seconds)
    assert time.monotonic() - begun < 1


async def test_a_wait_that_is_cancelled_leaves_the_bell_as_it_is() -> None:
    bell = Doorbell()
    waiting = asyncio.create_task(bell.wait(LONG))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    bell.ring()
    assert await bell.wait(LONG)
