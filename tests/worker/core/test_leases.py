import asyncio
import time
from contextlib import suppress
from uuid import uuid4

import pytest

from worker.core.clock import Moment
from worker.core.job import Job
from worker.core.leases import Ended, Ending, LeaseKeeper
from worker.testing import MemoryQueue, MemoryTable

LEASE = 0.3


class Bench:
    """A worker's leases, whose wall clock may be ahead of the monotonic one as after a sleep."""

    def __init__(self) -> None:
        self.table = MemoryTable()
        self.queue = MemoryQueue(self.table, lease_seconds=LEASE)
        self.asleep = 0.0
        self.leases = LeaseKeeper(self.queue, LEASE, clock=self.now)

    def now(self) -> Moment:
        return Moment(time.monotonic(), time.time() + self.asleep)

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
    with bench.leases.hold(job, since=Moment.now()) as hold:
        await hold.attempt(asyncio.sleep(LEASE * 3))
    assert bench.table.rows[job.id].lease_until > time.monotonic()


async def test_a_lost_job_is_stopped(bench: Bench) -> None:
    job = await bench.claim()
    bench.table.rows[job.id].epoch += 1
    with bench.leases.hold(job, since=Moment.now()) as hold, pytest.raises(Ended) as ended:
        await hold.attempt(asyncio.sleep(5))
    assert ended.value.ending is Ending.LOST


async def test_a_cancelled_job_is_stopped_at_the_next_heartbeat(bench: Bench) -> None:
    job = await bench.claim()
    bench.table.cancel(bench.table.rows[job.id])
    with bench.leases.hold(job, since=Moment.now()) as hold, pytest.raises(Ended) as ended:
        await hold.attempt(asyncio.sleep(5))
    assert ended.value.ending is Ending.CANCELLED


async def test_lease_lost_after_a_cancel_is_lost_whatever_the_handler_makes_of_it(bench: Bench) -> None:
    async def stubborn() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(5)
        await asyncio.sleep(5)

    job = await bench.claim()
    with bench.leases.hold(job, since=Moment.now()) as hold:
        working = asyncio.create_task(hold.attempt(stubborn()))
        await asyncio.sleep(0.01)
        bench.leases.end_all(Ending.CANCELLED)
        await asyncio.sleep(0.01)
        bench.leases.end_all(Ending.LOST)
        with pytest.raises(Ended) as ended:
            await asyncio.wait_for(working, 3)
    assert ended.value.ending is Ending.LOST


async def test_a_heartbeat_blip_stops_nothing(bench: Bench) -> None:
    job = await bench.claim()
    bench.queue.down = True
    asyncio.get_running_loop().call_later(LEASE * 0.6, setattr, bench.queue, "down", False)
    with bench.leases.hold(job, since=Moment.now()) as hold:
        await hold.attempt(asyncio.sleep(LEASE * 2))


async def test_a_worker_that_cannot_beat_fences_itself_off(bench: Bench) -> None:
    job = await bench.claim()
    bench.queue.down = True
    begun = Moment.now()
    with bench.leases.hold(job, since=begun) as hold, pytest.raises(Ended) as ended:
        await hold.attempt(asyncio.sleep(5))
    assert ended.value.ending is Ending.LOST
    assert LEASE <= begun.until(Moment.now()) < LEASE * 3


async def test_stopping_does_not_interrupt_a_settlement(bench: Bench) -> None:
    job = await bench.claim()
    with bench.leases.hold(job, since=Moment.now()) as hold:
        settling = asyncio.create_task(hold.settle(asyncio.sleep(0.05, "settled")))
        await asyncio.sleep(0)
        bench.leases.end_all(Ending.STOPPING)
        assert await settling == "settled"


async def test_progress_never_runs_backwards(bench: Bench) -> None:
    job = await bench.claim()
    with bench.leases.hold(job, since=Moment.now()) as hold:
        for percent in (10, 60, 40, 900):
            hold.report(percent, "decoding")
        assert hold.progress == 100
        await hold.attempt(asyncio.sleep(LEASE / 2))
    assert bench.table.rows[job.id].progress == 100


async def test_short_jobs_cost_no_heartbeat(bench: Bench) -> None:
    job = await bench.claim()
    with bench.leases.hold(job, since=Moment.now()) as hold:
        await hold.attempt(asyncio.sleep(0))
    assert "extend" not in bench.queue.calls


async def test_a_heartbeat_that_crosses_a_settlement_ends_nothing(bench: Bench) -> None:
    job = await bench.claim()
    bench.table.rows[job.id].status = "completed"  # settled; the answer is on its way
    with bench.leases.hold(job, since=Moment.now()) as hold:
        assert await hold.settle(asyncio.sleep(LEASE * 0.8, "settled")) == "settled"


async def test_of_two_attempts_at_once_the_older_ends_when_its_laptop_wakes(bench: Bench) -> None:
    """The monotonic clock stood still, so that only the wall clock knows that the lease is long over."""
    older = await bench.claim()
    with bench.leases.hold(older, since=bench.now()) as hold:
        running = asyncio.create_task(hold.attempt(asyncio.sleep(5)))
        await asyncio.sleep(0)
        bench.queue.down = True  # a laptop that wakes has no network yet
        bench.table.rows[older.id].lease_until = 0
        [newer] = (await MemoryQueue(bench.table, "another").claim(["any"], 1, uuid4())).jobs
        assert (newer.id, newer.epoch) == (older.id, older.epoch + 1)
        woken = time.monotonic()
        bench.asleep = 120
        with pytest.raises(Ended) as ended:
            await running
    assert ended.value.ending is Ending.LOST
    assert time.monotonic() - woken < LEASE / 2, "a heartbeat's time, not a lease's"


async def test_wall_clock_set_back_extends_nothing(bench: Bench) -> None:
    job = await bench.claim()
    bench.queue.down = True
    begun = time.monotonic()
    with bench.leases.hold(job, since=bench.now()) as hold:
        bench.asleep = -3600
        with pytest.raises(Ended) as ended:
            await hold.attempt(asyncio.sleep(5))
    assert ended.value.ending is Ending.LOST
    assert time.monotonic() - begun < LEASE * 3


async def test_answer_about_another_attempt_of_the_job_keeps_nothing(bench: Bench) -> None:
    """One job twice in this worker: what is kept of the newer attempt says nothing of the older."""
    older = await bench.claim()
    bench.table.rows[older.id].lease_until = 0
    [newer] = (await bench.queue.claim(["any"], 1, uuid4())).jobs
    with (
        bench.leases.hold(older, since=bench.now()) as first,
        bench.leases.hold(newer, since=bench.now()) as second,
    ):
        going_on = asyncio.create_task(second.attempt(asyncio.sleep(LEASE, "done")))
        with pytest.raises(Ended) as ended:
            await first.attempt(asyncio.sleep(5))
        assert ended.value.ending is Ending.LOST
        assert await going_on == "done"
