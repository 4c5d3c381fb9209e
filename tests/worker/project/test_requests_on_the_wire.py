"""How often a request is sent while the project is out: one loop of retries each, never two."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from typing import Any

import postgrest
import pytest

from tests.worker.loopback import Reply, Request, Server, serving
from worker.core.errors import DatabaseUnavailable, JobError
from worker.files.objects import MAX_TRIES, StoredObjects
from worker.files.sources import StoredObject
from worker.files.spool import Spool
from worker.project.connection import Connection
from worker.project.tables import Store
from worker.settings import Settings

LIBRARY_TRIES = 4
"""Of postgrest-py 2.34: one and three more."""


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgrest._async.request_builder, "get_retry_delay", lambda attempt_count: 0)


@asynccontextmanager
async def answered_with(status: int, **account: str) -> AsyncIterator[tuple[Connection, Server]]:
    async def refuse(request: Request, reply: Reply) -> None:
        await reply.json(status, {"code": "PGRST000", "message": "try later"})

    keys = account or {"supabase_secret_key": "sb_secret_for_tests"}
    async with serving(refuse) as server:
        settings = Settings(_env_file=None, supabase_url=server.url, **keys)  # type: ignore[call-arg]
        connection = Connection(settings, patience=0.2)
        yield connection, server
        await connection._http.aclose()


@pytest.mark.parametrize(
    ("status", "tries"), [(503, LIBRARY_TRIES), (520, LIBRARY_TRIES), (504, 1), (500, 1)]
)
async def test_a_read_is_the_librarys_to_repeat(status: int, tries: int) -> None:
    async with answered_with(status) as (connection, server):
        with pytest.raises(JobError):
            await Store(connection).select("jobs")
        assert [request.method for request in server.requests] == ["GET"] * tries
        assert connection.requests == tries


async def test_a_write_is_nobodys_to_repeat() -> None:
    async with answered_with(503) as (connection, server):
        with pytest.raises(JobError):
            await Store(connection).add("assets", [{"path": "a"}], unique="path")
        assert len(server.requests) == 1


def no_answer_twice(count: int) -> Callable[[Request, Reply], Awaitable[None]]:
    """Answers 503 `count` times, and then nothing to complain of."""
    left = [503] * count

    async def answer(request: Request, reply: Reply) -> None:
        await reply.json(left.pop() if left else 200, {})

    return answer


async def test_a_call_is_ours_to_repeat() -> None:
    async with serving(no_answer_twice(2)) as server:
        settings: Any = Settings(
            _env_file=None, supabase_url=server.url, supabase_secret_key="sb_secret_for_tests"
        )  # type: ignore[call-arg]
        async with Connection(settings) as connection:
            assert await connection.rpc("f") == {}
        assert len(server.requests) == 3
        assert [request.headers.get("x-retry-count") for request in server.requests] == [None] * 3


async def test_a_file_is_asked_for_a_few_times() -> None:
    async with answered_with(503) as (connection, server):
        with pytest.raises(JobError), closing(Spool(10)) as spool:
            await StoredObjects(connection).download(StoredObject("assets", "a/b"), spool)
        assert len(server.requests) == MAX_TRIES


async def test_signing_in_is_ours_to_repeat() -> None:
    """The library's own timer for refreshing, which repeats for itself, is off."""
    account = {"kizu_email": "a@example.test", "kizu_password": "secret", "supabase_publishable_key": "sb_x"}
    async with answered_with(503, **account) as (connection, server):
        with pytest.raises(DatabaseUnavailable):
            await connection.__aenter__()
        assert {request.target for request in server.requests} == {"/auth/v1/token?grant_type=password"}
        assert len(server.requests) == connection.requests <= 3
