import asyncio
import time
from collections import Counter

import pytest

from worker.core.clock import Moment
from worker.core.errors import AuthFailed
from worker.core.job import Done, Job, Run
from worker.core.lane import DRAIN_SECONDS, REFUSALS, Lane
from worker.testing import MemoryQueue, MemoryTable

KIND = "thumb"


class Bench:
    """A lane on an in-memory queue; jobs take `seconds` and are settled as done."""

    def __init__(
        self, *, slots: int = 4, seconds: float = 0.0, poll: float = 60.0, until_empty: bool = True
    ) -> None:
        self.table = MemoryTable()
        self.queue = MemoryQueue(self.table)
        self.seconds = seconds
        self.ran: Counter[str] = Counter()
        self.at_once = 0
        self._now = 0
        self.lane = Lane("image", slots, [KIND], self.queue, self.run, lambda: poll, until_empty=until_empty)

    async def run(self, job: Job, *, since: Moment) -> None:
        self._now += 1
        self.at_once = max(self.at_once, self._now)
        await asyncio.sleep(self.seconds)
        self.ran[str(job.id)] += 1
        self._now -= 1
        await self.queue.settle(job, Done(), Run())

    async def serve(self) -> None:
        async with asyncio.timeout(10):
            await self.lane.serve()
            await self.lane.drained()


async def test_every_pending_job_runs_once_and_then_the_lane_ends() -> None:
    bench = Bench()
    for _ in range(50):
        bench.table.add(KIND)
    await bench.serve()
    assert sorted(bench.ran.values()) == [1] * 50


async def test_what_a_machine_cannot_do_is_left_to_others_and_not_waited_for() -> None:
    bench = Bench()
    bench.table.add(KIND)
    left = bench.table.add("other")
    bench.lane = Lane(
        "image",
        4,
        [KIND, "other"],
        bench.queue,
        bench.run,
        lambda: 60.0,
        until_empty=True,
        can_do=lambda kind: kind == KIND,
    )
    await bench.serve()
    assert sum(bench.ran.values()) == 1
    assert str(left) not in bench.ran


@pytest.mark.parametrize(
    ("due_in", "ran"),
    [
        (0.1, 1),  # a retry
        (DRAIN_SECONDS + 5, 0),
        (7 * 24 * 3600.0, 0),  # somebody's schedule
    ],
)
async def test_a_lane_that_drains_waits_for_what_is_due_soon(due_in: float, ran: int) -> None:
    bench = Bench(seconds=0.01)
    bench.table.add(KIND)
    later = bench.table.add(KIND, run_at=bench.table.clock() + due_in)
    await bench.serve()
    assert bench.ran[str(later.id)] == ran


async def test_no_more_jobs_run_at_once_than_there_are_slots() -> None:
    bench = Bench(slots=3, seconds=0.01)
    for _ in range(20):
        bench.table.add(KIND)
    await bench.serve()
    assert bench.at_once == 3


async def test_a_backlog_is_claimed_several_jobs_at_a_time() -> None:
    bench = Bench(slots=8, seconds=0.02)
    for _ in range(80):
        bench.table.add(KIND)
    await bench.serve()
    assert bench.queue.calls.count("claim") <= 80 / 4 + 2


async def test_slow_jobs_that_end_one_after_the_other_are_replaced_in_pairs() -> None:
    bench = Bench(slots=4)
    turns = asyncio.Lock()

    async def run(job: Job, *, since: Moment) -> None:
        async with turns:  # as jobs that wait for one model
            await asyncio.sleep(0.1)
        await bench.queue.settle(job, Done(), Run())

    bench.lane._run = run
    for _ in range(24):
        bench.table.add(KIND)
    await bench.serve()
    assert bench.queue.calls.count("claim") <= 16


async def test_a_backlog_is_never_slept_on() -> None:
    bench = Bench(slots=1, poll=60.0)
    for _ in range(20):
        bench.table.add(KIND)
    begun = time.monotonic()
    await bench.serve()
    assert time.monotonic() - begun < 5, "twenty empty jobs cannot need a poll interval"


async def test_a_ring_wakes_an_idle_lane_before_the_poll() -> None:
    bench = Bench(until_empty=False)
    serving = asyncio.create_task(bench.lane.serve())
    await asyncio.sleep(0.02)
    bench.table.add(KIND)
    bench.lane.ring()
    await asyncio.sleep(0.05)
    assert sum(bench.ran.values()) == 1
    bench.lane.stop()
    await asyncio.wait_for(serving, 1)


async def test_a_ring_during_a_claim_causes_one_more_look() -> None:
    bench = Bench(until_empty=False)
    original = bench.queue.claim

    async def claim_and_be_rung(kinds, limit, claim_id):  # type: ignore[no-untyped-def]
        claim = await original(kinds, limit, claim_id)
        if bench.queue.calls.count("claim") == 1:
            bench.table.add(KIND)
            bench.lane.ring()
        return claim

    bench.queue.claim = claim_and_be_rung  # type: ignore[method-assign]
    serving = asyncio.create_task(bench.lane.serve())
    await asyncio.sleep(0.1)
    assert sum(bench.ran.values()) == 1
    bench.lane.stop()
    await asyncio.wait_for(serving, 1)


