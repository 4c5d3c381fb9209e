import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from pydantic import BaseModel

from worker.core import daemon as module
from worker.core.daemon import Daemon, poll_seconds
from worker.core.errors import AuthFailed, DatabaseUnavailable
from worker.core.handler import Handler
from worker.core.job import Done
from worker.core.lane import Lane
from worker.core.leases import Hold, LeaseKeeper
from worker.core.outages import Outages
from worker.core.queue import Claim
from worker.core.runner import Runner
from worker.testing import MemoryQueue, MemoryTable


class Params(BaseModel):
    seconds: float = 0.0


class Silence:
    healthy = False

    async def serve(self) -> None:
        await asyncio.Event().wait()


async def sleep(params: Params, hold: Hold) -> Done:
    await asyncio.sleep(params.seconds)
    return Done()


class Bench:
    def __init__(
        self, *, grace: float = 5.0, until_empty: bool = False, slots: int = 4, chores: Any = None
    ) -> None:
        self.table = MemoryTable()
        self.queue = MemoryQueue(self.table)
        handlers = {
            kind: Handler(kind=kind, version="1", lane=kind, params=Params, run=sleep)
            for kind in ("image", "video")
        }
        leases = LeaseKeeper(self.queue, 60)
        runner: Runner[Any] = Runner(self.queue, handlers, leases, lambda job, hold, record: hold)
        poll = poll_seconds(Silence(), alone=0.05, woken=30)
        self.lanes = [
            Lane(kind, slots, [kind], self.queue, runner.run, poll, until_empty=until_empty)
            for kind in handlers
        ]
        self.daemon = Daemon(
            self.queue,
            self.lanes,
            leases,
            Silence(),
            Outages(),
            grace_seconds=grace,
            capabilities=lambda: {"kinds": sorted(handlers)},
            requests=lambda: 7,
            chores=chores,
        )


def sent_late(claim: Callable[..., Awaitable[Claim]], *, seconds: float) -> Callable[..., Awaitable[Claim]]:
    """The claim takes effect some seconds after it was made, whether anybody still waits or not."""

    async def send(*asked: Any) -> Claim:
        await asyncio.sleep(seconds)
        return await claim(*asked)

    async def claim_late(*asked: Any) -> Claim:
        sending = asyncio.create_task(send(*asked))
        return await asyncio.shield(sending)

    return claim_late


async def test_stopping_finishes_what_runs_and_claims_nothing_more() -> None:
    bench = Bench(slots=1)
    rows = [bench.table.add("image", params={"seconds": 0.1}) for _ in range(3)]
    serving = asyncio.create_task(bench.daemon.serve())
    await asyncio.sleep(0.05)
    bench.daemon.stop()
    assert await asyncio.wait_for(serving, 2) == 0
    assert [row.status for row in rows] == ["completed", "pending", "pending"]


async def test_what_outlasts_the_grace_period_is_given_back_without_costing_an_attempt() -> None:
    bench = Bench(grace=0.1)
    row = bench.table.add("image", params={"seconds": 30})
    serving = asyncio.create_task(bench.daemon.serve())
    await asyncio.sleep(0.05)
    begun = time.monotonic()
    bench.daemon.stop()
    assert await asyncio.wait_for(serving, 2) == 1
    assert time.monotonic() - begun < 1
    assert (row.status, row.attempts) == ("pending", 0)


async def test_a_second_stop_gives_back_at_once() -> None:
    bench = Bench(grace=30)
    row = bench.table.add("image", params={"seconds": 30})
    serving = asyncio.create_task(bench.daemon.serve())
    await asyncio.sleep(0.05)
    bench.daemon.stop()
    await asyncio.sleep(0.05)
    bench.daemon.stop()
    assert await asyncio.wait_for(serving, 2) == 1
    assert row.status == "pending"


async def test_a_claim_whose_answer_never_came_is_given_back_at_the_end() -> None:
    bench = Bench()
    row = bench.table.add("lost")
    await bench.queue.claim(["lost"], 1, uuid4())
    serving = asyncio.create_task(bench.daemon.serve())
    await asyncio.sleep(0.05)
    bench.daemon.stop()
    await asyncio.wait_for(serving, 2)
    assert row.status == "pending"


async def test_a_claim_that_reaches_the_server_after_the_stop_leaves_nothing_held() -> None:
    bench = Bench(slots=1)
    bench.queue.claim = sent_late(bench.queue.claim, seconds=0.2)  # type: ignore[method-assign]
    row = bench.table.add("image")
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    serving = asyncio.create_task(bench.daemon.serve())
    await asyncio.sleep(0.05)
    bench.daemon.stop()
    await asyncio.wait_for(serving, 2)
    await asyncio.sleep(0.3)
    gc.collect()
    assert row.status in ("completed", "pending")
    assert complaints == []


