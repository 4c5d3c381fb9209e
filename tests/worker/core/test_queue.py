"""What a queue promises. The in-memory queue and the real one, over REST, keep the same promises."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol
from uuid import UUID, uuid4

import psycopg
import pytest

from worker.core.job import Ask, Cancelled, Done, Failed, Job, Outcome, Released, Replace, Retry, Run
from worker.core.queue import Claim, Heartbeat, Queue, SettleAnswer, Verdict
from worker.local.stack import StackInfo
from worker.project.connection import Connection
from worker.project.queue import SupabaseQueue
from worker.settings import read_settings
from worker.testing import MemoryQueue, MemoryTable

LEASE = 30


class Bench(Protocol):
    """A queue with one kind of its own, and the hand of God on its rows."""

    kind: str

    def worker(self, name: str = "one") -> Queue: ...
    def add(self, *, max_attempts: int = 5, due_in: float = 0) -> UUID: ...
    def cancel(self, job_id: UUID) -> None: ...
    def expire(self, job_id: UUID) -> None: ...
    def hasten(self, job_id: UUID) -> None: ...
    def look(self, job_id: UUID) -> tuple[str, int, str | None]:
        """Status, attempts and error code."""
        ...


class MemoryBench:
    kind = "test"

    def __init__(self) -> None:
        self.table = MemoryTable()

    def worker(self, name: str = "one") -> Queue:
        return MemoryQueue(self.table, name, LEASE)

    def add(self, *, max_attempts: int = 5, due_in: float = 0) -> UUID:
        return self.table.add(self.kind, max_attempts=max_attempts, run_at=self.table.clock() + due_in).id

    def cancel(self, job_id: UUID) -> None:
        self.table.cancel(self.table.rows[job_id])

    def expire(self, job_id: UUID) -> None:
        self.table.rows[job_id].lease_until = 0

    def hasten(self, job_id: UUID) -> None:
        self.table.rows[job_id].run_at = 0

    def look(self, job_id: UUID) -> tuple[str, int, str | None]:
        row = self.table.rows[job_id]
        return row.status, row.attempts, row.error_code


class RealBench:
    def __init__(self, connection: Connection, db: psycopg.Connection[Any], user_id: str) -> None:
        self.kind = f"test_{uuid.uuid4().hex}"
        self._connection = connection
        self._db = db
        self._user_id = user_id
        db.execute("insert into job_kinds (kind, table_name) values (%s, 'ai_processing_jobs')", [self.kind])

    def worker(self, name: str = "one") -> Queue:
        # A name of this test's own: what another test's worker holds is company.
        return SupabaseQueue(self._connection.rpc, f"{name}-{self.kind}", LEASE)

    def add(self, *, max_attempts: int = 5, due_in: float = 0) -> UUID:
        row = self._db.execute(
            "insert into ai_processing_jobs (user_id, job_type, max_attempts, run_at)"
            " values (%s, %s, %s, clock_timestamp() + make_interval(secs => %s)) returning id",
            [self._user_id, self.kind, max_attempts, due_in],
        ).fetchone()
        assert row
        job_id: UUID = row[0]
        return job_id

    def cancel(self, job_id: UUID) -> None:
        self._db.execute("select cancel_job(%s)", [job_id])

    def expire(self, job_id: UUID) -> None:
        self._db.execute("update jobs set lease_expires_at = '2000-01-01' where id = %s", [job_id])

    def hasten(self, job_id: UUID) -> None:
        self._db.execute("update jobs set run_at = '2000-01-01' where id = %s", [job_id])

    def look(self, job_id: UUID) -> tuple[str, int, str | None]:
        row = self._db.execute(
            "select status, attempts, error_code from jobs where id = %s", [job_id]
        ).fetchone()
        assert row
        return row[0], row[1], row[2]


@pytest.fixture
async def real_bench(
    stack: StackInfo, db: psycopg.Connection[Any], make_user: Callable[[], Any]
) -> AsyncIterator[RealBench]:
    settings = read_settings(supabase_url=stack.url, supabase_secret_key=stack.secret_key, _env_file=None)
    async with Connection(settings) as connection:
        yield RealBench(connection, db, make_user().user_id)


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.stack)])
def bench(request: pytest.FixtureRequest) -> Bench:
    if request.param == "memory":
        return MemoryBench()
    real: RealBench = request.getfixturevalue("real_bench")
    return real


async def claim(bench: Bench, limit: int = 1, *, name: str = "one", claim_id: UUID | None = None) -> Claim:
    return await bench.worker(name).claim([bench.kind], limit, claim_id or uuid4())


async def take(bench: Bench, *, name: str = "one") -> Job:
    (job,) = (await claim(bench, name=name)).jobs
    return job


async def test_two_attempts_of_one_job_get_an_answer_each(bench: Bench) -> None:
    job_id = bench.add()
    older = await take(bench)
    bench.expire(job_id)
    found = list((await claim(bench)).jobs)
    if not found:
        bench.hasten(job_id)
        found = [await take(bench)]
    beats = [Heartbeat(job=job, progress=1, step="") for job in (older, *found)]
    assert await bench.worker().extend(beats) == {
        older.attempt_id: Verdict.LOST,
        found[0].attempt_id: Verdict.KEPT,
    }


async def test_jobs_that_a_job_asks_for_come_with_its_end_and_once(bench: Bench) -> None:
    bench.add()
    asks = [Ask(kind=bench.kind, params={"n": 1}), Ask(kind=bench.kind, params={"n": 1})]
    job = await take(bench)
    for answer in (SettleAnswer.SETTLED, SettleAnswer.REPEATED):
        assert (await bench.worker().settle(job, Done(next=asks), Run())).answer is answer
    assert [job.params for job in (await claim(bench, 5)).jobs] == [{"n": 1}]


async def test_one_more_follows_a_job_that_has_begun_when_it_is_asked_for_by_name(bench: Bench) -> None:
    async def ask() -> None:
        bench.add()
        [job] = [job for job in (await claim(bench, 5)).jobs if not job.params]
        ask = Ask(kind=bench.kind, asset_id=None, params={"n": 2}, dedupe="again")
        assert (await bench.worker().settle(job, Done(next=[ask]), Run())).answer is SettleAnswer.SETTLED

    await ask()
    begun = await take(bench)
    await ask()
    await bench.worker().settle(begun, Done(), Run())
    assert [job.params for job in (await claim(bench, 5)).jobs] == [{"n": 2}]
    assert not (await claim(bench, 5)).jobs


async def test_a_claim_takes_at_most_what_was_asked_for(bench: Bench) -> None:
    ids = {bench.add() for _ in range(3)}
    first = await claim(bench, 2)
    assert len(first.jobs) == 2
    assert first.next_due_seconds == 0, "one more is due"
    rest = await claim(bench, 2)
    assert {job.id for job in [*first.jobs, *rest.jobs]} == ids
    assert rest.next_due_seconds is None


async def test_nobody_claims_what_another_holds(bench: Bench) -> None:
    bench.add()
    await take(bench)
    assert not (await claim(bench, name="two")).jobs


async def test_the_same_claim_again_answers_with_the_same_jobs(bench: Bench) -> None:
    bench.add()
    bench.add()
    claim_id = uuid4()
    first = await claim(bench, claim_id=claim_id)
    again = await claim(bench, claim_id=claim_id)
    assert [job.id for job in again.jobs] == [job.id for job in first.jobs]
    assert [(job.attempt, job.epoch) for job in again.jobs] == [(1, 1)]


async def test_a_job_due_later_is_announced_and_not_taken(bench: Bench) -> None:
    bench.add(due_in=100)
    answer = await claim(bench)
    assert not answer.jobs
    assert answer.next_due_seconds is not None
    assert 90 < answer.next_due_seconds <= 100


async def test_a_lost_workers_job_goes_to_another_under_a_higher_epoch(bench: Bench) -> None:
    job_id = bench.add()
    lost = await take(bench)
    bench.expire(job_id)
    found = list((await claim(bench, name="two")).jobs)  # rescues; it may have to wait a little
    if not found:
        bench.hasten(job_id)
        found = [await take(bench, name="two")]
    assert [(job.epoch, job.crashes) for job in found] == [(lost.epoch + 1, 1)]


async def test_a_late_worker_changes_nothing(bench: Bench) -> None:
    job_id = bench.add()
    late = await take(bench)
    bench.expire(job_id)
    assert (await bench.worker().settle(late, Released(), Run())).answer is SettleAnswer.SETTLED
    now = await take(bench, name="two")
    verdicts = await bench.worker().extend([Heartbeat(job=late, progress=50, step="")])
    assert verdicts == {late.attempt_id: Verdict.LOST}
    settled = await bench.worker("two").settle(now, Done(), Run())
    assert settled.answer is SettleAnswer.SETTLED
    assert (await bench.worker().settle(late, Failed(code="x", message=""), Run())).status != "failed"
    assert bench.look(job_id)[0] == "completed"


@pytest.mark.parametrize(
    ("outcome", "status", "attempts", "code"),
    [
        (Done(result={"n": 1}), "completed", 1, None),
        (Retry(code="timeout", message="slow", delay_seconds=100), "pending", 1, "timeout"),
        (Failed(code="not_found", message="gone"), "failed", 1, "not_found"),
        (Released(), "pending", 0, None),
        (Cancelled(), "cancelled", 1, None),
    ],
)
async def test_each_outcome_ends_the_job_its_way(
    bench: Bench, outcome: Outcome, status: str, attempts: int, code: str | None
) -> None:
    job_id = bench.add()
    settled = await bench.worker().settle(await take(bench), outcome, Run())
    assert (settled.answer, settled.status) == (SettleAnswer.SETTLED, status)
    assert bench.look(job_id) == (status, attempts, code)


async def test_any_orderly_end_makes_up_for_a_lost_worker(bench: Bench) -> None:
    job_id = bench.add()
    await take(bench)
    bench.expire(job_id)
    found = list((await claim(bench)).jobs)  # rescues; it may have to wait a little
    if not found:
        bench.hasten(job_id)
        found = [await take(bench)]
    (again,) = found
    assert again.crashes == 1
    await bench.worker().settle(again, Retry(code="timeout", message="", delay_seconds=0), Run())
    assert (await take(bench)).crashes == 0


async def test_the_last_retry_is_a_failure(bench: Bench) -> None:
    job_id = bench.add(max_attempts=1)
    await bench.worker().settle(await take(bench), Retry(code="timeout", message="", delay_seconds=0), Run())
    assert bench.look(job_id) == ("failed", 1, "timeout")


async def test_settling_twice_is_settling_once(bench: Bench) -> None:
    job_id = bench.add()
    job = await take(bench)
    await bench.worker().settle(job, Released(), Run())
    again = await bench.worker().settle(job, Released(), Run())
    assert (again.answer, again.status) == (SettleAnswer.REPEATED, "pending")
    assert bench.look(job_id) == ("pending", 0, None)


async def test_refused_writes_leave_the_job_with_its_worker(bench: Bench) -> None:
    job_id = bench.add()
    job = await take(bench)
    refused = await bench.worker().settle(job, Done(writes=[Replace(table="unregistered")]), Run())
    assert refused.answer is SettleAnswer.REFUSED
    assert "unregistered" in (refused.error or "")
    assert bench.look(job_id)[0] == "processing"
    assert (await bench.worker().settle(job, Done(), Run())).answer is SettleAnswer.SETTLED


@pytest.mark.parametrize("text", ["a\x00b", "half of a pair: \ud83d"])
async def test_no_text_keeps_a_job_from_being_held_and_ended(bench: Bench, text: str) -> None:
    bench.add()
    bench.add()
    worker = bench.worker()
    done, failed = (await claim(bench, 2)).jobs
    verdicts = await worker.extend([Heartbeat(job=done, progress=10, step=text)])
    assert verdicts == {done.attempt_id: Verdict.KEPT}
    settled = await asyncio.gather(
        worker.settle(done, Done(result={"text": text, text: [text]}), Run()),
        worker.settle(failed, Failed(code="unreadable", message=text), Run()),
    )
    assert [one.answer for one in settled] == [SettleAnswer.SETTLED, SettleAnswer.SETTLED]
    assert bench.look(done.id)[0] == "completed"
    assert bench.look(failed.id)[::2] == ("failed", "unreadable")


@pytest.mark.stack
async def test_a_settlement_that_cannot_be_sent_is_refused_alone(real_bench: RealBench) -> None:
    for _ in range(4):
        real_bench.add()
    worker = real_bench.worker()
    first, odd, *others = (await claim(real_bench, 4)).jobs
    settled = await asyncio.gather(
        worker.settle(first, Done(), Run()),  # under way while the others gather
        worker.settle(odd, Done(result={"n": float("nan")}), Run()),
        *(worker.settle(job, Done(), Run()) for job in others),
    )
    assert [one.answer for one in settled] == [
        SettleAnswer.SETTLED,
        SettleAnswer.REFUSED,
        *[SettleAnswer.SETTLED] * 2,
    ]
    assert real_bench.look(odd.id)[0] == "processing"


async def test_a_cancelled_job_hears_of_it_and_is_not_retried(bench: Bench) -> None:
    job_id = bench.add()
    job = await take(bench)
    bench.cancel(job_id)
    verdicts = await bench.worker().extend([Heartbeat(job=job, progress=10, step="decoding")])
    assert verdicts == {job.attempt_id: Verdict.CANCEL}
    settled = await bench.worker().settle(job, Retry(code="timeout", message="", delay_seconds=0), Run())
    assert settled.status == "cancelled"


async def test_a_waiting_job_is_cancelled_at_once(bench: Bench) -> None:
    job_id = bench.add()
    bench.cancel(job_id)
    assert bench.look(job_id)[0] == "cancelled"
    assert not (await claim(bench)).jobs


async def test_a_worker_gives_back_all_it_holds_and_nothing_of_others(bench: Bench) -> None:
    mine, theirs = bench.add(), bench.add()
    name, other = f"a-{bench.kind}", f"b-{bench.kind}"
    first = await take(bench, name=name)
    second = await take(bench, name=other)
    assert await bench.worker(name).release_all() == 1
    held = {first.id: name, second.id: other}
    assert {mine, theirs} == set(held)
    assert [bench.look(job_id)[:2] for job_id in (first.id, second.id)] == [("pending", 0), ("processing", 1)]


async def test_a_worker_may_announce_itself_twice(bench: Bench) -> None:
    for _ in range(2):
        await bench.worker().announce({"kinds": [bench.kind]})


async def test_a_worker_tidies_until_there_is_no_more(bench: Bench) -> None:
    async with asyncio.timeout(30):
        while await bench.worker().tidy():
            pass