async def test_without_rings_the_poll_finds_new_work() -> None:
    bench = Bench(poll=0.05, until_empty=False)
    serving = asyncio.create_task(bench.lane.serve())
    await asyncio.sleep(0.02)
    bench.table.add(KIND)
    await asyncio.sleep(0.15)
    assert sum(bench.ran.values()) == 1
    bench.lane.stop()
    await asyncio.wait_for(serving, 1)


async def test_a_job_due_later_is_waited_for() -> None:
    bench = Bench(poll=60.0)
    bench.table.add(KIND, run_at=time.monotonic() + 0.2)
    await bench.serve()
    assert sum(bench.ran.values()) == 1


async def test_a_job_that_ends_does_not_put_off_the_next_look() -> None:
    bench = Bench(seconds=0.05, poll=60.0, until_empty=False)
    bench.table.add(KIND)
    bench.table.add(KIND, run_at=time.monotonic() + 0.2)
    serving = asyncio.create_task(bench.lane.serve())
    await asyncio.sleep(0.4)
    assert sum(bench.ran.values()) == 2
    bench.lane.stop()
    await asyncio.wait_for(serving, 1)


async def test_a_claim_whose_answer_was_lost_is_asked_for_again_by_its_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.core.lane.random.uniform", lambda low, high: 0.01)
    bench = Bench(slots=2)
    for _ in range(2):
        bench.table.add(KIND)
    original, lost = bench.queue.claim, [True]

    async def commit_and_lose_the_answer(kinds, limit, claim_id):  # type: ignore[no-untyped-def]
        claim = await original(kinds, limit, claim_id)
        if lost and lost.pop():
            bench.queue.down = True
            try:
                bench.queue._call("claim")
            finally:
                bench.queue.down = False
        return claim

    bench.queue.claim = commit_and_lose_the_answer  # type: ignore[method-assign]
    await bench.serve()
    assert sorted(bench.ran.values()) == [1, 1]
    assert {row.attempts for row in bench.table.rows.values()} == {1}


async def test_an_outage_is_outlived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.core.lane.random.uniform", lambda low, high: 0.001)
    bench = Bench()
    bench.table.add(KIND)
    bench.queue.down = True
    serving = asyncio.create_task(bench.serve())
    await asyncio.sleep(0.1)
    assert bench.queue.calls.count("claim") > 2
    bench.queue.down = False
    await serving
    assert sum(bench.ran.values()) == 1


@pytest.mark.parametrize("noise", ["rings", "jobs that end"])
async def test_nothing_but_time_ends_a_pause(noise: str) -> None:
    bench = Bench(slots=8, seconds=0.02, until_empty=False)
    for _ in range(4):
        bench.table.add(KIND)
    serving = asyncio.create_task(bench.lane.serve())
    await asyncio.sleep(0.01)
    bench.queue.down = True
    bench.lane.ring()
    for _ in range(30):
        await asyncio.sleep(0.005)
        if noise == "rings":
            bench.lane.ring()
    assert bench.queue.calls.count("claim") <= 3, "perhaps two that were good, and one that failed"

    bench.queue.down = False
    bench.table.add(KIND)
    bench.lane.hurry()  # a person
    await asyncio.sleep(0.1)
    assert sum(bench.ran.values()) == 5
    bench.lane.stop()
    await asyncio.wait_for(serving, 1)


async def test_a_stop_ends_a_pause() -> None:
    bench = Bench(until_empty=False)
    bench.queue.down = True
    serving = asyncio.create_task(bench.lane.serve())
    await asyncio.sleep(0.02)
    bench.lane.stop()
    await asyncio.wait_for(serving, 1)


async def test_a_refusal_is_ridden_out_for_a_while_and_then_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.core.lane.random.uniform", lambda low, high: 0.0001)
    bench = Bench()
    asked = 0

    async def refuse(kinds, limit, claim_id):  # type: ignore[no-untyped-def]
        nonlocal asked
        asked += 1
        raise AuthFailed

    bench.queue.claim = refuse  # type: ignore[method-assign]
    with pytest.raises(AuthFailed):
        await bench.serve()
    assert asked == REFUSALS


async def test_whatever_a_server_answers_is_outlived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.core.lane.random.uniform", lambda low, high: 0.0001)
    bench = Bench()
    bench.table.add(KIND)
    original = bench.queue.claim
    nonsense: list[Exception] = [
        KeyError("jobs"),
        TypeError("a list"),
        RecursionError(),
        ValueError("digits"),
    ]

    async def answer_nonsense(kinds, limit, claim_id):  # type: ignore[no-untyped-def]
        if nonsense:
            raise nonsense.pop()
        return await original(kinds, limit, claim_id)

    bench.queue.claim = answer_nonsense  # type: ignore[method-assign]
    await bench.serve()
    assert sum(bench.ran.values()) == 1


async def test_after_a_long_outage_a_claim_is_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lease would else be counted from a try that never arrived, and be over before the job began."""
    monkeypatch.setattr("worker.core.lane.random.uniform", lambda low, high: 0.01)
    bench = Bench()
    bench.lane._replay_seconds = 0.05
    bench.queue.down = True
    asked: list[object] = []
    original = bench.queue.claim

    async def note(kinds, limit, claim_id):  # type: ignore[no-untyped-def]
        asked.append(claim_id)
        return await original(kinds, limit, claim_id)

    bench.queue.claim = note  # type: ignore[method-assign]
    serving = asyncio.create_task(bench.serve())
    await asyncio.sleep(0.3)
    bench.queue.down = False
    await serving
    assert 1 < len(set(asked)) < len(asked)
