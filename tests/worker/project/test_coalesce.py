import asyncio
from collections.abc import Sequence

import pytest

from worker.project.coalesce import Coalesced


async def test_calls_made_during_a_call_travel_together() -> None:
    sizes: list[int] = []

    async def double(items: Sequence[int]) -> Sequence[int]:
        sizes.append(len(items))
        await asyncio.sleep(0.01)
        return [item * 2 for item in items]

    call = Coalesced(double, limit=4)
    first = asyncio.create_task(call(0))
    await asyncio.sleep(0.001)
    rest = [asyncio.create_task(call(number)) for number in range(1, 7)]
    assert await asyncio.gather(first, *rest) == [0, 2, 4, 6, 8, 10, 12]
    assert sizes == [1, 4, 2]


async def test_a_failed_call_fails_its_callers_and_no_others() -> None:
    async def fail_once(items: Sequence[int]) -> Sequence[int]:
        if 0 in items:
            raise OSError("gone")
        return items

    call = Coalesced(fail_once, limit=10)
    with pytest.raises(OSError, match="gone"):
        await call(0)
    assert await call(1) == 1


async def test_a_caller_that_gives_up_disturbs_nobody() -> None:
    async def slow(items: Sequence[int]) -> Sequence[int]:
        await asyncio.sleep(0.02)
        return items

    call = Coalesced(slow, limit=10)
    patient, hasty = asyncio.create_task(call(1)), asyncio.create_task(call(2))
    await asyncio.sleep(0.001)
    hasty.cancel()
    assert await patient == 1


async def test_what_the_server_refuses_fails_alone() -> None:
    async def refuse_odd(items: Sequence[int]) -> Sequence[int]:
        if any(item % 2 for item in items):
            raise ValueError("odd")
        await asyncio.sleep(0.01)
        return items

    call = Coalesced(refuse_odd, limit=10, is_divisible=lambda error: isinstance(error, ValueError))
    answers = await asyncio.gather(*(call(number) for number in (0, 1, 2, 3, 4)), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["0", "odd", "2", "odd", "4"]


async def test_one_bad_item_is_found_by_halves_and_holds_up_nobody() -> None:
    sizes: list[int] = []
    answered = asyncio.Event()

    async def send(items: Sequence[int]) -> Sequence[int]:
        sizes.append(len(items))
        if items == [0]:
            await answered.wait()  # the bad one is not even answered before everybody else has been
        if 0 in items:
            raise TimeoutError
        await asyncio.sleep(0)
        return items

    call = Coalesced(send, limit=32, is_divisible=lambda error: isinstance(error, TimeoutError))
    bad, *good = (asyncio.create_task(call(number)) for number in range(32))
    async with asyncio.timeout(10):
        assert await asyncio.gather(*good) == list(range(1, 32))
        assert await call(99) == 99
    answered.set()
    with pytest.raises(TimeoutError):
        await bad
    assert len(sizes) == 1 + 2 * 5 + 1, "two for each halving, instead of one for each item"


async def test_what_is_large_travels_alone() -> None:
    sent: list[list[int]] = []

    async def send(items: Sequence[int]) -> Sequence[int]:
        sent.append(list(items))
        await asyncio.sleep(0)
        return items

    call = Coalesced(send, limit=10, largest=100, size_of=float)
    await asyncio.gather(*(call(size) for size in (60, 40, 1, 500, 99, 2)))
    assert sent == [[60, 40], [1], [500], [99], [2]]
