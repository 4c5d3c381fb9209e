"""The asynchronous client of supabase-py, which the worker uses: the same calls, many at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from postgrest.exceptions import APIError
from storage3.exceptions import StorageApiError
from supabase import AsyncClient, AsyncClientOptions, create_async_client

pytestmark = pytest.mark.stack


@pytest.fixture
async def someone(project: Any, person: Callable[[], Any]) -> AsyncIterator[tuple[Any, AsyncClient]]:
    """A user and the asynchronous client they have signed in with."""
    one = person()
    async with httpx.AsyncClient(timeout=60) as http:
        options = AsyncClientOptions(httpx_client=http, auto_refresh_token=False)
        client = await create_async_client(project.url, project.publishable_key, options)
        await client.auth.sign_in_with_password({"email": one.email, "password": one.password})
        yield one, client
        await client.auth.sign_out()


async def test_rows_and_functions_answer(someone: tuple[Any, AsyncClient]) -> None:
    _, client = someone
    await client.table("albums").insert([{"title": "b"}, {"title": "a"}]).execute()
    page = await client.table("albums").select("title", count="exact").order("title").limit(1).execute()
    assert (page.data, page.count) == ([{"title": "a"}], 2)
    assert (await client.rpc("job_stats", {}).execute()).data == []
    with pytest.raises(APIError) as caught:
        await client.rpc("no_such_function", {}).execute()
    assert caught.value.code == "PGRST202"


async def test_fifty_calls_at_once_all_answer(someone: tuple[Any, AsyncClient]) -> None:
    _, client = someone
    rows = [{"title": f"album {number}"} for number in range(50)]
    await asyncio.gather(*(client.table("albums").insert(row).execute() for row in rows))
    found = await client.table("albums").select("title", count="exact").execute()
    assert found.count == 50


async def test_files_go_and_come_side_by_side(someone: tuple[Any, AsyncClient]) -> None:
    one, client = someone
    files = client.storage.from_("assets")
    contents = {one.path(f"{number}.jpg"): os.urandom(300_000) for number in range(8)}
    options = {"content-type": "image/jpeg", "x-upsert": "true"}
    await asyncio.gather(*(files.upload(path, content, options) for path, content in contents.items()))
    back = await asyncio.gather(*(files.download(path) for path in contents))
    assert back == list(contents.values())
    await files.remove(list(contents))
    with pytest.raises(StorageApiError):
        await files.download(one.path("0.jpg"))


async def test_a_replaced_file_is_never_seen_in_part(someone: tuple[Any, AsyncClient]) -> None:
    one, client = someone
    files = client.storage.from_("assets")
    path, options = one.path("same.jpg"), {"content-type": "image/jpeg", "x-upsert": "true"}
    versions = [bytes([number]) * 400_000 for number in range(6)]
    await files.upload(path, versions[0], options)

    async def replace() -> None:
        for version in versions:
            await files.upload(path, version, options)

    async def read() -> None:
        for _ in range(12):
            assert await files.download(path) in versions

    await asyncio.gather(replace(), read(), read())


async def test_a_session_is_refreshed(someone: tuple[Any, AsyncClient]) -> None:
    one, client = someone
    answer = await client.auth.refresh_session()
    assert answer.user is not None
    assert answer.user.id == one.user_id
    assert (await client.table("albums").select("id").execute()).data == []
