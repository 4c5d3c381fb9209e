"""How many calls the ends of jobs take on the wire, and that one that cannot be written spoils no other's."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psycopg
import pytest

from worker.core.job import Done, Job, Run, Upsert
from worker.core.queue import SettleAnswer, Settled
from worker.local.stack import StackInfo
from worker.project.connection import Connection
from worker.project.queue import SupabaseQueue
from worker.settings import Settings

pytestmark = pytest.mark.stack

JOBS = 24


class Wire:
    """Calls on their way to the project; the first settlement is under way until somebody lets it go."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.settlements: list[int] = []
        self.begun, self.go = asyncio.Event(), asyncio.Event()

    async def __call__(self, function: str, params: Mapping[str, Any], *, within: float) -> Any:
        if function == "settle_jobs":
            self.settlements.append(len(params["p_settlements"]))
            self.begun.set()
            await self.go.wait()
        return await self._connection.rpc(function, params, within=within)


async def settle_all(
    stack: StackInfo, db: psycopg.Connection, user: Any, outcome: Callable[[int], Done]
) -> tuple[Sequence[Settled], list[int], int]:
    """One job ends, the others while its call is under way: answers, settlements of each call, requests."""
    kind = f"t_{uuid.uuid4().hex}"
    db.execute("insert into job_kinds (kind, table_name) values (%s, 'ai_processing_jobs')", (kind,))
    asset = db.execute(
        "insert into assets (user_id, path, media_type) values (%s, %s, 'document') returning id",
        (user.user_id, f"{user.user_id}/{kind}.jpg"),
    ).fetchone()
    assert asset
    db.execute(
        "insert into ai_processing_jobs (user_id, job_type, asset_id)"
        " select %s, %s, %s from generate_series(1, %s)",
        (user.user_id, kind, asset[0], JOBS),
    )
    settings = Settings(_env_file=None, supabase_url=stack.url, supabase_secret_key=stack.secret_key)  # type: ignore[call-arg]
    async with Connection(settings) as connection, asyncio.timeout(60):
        wire = Wire(connection)
        queue = SupabaseQueue(wire, kind, 60)
        jobs: Sequence[Job] = (await queue.claim([kind], JOBS, uuid.uuid4())).jobs
        before = connection.requests
        first = asyncio.create_task(queue.settle(jobs[0], outcome(0), Run()))
        await wire.begun.wait()
        others = [
            asyncio.create_task(queue.settle(job, outcome(number), Run()))
            for number, job in enumerate(jobs[1:], 1)
        ]
        await asyncio.sleep(0)
        wire.go.set()
        answers = await asyncio.gather(first, *others)
        return answers, wire.settlements, connection.requests - before


async def test_ends_of_24_jobs_take_two_calls(
    stack: StackInfo, db: psycopg.Connection, make_user: Callable[[], Any]
) -> None:
    answers, calls, requests = await settle_all(stack, db, make_user(), lambda number: Done())
    assert {answer.status for answer in answers} == {"completed"}
    assert (calls, requests) == ([1, 23], 2)


async def test_rows_that_are_refused_cost_the_others_neither_their_end_nor_a_call(
    stack: StackInfo, db: psycopg.Connection, make_user: Callable[[], Any]
) -> None:
    def outcome(number: int) -> Done:
        return Done(writes=[Upsert(table="nowhere", rows=[])]) if number == 7 else Done()

    answers, calls, _ = await settle_all(stack, db, make_user(), outcome)
    assert [n for n, answer in enumerate(answers) if answer.answer is SettleAnswer.REFUSED] == [7]
    assert calls == [1, 23]


async def test_what_is_no_json_is_refused_alone(
    stack: StackInfo, db: psycopg.Connection, make_user: Callable[[], Any]
) -> None:
    def outcome(number: int) -> Done:
        return Done(result={"set": {number}} if number == 7 else {})

    answers, calls, _ = await settle_all(stack, db, make_user(), outcome)
    assert [n for n, answer in enumerate(answers) if answer.answer is SettleAnswer.REFUSED] == [7]
    assert calls == [1, 6, 1, 16]
