import asyncio
import time
from uuid import uuid4

import pytest

from worker.core.job import Job
from worker.core.leases import Ended, Ending, LeaseKeeper
from worker.testing import MemoryQueue, MemoryTable

LEASE = 0.3


class Bench:
    def __init__(self) -> None:
        self.table = MemoryTable()
        self.queue = MemoryQueue(self.table, lease_seconds=LEASE)
        self.leases = LeaseKeeper(self.queue, LEASE)

    async def claim(self) -> Job:
        self.table.add("any")
        claim = await self.queue.claim(["any"], 1, uuid4())
        return claim.jobs[0]


@pytest.fixture
async def bench():  # type: ignore[no-untyped-def]
    bench = Bench()
    serving = asyncio.create_task(bench.leases.serve())
    yield bench
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def test_a_long_job_keeps_its_lease(bench: Bench) -> None:
    job = await bench.claim()
    with bench.leases.hold(job, since=time.monotonic()) as hold:
        await hold.attempt(asyncio.sleep(LEASE * 3))
    assert bench.table.rows[job.id].lease_until > time.monotonic()


async def test_a_lost_job_is_stopped(bench: Bench) -> None:
    job = await bench.claim()
    bench.table.rows[job.id].epoch += 1
    with bench.leases.hold(job, since=time.monotonic()) as hold, pytest.raises(Ended) as ended:
        await hold.attempt(asyncio.sleep(5))
    assert ended.value.ending is Ending.LOST


async def test_a_cancelled_job_is_stopped_at_the_next_heartbeat(bench: Bench) -> None:
    job = await bench.claim()
    bench.table.cancel(bench.table.rows[job.id])
    with bench.leases.hold(job, since=time.monotonic()) as hold, pytest.raises(Ended) as ended:
        await hold.attempt(asyncio.sleep(5))
    assert ended.value.ending is Ending.CANCELLED


async def test_a_heartbeat_blip_stops_nothing(bench: Bench) -> None:
    job = await bench.claim()
    bench.queue.down = True
    asyncio.get_running_loop().call_later(LEASE * 0.6, setattr, bench.queue, "down", False)
    with bench.leases.hold(job, since=time.monotonic()) as hold:
        await hold.attempt(asyncio.sleep(LEASE * 2))


async def test_a_worker_that_cannot_beat_fences_itself_off(bench: Bench) -> None:
    job = await bench.claim()
    bench.queue.down = True
    begun = time.monotonic()
    with bench.leases.hold(job, since=begun) as hold, pytest.raises(Ended) as ended:
        await hold.attempt(asyncio.sleep(5))
    assert ended.value.ending is Ending.LOST
    assert LEASE <= time.monotonic() - begun < LEASE * 3


async def test_stopping_does_not_interrupt_a_settlement(bench: Bench) -> None:
    job = await bench.claim()
    with bench.leases.hold(job, since=time.monotonic()) as hold:
        settling = asyncio.create_task(hold.settle(asyncio.sleep(0.05, "settled")))
        await asyncio.sleep(0)
        bench.leases.end_all(Ending.STOPPING)
        assert await settling == "settled"


async def test_progress_never_runs_backwards(bench: Bench) -> None:
    job = await bench.claim()
    with bench.leases.hold(job, since=time.monotonic()) as hold:
        for percent in (10, 60, 40, 900):
            hold.report(percent, "decoding")
        assert hold.progress == 100
        await hold.attempt(asyncio.sleep(LEASE / 2))
    assert bench.table.rows[job.id].progress == 100


async def test_short_jobs_cost_no_heartbeat(bench: Bench) -> None:
    job = await bench.claim()
    with bench.leases.hold(job, since=time.monotonic()) as hold:
        await hold.attempt(asyncio.sleep(0))
    assert "extend" not in bench.queue.calls


async def test_a_heartbeat_that_crosses_a_settlement_ends_nothing(bench: Bench) -> None:
    job = await bench.claim()
    bench.table.rows[job.id].status = "completed"  # settled; the answer is on its way
    with bench.leases.hold(job, since=time.monotonic()) as hold:
        assert await hold.settle(asyncio.sleep(LEASE * 0.8, "settled")) == "settled"
