"""What fails for every job is nobody's attempt: it is noticed, said, waited for, and over by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from worker.core.clock import Moment
from worker.core.errors import DiskFull, JobError, NotFound, SourceUnavailable, StorageUnavailable
from worker.core.handler import Handler
from worker.core.job import Done
from worker.core.lane import DRAIN_SECONDS, Lane
from worker.core.leases import Hold, LeaseKeeper
from worker.core.outages import Outages
from worker.core.runner import GIVE_UP_SECONDS, Runner
from worker.testing import MemoryQueue, MemoryTable, Row


class World:
    """Dependencies that are up or down, and how often each was asked."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.asked: list[str] = []
        self.raises: Exception | None = None
        self.backs = 0
        self.outages = Outages(self.probe_of, back=self.back, jitter=lambda: 0.0)

    def probe_of(self, name: str) -> Callable[[], Awaitable[bool]] | None:
        async def probe() -> bool:
            self.asked.append(name)
            await asyncio.sleep(0.001)
            if self.raises:
                raise self.raises
            return name not in self.down

        return probe if name.split()[0] in ("storage", "disk", "host") else None

    def back(self) -> None:
        self.backs += 1


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A world whose watchers look every few milliseconds."""
    monkeypatch.setattr("worker.core.outages.PAUSE_CAP_SECONDS", 0.01)
    world = World()
    yield world
    await world.outages.close()


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(5000):
        if holds():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came to that")


async def test_failure_while_the_dependency_answers_is_the_jobs_own(world: World) -> None:
    assert not await world.outages.caused(StorageUnavailable())
    assert world.outages.down == {}
    assert world.outages.spare({"storage"})


async def test_failure_that_is_about_nothing_else_asks_nobody(world: World) -> None:
    assert not await world.outages.caused(NotFound())
    assert world.asked == []


async def test_outage_is_noticed_once_and_ends_by_itself(world: World) -> None:
    world.down = {"storage"}
    with capture_logs() as logs:
        caused = await asyncio.gather(*(world.outages.caused(StorageUnavailable("503")) for _ in range(20)))
        assert caused == [True] * 20
        assert list(world.outages.down) == ["storage"]
        assert not world.outages.spare({"disk", "storage"})
        assert world.outages.spare({"disk"})
        asked = len(world.asked)
        assert await world.outages.caused(StorageUnavailable())
        assert world.asked.count("storage") <= asked + 1, "known to be down: only its watcher asks"
        world.down = set()
        await until(lambda: world.outages.down == {})
    assert world.backs == 1
    assert [entry["event"] for entry in logs] == ["dependency down", "dependency back"]
    assert logs[0]["reason"] == "503"


async def test_those_who_ask_at_once_share_a_look(world: World) -> None:
    await asyncio.gather(*(world.outages.caused(StorageUnavailable()) for _ in range(20)))
    assert world.asked == ["storage"]


async def test_probe_with_a_defect_stops_nothing(world: World) -> None:
    world.raises = KeyError("a defect")
    assert not await world.outages.caused(StorageUnavailable())
    assert world.outages.spare({"storage"})


async def test_outage_of_one_host_is_not_that_of_another(world: World) -> None:
    world.down = {"host a.example:443"}
    assert await world.outages.caused(SourceUnavailable("no answer", "a.example:443"))
    assert not await world.outages.caused(SourceUnavailable("no answer", "b.example:443"))


class Params(BaseModel):
    pass


class Bench:
    """A lane of jobs that fail for want of a dependency while it is down."""

    def __init__(self, world: World, error: JobError, *, until_empty: bool = True) -> None:
        self.world = world
        self.error = error
        self.table = MemoryTable()
        self.queue = MemoryQueue(self.table)
        handler = Handler(kind="photo", version="1", lane="photos", params=Params, run=self.work)
        bare = Handler(
            kind="bare", version="1", lane="photos", params=Params, run=self.work, needs=frozenset()
        )
        self.handlers = {"photo": handler, "bare": bare}
        leases = LeaseKeeper(self.queue, 60)
        runner: Runner[Any] = Runner(
            self.queue,
            self.handlers,
            leases,
            lambda job, hold, record: hold,
            outages=world.outages,
            jitter=lambda: 0.0,
        )
        self.runner = runner
        self.lane = Lane(
            "photos",
            4,
            list(self.handlers),
            self.queue,
            runner.run,
            lambda: 60.0,
            until_empty=until_empty,
            can_run=lambda kind: world.outages.spare(self.handlers[kind].needs),
        )
        world.back = self.lane.ring  # type: ignore[method-assign]
        world.outages._back = self.lane.ring

    async def work(self, params: Params, hold: Hold) -> Done:
        if hold.job.kind == "photo" and self.error.dependency in self.world.down:
            raise self.error
        return Done()

    def add(self, count: int, kind: str = "photo") -> list[Row]:
        return [self.table.add(kind) for _ in range(count)]

    async def serve(self) -> None:
        async with asyncio.timeout(10):
            await self.lane.serve()
            await self.lane.drained()


@pytest.mark.parametrize("error", [StorageUnavailable(), DiskFull()])
async def test_no_job_spends_an_attempt_on_an_outage(world: World, error: JobError) -> None:
    bench = Bench(world, error)
    world.down = {str(error.dependency)}
    rows = bench.add(400)
    serving = asyncio.create_task(bench.serve())
    await until(lambda: world.outages.down != {})
    await asyncio.sleep(0.05)
    claims = bench.queue.calls.count("claim")
    assert claims <= 3, "a lane does not claim what it cannot do"
    assert {(row.status, row.attempts) for row in rows} == {("pending", 0)}

    world.down = set()
    await serving

    assert {(row.status, row.attempts) for row in rows} == {("completed", 1)}


async def test_kinds_that_need_nothing_go_on(world: World) -> None:
    bench = Bench(world, StorageUnavailable(), until_empty=False)
    world.down = {"storage"}
    bench.add(4)
    serving = asyncio.create_task(bench.lane.serve())
    await until(lambda: world.outages.down != {})
    others = bench.add(10, "bare")
    bench.lane.ring()
    await until(lambda: all(row.status == "completed" for row in others))
    bench.lane.stop()
    await serving


async def test_lane_that_drains_does_not_wait_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.core.lane.DRAIN_SECONDS", 0.05)
    bench = Bench(world, StorageUnavailable())
    world.down = {"storage"}
    rows = bench.add(5)
    await bench.serve()
    assert {(row.status, row.attempts) for row in rows} == {("pending", 0)}


async def test_job_whose_host_is_down_is_left_alone_for_a_while(world: World) -> None:
    error = SourceUnavailable("no answer", "a.example:443")
    bench = Bench(world, error)
    world.down = {str(error.dependency)}
    (row,) = bench.add(1)
    claim = await bench.queue.claim(["photo"], 1, uuid4())
    await bench.runner.run(claim.jobs[0], since=Moment.now())
    assert (row.status, row.attempts) == ("pending", 0)
    assert DRAIN_SECONDS < row.run_at - bench.table.clock() < 200
    assert row.error_code == "storage_unavailable", "the row says what it waits for"
    assert world.outages.spare(bench.handlers["photo"].needs), "other photos have nothing to do with it"


async def test_host_that_does_not_come_back_ends_the_job_in_the_end(world: World) -> None:
    error = SourceUnavailable("no answer", "a.example:443")
    bench = Bench(world, error)
    world.down = {str(error.dependency)}
    (row,) = bench.add(1)
    await world.outages.caused(error)
    world.outages._since[str(error.dependency)] -= GIVE_UP_SECONDS + 1
    for _ in range(row.max_attempts):
        row.run_at = 0.0
        claim = await bench.queue.claim(["photo"], 1, uuid4())
        await bench.runner.run(claim.jobs[0], since=Moment.now())
    assert (row.status, row.error_code) == ("failed", "storage_unavailable")
