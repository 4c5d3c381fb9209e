"""What reads promise to handlers. The rows in memory and the real ones, over REST, keep the same promises."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Protocol
from uuid import uuid4

import psycopg
import pytest

from worker.core.errors import BadParams, LeaseLost
from worker.core.job import Done, Run
from worker.core.rows import Rows
from worker.local.stack import StackInfo
from worker.project.connection import Connection
from worker.project.queue import SupabaseQueue
from worker.project.rows import SupabaseRows
from worker.settings import read_settings
from worker.testing import MemoryRows

FACTS = ("embedding", "faces", "hashes")


class Bench(Protocol):
    """The rows of a job whose user has one asset with `FACTS`, and whose lease can be lost."""

    rows: Rows

    async def lose(self) -> None: ...


class MemoryBench:
    def __init__(self) -> None:
        self.rows = MemoryRows({"asset_facts": self._facts})

    def _facts(self, args: Mapping[str, Any]) -> list[dict[str, str]]:
        return [{"fact": fact} for fact in FACTS if args.get("fact", fact) == fact]

    async def lose(self) -> None:
        self.rows.lost = True


class RealBench:
    def __init__(self, connection: Connection, db: psycopg.Connection[Any], user_id: str) -> None:
        self._kind = f"test_{uuid.uuid4().hex}"
        self._queue = SupabaseQueue(connection.rpc, "reader", 30)
        self._rpc = connection.rpc
        db.execute("insert into job_kinds (kind, table_name) values (%s, 'ai_processing_jobs')", [self._kind])
        db.execute("select enqueue_job(%s, p_user_id => %s)", [self._kind, user_id])
        stranger = uuid.uuid4()
        db.execute("insert into auth.users (id) values (%s)", [stranger])
        for owner in (user_id, stranger):
            db.execute(
                "with asset as (insert into assets (user_id, media_type) values (%s, 'document')"
                "               returning id, user_id)"
                " insert into asset_facts (asset_id, user_id, fact, version, state)"
                " select id, user_id, fact, '1', 'done' from asset, unnest(%s::text[]) as fact",
                [owner, list(FACTS)],
            )

    async def start(self) -> RealBench:
        [self._job] = (await self._queue.claim([self._kind], 1, uuid4())).jobs
        self.rows: Rows = SupabaseRows(self._rpc, "reader", self._job.attempt_id)
        return self

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


async def test_a_verb_answers_with_the_users_rows(bench: Bench) -> None:
    page = await bench.rows.call("asset_facts", {})
    assert [row["fact"] for row in page.rows] == list(FACTS)
    assert page.next is None
    page = await bench.rows.call("asset_facts", {"fact": "faces"})
    assert [row["fact"] for row in page.rows] == ["faces"]


async def test_pages_come_one_by_one_to_the_end(bench: Bench) -> None:
    pages = [page async for page in bench.rows.pages("asset_facts", {"limit": 2})]
    assert [[row["fact"] for row in page] for page in pages] == [["embedding", "faces"], ["hashes"]]


async def test_a_verb_that_nobody_registered_is_a_mistake(bench: Bench) -> None:
    with pytest.raises(BadParams, match="nonsense"):
        await bench.rows.call("nonsense", {})


async def test_without_the_lease_nothing_is_read(bench: Bench) -> None:
    await bench.lose()
    with pytest.raises(LeaseLost):
        await bench.rows.call("asset_facts", {})
