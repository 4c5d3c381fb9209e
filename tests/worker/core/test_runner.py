import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from worker.core.clock import Moment
from worker.core.errors import NotFound, StorageUnavailable
from worker.core.handler import Handler
from worker.core.job import Done, Job, Outcome, Replace, Run
from worker.core.leases import Ending, Hold, LeaseKeeper
from worker.core.queue import SettleAnswer, Settled
from worker.core.runner import Runner
from worker.testing import MemoryQueue, MemoryTable, Row


class Params(BaseModel):
    size: int = 1


class Bench:
    """One job of kind `test`, whose handler is the given function of (params, hold)."""

    def __init__(
        self, act: Callable[[Params, Hold], Awaitable[Done]], *, timeout_seconds: float = 5.0
    ) -> None:
        self.table = MemoryTable()
        self.queue = MemoryQueue(self.table)
        self.leases = LeaseKeeper(self.queue, 60)
        handler = Handler(
            kind="test", version="1", lane="any", params=Params, run=act, timeout_seconds=timeout_seconds
        )
        self.handlers = {"test": handler}
        self.runner = Runner(
            self.queue, self.handlers, self.leases, lambda job, hold, record: hold, jitter=lambda: 0.5
        )

    async def run(self, kind: str = "test", **columns: Any) -> Row:
        row = self.table.add(kind, **columns)
        claim = await self.queue.claim([kind], 1, uuid4())
        await self.runner.run(claim.jobs[0], since=Moment.now())
        return row


def raising(error: BaseException) -> Callable[[Params, Hold], Awaitable[Done]]:
    async def act(params: Params, hold: Hold) -> Done:
        raise error

    return act


async def succeed(params: Params, hold: Hold) -> Done:
    return Done(result={"size": params.size})


async def test_a_finished_job_is_completed_with_its_result() -> None:
    row = await Bench(succeed).run(params={"size": 7})
    assert (row.status, row.result) == ("completed", {"size": 7})


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFound(), "failed", "not_found"),
        (StorageUnavailable(), "pending", "storage_unavailable"),
        (TimeoutError(), "pending", "timeout"),
        (MemoryError(), "pending", "out_of_memory"),
        (KeyError("a defect"), "pending", "internal_error"),
    ],
)
async def test_an_error_becomes_its_outcome(error: Exception, status: str, code: str) -> None:
    row = await Bench(raising(error)).run()
    assert (row.status, row.error_code) == (status, code)


async def test_the_last_attempt_fails_for_good() -> None:
    row = await Bench(raising(StorageUnavailable())).run(max_attempts=1)
    assert (row.status, row.error_code) == ("failed", "storage_unavailable")


async def test_bad_params_fail_at_once_and_name_the_field() -> None:
    row = await Bench(succeed).run(params={"size": "huge"})
    assert (row.status, row.error_code) == ("failed", "bad_params")


async def test_an_unknown_kind_fails_at_once() -> None:
    row = await Bench(succeed).run(kind="elsewhere")
    assert (row.status, row.error_code) == ("failed", "unknown_job_type")


async def test_a_job_that_takes_too_long_times_out() -> None:
    async def dawdle(params: Params, hold: Hold) -> Done:
        await asyncio.sleep(5)
        return Done()

    row = await Bench(dawdle, timeout_seconds=0.01).run()
    assert (row.status, row.error_code) == ("pending", "timeout")


@pytest.mark.parametrize(
    ("ending", "status", "attempts"),
    [
        (Ending.STOPPING, "pending", 0),  # given back: costs no attempt
        (Ending.CANCELLED, "cancelled", 1),
        (Ending.LOST, "processing", 1),  # whoever has it now decides
    ],
)
async def test_a_stopped_job_ends_as_it_was_stopped(ending: Ending, status: str, attempts: int) -> None:
    async def be_stopped(params: Params, hold: Hold) -> Done:
        hold.end(ending)
        await asyncio.sleep(5)
        return Done()

    row = await Bench(be_stopped).run()
    assert (row.status, row.attempts) == (status, attempts)


async def test_a_refused_result_fails_the_job_with_a_reason() -> None:
    async def overreach(params: Params, hold: Hold) -> Done:
        return Done(writes=[Replace(table="unregistered")])

    row = await Bench(overreach).run()
    assert (row.status, row.error_code) == ("failed", "result_refused")


async def test_an_attempt_whose_record_is_refused_fails_without_it() -> None:
    bench = Bench(succeed)
    bench.runner = Runner(
        bench.queue, bench.handlers, bench.leases, lambda job, hold, record: record.count("files") or hold
    )
    settle = bench.queue.settle

    async def refuse_counts(job: Job, outcome: Outcome, run: Run) -> Settled:
        if run.counts:
            return Settled(answer=SettleAnswer.REFUSED, error="not a number")
        return await settle(job, outcome, run)

    bench.queue.settle = refuse_counts  # type: ignore[method-assign]
    row = await bench.run()
    assert (row.status, row.error_code) == ("failed", "result_refused")


async def test_a_result_of_bytes_that_were_replaced_is_told_as_no_end_of_the_job() -> None:
    async def put_off(job: Job, outcome: Outcome, run: Run) -> Settled:
        return Settled(answer=SettleAnswer.SETTLED, status="pending")

    bench = Bench(succeed)
    bench.queue.settle = put_off  # type: ignore[method-assign]
    with capture_logs() as logs:
        await bench.run()
    [told] = [line for line in logs if line["log_level"] == "info"]
    assert (told["event"], told["error_code"]) == ("job goes back", "source_changed")


async def test_an_outage_at_settlement_leaves_the_job_to_its_lease() -> None:
    async def then_the_database_goes(params: Params, hold: Hold) -> Done:
        bench.queue.down = True
        return Done()

    bench = Bench(then_the_database_goes)
    row = await bench.run()
    assert row.status == "processing"


async def test_a_handler_that_cancels_itself_is_a_defect_and_not_a_stop() -> None:
    row = await Bench(raising(asyncio.CancelledError())).run()
    assert (row.status, row.error_code) == ("pending", "internal_error")
