"""Threads for pixels: in turn, within memory, and never the event loop's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from pydantic import BaseModel

from models.machine import memory
from models.pictures.demand import Demand
from worker.app import probes_of
from worker.core.clock import Moment
from worker.core.errors import MemoryShort, TooLarge
from worker.core.handler import Handler
from worker.core.job import Done
from worker.core.leases import Hold, LeaseKeeper
from worker.core.outages import Outages
from worker.core.runner import GIVE_UP_SECONDS, Runner
from worker.pixels import PixelThreads, has_memory
from worker.testing import MemoryQueue, MemoryTable, Row

HUGE = Demand(pixels=200_000_000, bytes=1800 * memory.MEGABYTE)
SMALL = Demand(pixels=12_000_000, bytes=108 * memory.MEGABYTE)
BOUND = 20.0


class Gate:
    """Work that is at it until it is opened."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.opened = threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.opened.wait(BOUND)
        return "through"


@pytest.fixture
def free() -> list[int | None]:
    """What memory can be had now, in MiB."""
    return [16_000]


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest, free: list[int | None]) -> Iterator[PixelThreads]:
    threads = PixelThreads(request.param, machine=16_000, available=lambda: free[0])
    yield threads
    threads.close()


async def test_small_pictures_pass_while_huge_ones_are_decoded(threads: PixelThreads) -> None:
    gates = [Gate() for _ in range(3)]
    huge = [asyncio.ensure_future(threads.run(gate, demand=HUGE)) for gate in gates]
    await asyncio.to_thread(gates[0].begun.wait, BOUND)

    async with asyncio.timeout(BOUND):
        for number in range(50):
            assert await threads.run(lambda number=number: number, demand=SMALL) == number
    assert not gates[1].begun.is_set()
    for gate in gates:
        gate.opened.set()
    assert await asyncio.gather(*huge) == ["through"] * 3


async def test_who_stops_waiting_leaves_the_line_and_who_runs_counts_to_the_end(
    threads: PixelThreads,
) -> None:
    gates = [Gate() for _ in range(3)]
    running, given_up, next_one = (asyncio.ensure_future(threads.run(gate, demand=HUGE)) for gate in gates)
    await asyncio.to_thread(gates[0].begun.wait, BOUND)
    for task in (running, given_up):
        task.cancel()
    await asyncio.gather(running, given_up, return_exceptions=True)
    await threads.run(lambda: None, demand=SMALL)
    assert not gates[2].begun.is_set(), "the thread of the first is still taken"
    gates[0].opened.set()
    gates[2].opened.set()
    assert await next_one == "through"
    assert not gates[1].begun.is_set()


async def test_an_error_of_the_work_is_the_callers(threads: PixelThreads) -> None:
    with pytest.raises(ZeroDivisionError):
        await threads.run(divmod, 1, 0)
    assert await threads.run(divmod, 7, 2) == (3, 1)


async def test_what_waits_at_the_end_is_cancelled() -> None:
    threads = PixelThreads(1, machine=16_000)
    gate = Gate()
    running = asyncio.ensure_future(threads.run(gate))
    waiting = asyncio.ensure_future(threads.run(divmod, 7, 2))
    await asyncio.to_thread(gate.begun.wait, BOUND)
    threads.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    gate.opened.set()
    assert await running == "through"


async def test_a_picture_that_no_memory_of_this_machine_holds_is_too_large() -> None:
    threads = PixelThreads(2, machine=1000, available=lambda: 900)
    with pytest.raises(TooLarge, match="takes 1800 MiB of memory, and this machine has 1000"):
        await threads.run(divmod, 7, 2, demand=HUGE)
    threads.close()


async def test_a_picture_that_lacks_memory_just_now_is_not_begun(
    threads: PixelThreads, free: list[int | None]
) -> None:
    free[0] = 1700
    with pytest.raises(MemoryShort) as caught:
        await threads.run(divmod, 7, 2, demand=HUGE)
    assert caught.value.dependency == "memory 2048"
    assert await threads.run(divmod, 7, 2, demand=SMALL) == (3, 1)
    for free[0] in (1800, None):
        assert await threads.run(divmod, 7, 2, demand=HUGE) == (3, 1)


def test_memory_is_asked_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 2047)
    assert not has_memory("memory 2048")
    assert has_memory("memory 2047")
    monkeypatch.setattr(memory, "available", lambda: None)
    assert has_memory("memory 2048")


class Params(BaseModel):
    pass


class Bench:
    """A job whose picture takes 1.8 GB, on a machine that has less free."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(memory, "available", lambda: 500)
        files: Any = None
        self.threads = PixelThreads(2, machine=16_000, available=lambda: 500)
        self.outages = Outages(probes_of(files))
        self.table = MemoryTable()
        self.queue = MemoryQueue(self.table)
        self.handler = Handler(kind="test", version="1", lane="image", params=Params, run=self._decode)
        self.runner = Runner(
            self.queue,
            {"test": self.handler},
            LeaseKeeper(self.queue, 60),
            lambda job, hold, record: hold,
            outages=self.outages,
            jitter=lambda: 0.0,
        )

    async def _decode(self, params: Params, hold: Hold) -> Done:
        await self.threads.run(divmod, 7, 2, demand=HUGE)
        return Done()

    async def run(self) -> Row:
        row = self.table.add("test")
        [job] = (await self.queue.claim(["test"], 1, uuid4())).jobs
        await self.runner.run(job, since=Moment.now())
        return row

    async def close(self) -> None:
        await self.outages.close()
        self.threads.close()


async def test_a_job_without_memory_goes_back_unpaid_and_others_are_claimed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch)
    row = await bench.run()
    assert (row.status, row.error_code, row.attempts) == ("pending", "out_of_memory", 0)
    assert row.run_at > bench.table.clock() + 60
    assert list(bench.outages.down) == ["memory 2048"]
    assert bench.outages.spare(
        Handler(kind="k", version="1", lane="l", params=Params, run=bench._decode).needs
    )
    await bench.close()


async def test_a_job_that_has_no_memory_for_long_spends_attempts_and_so_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch)
    await bench.run()
    bench.outages._since["memory 2048"] -= GIVE_UP_SECONDS + 1
    row = await bench.run()
    assert (row.status, row.error_code, row.attempts) == ("pending", "out_of_memory", 1)
    await bench.close()