async def test_an_outage_holds_up_the_stop_for_seconds_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.core.daemon.SETTLE_SECONDS", 0.1)
    bench = Bench(grace=30)
    bench.queue.claim = sent_late(bench.queue.claim, seconds=30)  # type: ignore[method-assign]
    serving = asyncio.create_task(bench.daemon.serve())
    await asyncio.sleep(0.05)
    bench.daemon.stop()
    await asyncio.wait_for(serving, 2)


async def test_draining_ends_when_all_lanes_are_empty() -> None:
    bench = Bench(until_empty=True)
    rows = [bench.table.add(kind, params={"seconds": 0.02}) for kind in ("image", "video") * 5]
    assert await asyncio.wait_for(bench.daemon.serve(), 5) == 0
    assert {row.status for row in rows} == {"completed"}


async def test_a_long_video_delays_no_thumbnail() -> None:
    bench = Bench()
    for _ in range(4):
        bench.table.add("video", params={"seconds": 30})
    serving = asyncio.create_task(bench.daemon.serve())
    await asyncio.sleep(0.05)
    row = bench.table.add("image")
    await asyncio.sleep(0.2)
    assert row.status == "completed"
    bench.daemon.stop()
    bench.daemon.stop()
    await asyncio.wait_for(serving, 2)


async def test_a_worker_that_starts_during_an_outage_waits_for_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.core.lane.random.uniform", lambda low, high: 0.01)
    bench = Bench(until_empty=True)
    row = bench.table.add("image")
    bench.queue.down = True
    serving = asyncio.create_task(bench.daemon.serve())
    await asyncio.sleep(0.1)
    bench.queue.down = False
    await asyncio.wait_for(serving, 5)
    assert row.status == "completed"


async def test_it_announces_itself_at_both_ends() -> None:
    bench = Bench(until_empty=True)
    await bench.daemon.serve()
    assert bench.queue.calls[0] == bench.queue.calls[-1] == "announce"


async def test_it_tidies_now_and_then_and_sooner_while_there_is_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIDY_ON_SECONDS", 0.001)
    monkeypatch.setattr(module, "TIDY_SECONDS", 1000.0)
    bench, answers, emptied = Bench(), [True, True, False], asyncio.Event()

    async def tidy() -> bool:
        if len(answers) == 1:
            emptied.set()
        return answers.pop(0)

    bench.queue.tidy = tidy  # type: ignore[method-assign]
    serving = asyncio.create_task(bench.daemon.serve())
    async with asyncio.timeout(10):
        await emptied.wait()
    bench.daemon.stop()
    await serving
    assert answers == []


async def test_a_chore_that_fails_keeps_no_other_from_being_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIDY_ON_SECONDS", 0.001)
    done = asyncio.Event()

    async def fail() -> bool:
        raise DatabaseUnavailable("not now")

    async def fill() -> bool:
        done.set()
        return False

    bench = Bench(chores={"breaking": fail, "filling": fill})
    bench.queue.tidy = fail  # type: ignore[method-assign]
    serving = asyncio.create_task(bench.daemon.serve())
    async with asyncio.timeout(10):
        await done.wait()
    bench.daemon.stop()
    assert await serving == 0


async def test_a_worker_that_drains_tidies_before_its_first_claim() -> None:
    bench = Bench(until_empty=True)

    async def empty() -> bool:
        bench.queue.calls.append("chore")
        return True

    bench.daemon._chores = {"emptying": empty}
    bench.daemon._tidy_first = True
    await asyncio.wait_for(bench.daemon.serve(), 10)
    assert bench.queue.calls.index("chore") < bench.queue.calls.index("claim")
    assert bench.queue.calls.count("chore") == 1


async def test_a_worker_that_is_refused_does_not_start() -> None:
    bench = Bench()

    async def refuse(info: Any) -> None:
        raise AuthFailed("the key is of another project")

    bench.queue.announce = refuse  # type: ignore[method-assign]
    with pytest.raises(AuthFailed, match="another project"):
        await bench.daemon.serve()
    assert "claim" not in bench.queue.calls


@pytest.mark.parametrize(("healthy", "low", "high"), [(False, 4, 5), (True, 24, 30)])
def test_the_poll_interval_follows_the_wake_up(healthy: bool, low: float, high: float) -> None:
    wake = Silence()
    wake.healthy = healthy
    poll = poll_seconds(wake, alone=5, woken=30)
    assert all(low <= poll() <= high for _ in range(100))
