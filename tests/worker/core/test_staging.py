"""What staging promises to handlers. Rows in memory and the real ones, over REST, keep the same promises."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol
from uuid import uuid4

import psycopg
import pytest

from worker.core.errors import BadParams, LeaseLost
from worker.core.job import Done, Run, Staged
from worker.core.rows import Row
from worker.core.staging import ROWS_A_PAGE, Staging, pages_of
from worker.local.stack import StackInfo
from worker.project.connection import Connection
from worker.project.queue import SupabaseQueue
from worker.project.staging import SupabaseStaging
from worker.settings import read_settings
from worker.testing import MemoryStaging


class Bench(Protocol):
    """The staging of a job whose lease can be lost."""

    staging: Staging

    def kept(self, staged: Staged) -> list[Row]: ...

    async def lose(self) -> None: ...


class MemoryBench:
    def __init__(self) -> None:
        self.staging = MemoryStaging()

    def kept(self, staged: Staged) -> list[Row]:
        return self.staging.rows(staged)

    async def lose(self) -> None:
        self.staging.lost = True


class RealBench:
    def __init__(self, connection: Connection, db: psycopg.Connection[Any], user_id: str) -> None:
        self._kind = f"test_{uuid.uuid4().hex}"
        self._db = db
        self._queue = SupabaseQueue(connection.rpc, "stager", 30)
        self._rpc = connection.rpc
        db.execute("insert into job_kinds (kind, table_name) values (%s, 'ai_processing_jobs')", [self._kind])
        db.execute("select enqueue_job(%s, p_user_id => %s)", [self._kind, user_id])

    async def start(self) -> RealBench:
        [self._job] = (await self._queue.claim([self._kind], 1, uuid4())).jobs
        self.staging: Staging = SupabaseStaging(self._rpc, "stager", self._job.attempt_id)
        return self

    def kept(self, staged: Staged) -> list[Row]:
        rows = self._db.execute(
            "select jsonb_array_elements(rows) from kizu.staged"
            " where job_id = %s and epoch = %s and name = %s and page < %s order by page",
            [self._job.id, self._job.epoch, staged.name, staged.pages],
        )
        return [row for (row,) in rows]

    async def lose(self) -> None:
        await self._queue.settle(self._job, Done(), Run())


@pytest.fixture
async def real_bench(
    stack: StackInfo, db: psycopg.Connection[Any], make_user: Callable[[], Any]
) -> AsyncIterator[RealBench]:
    settings = read_settings(supabase_url=stack.url, supabase_secret_key=stack.secret_key, _env_file=None)
    async with Connection(settings) as connection:
        yield await RealBench(connection, db, make_user().user_id).start()


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.stack)])
def bench(request: pytest.FixtureRequest) -> Bench:
    if request.param == "memory":
        return MemoryBench()
    real: RealBench = request.getfixturevalue("real_bench")
    return real


def numbered(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"n": number, **more} for number in range(count)]


async def test_rows_are_kept_in_order_over_several_pages(bench: Bench) -> None:
    staged = await bench.staging.keep("moves", numbered(2 * ROWS_A_PAGE + 1))
    assert staged == Staged("moves", 3)
    assert bench.kept(staged) == numbered(2 * ROWS_A_PAGE + 1)


async def test_no_rows_are_no_pages(bench: Bench) -> None:
    staged = await bench.staging.keep("moves", [])
    assert staged.pages == 0
    assert bench.kept(staged) == []


async def test_what_is_kept_again_takes_its_own_place(bench: Bench) -> None:
    await bench.staging.keep("moves", numbered(ROWS_A_PAGE + 1))
    other = await bench.staging.keep("questions", numbered(3))
    staged = await bench.staging.keep("moves", numbered(2, again=True))
    assert bench.kept(staged) == numbered(2, again=True)
    assert bench.kept(other) == numbered(3)


async def test_a_name_that_is_no_word_is_a_mistake(bench: Bench) -> None:
    with pytest.raises(BadParams, match="name"):
        await bench.staging.keep("No word", numbered(1))


async def test_without_the_lease_nothing_is_kept(bench: Bench) -> None:
    await bench.lose()
    with pytest.raises(LeaseLost):
        await bench.staging.keep("moves", numbered(1))


def test_pages_are_no_longer_than_a_request_may_be() -> None:
    assert [len(page) for page in pages_of(numbered(ROWS_A_PAGE + 1))] == [ROWS_A_PAGE, 1]
