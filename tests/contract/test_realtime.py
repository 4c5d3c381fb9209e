"""Realtime through supabase-py's async client: a hint for every insert, and nothing for strangers."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import websockets
from supabase import AsyncClient, AsyncClientOptions, create_async_client

pytestmark = pytest.mark.stack

SOON = 10.0
QUIET = 1.0


@asynccontextmanager
async def listening(
    project: Any, *, key: str | None = None, token: str | None = None, event: str = "INSERT", **binding: Any
) -> AsyncIterator[asyncio.Queue[Any]]:
    """Events of the image jobs, from the moment the service says that it reads the database."""
    client: AsyncClient = await create_async_client(
        project.url, key or project.publishable_key, AsyncClientOptions(auto_refresh_token=False)
    )
    if token is not None:
        await client.realtime.set_auth(token)
    events: asyncio.Queue[Any] = asyncio.Queue()
    ready = asyncio.Event()
    channel = client.channel(f"contract-{uuid.uuid4().hex}")
    channel.on_postgres_changes(
        event, schema="public", table="image_processing_jobs", callback=events.put_nowait, **binding
    )
    channel.on_system(lambda message: ready.set() if message.message == "Subscribed to PostgreSQL" else None)
    try:
        await channel.subscribe()
        await asyncio.wait_for(ready.wait(), SOON)
        yield events
    finally:
        await client.realtime.close()


async def upload(someone: Any) -> str:
    """A new photo, and by the trigger a new job."""
    photo = {"path": someone.path(f"{uuid.uuid4()}.jpg"), "media_type": "photo"}
    answer = await asyncio.to_thread(someone.client.table("assets").insert(photo).execute)
    return str(answer.data[0]["id"])


async def test_an_insert_is_told_with_its_row(project: Any, person: Callable[[], Any]) -> None:
    someone = person()
    async with listening(project, key=project.secret_key) as events:
        asset = await upload(someone)
        data = (await asyncio.wait_for(events.get(), SOON))["data"]
        assert (data["schema"], data["table"], data["type"]) == ("public", "image_processing_jobs", "INSERT")
        assert data["record"]["asset_id"] == asset
        assert data["record"]["status"] == "pending"
        assert data["record"]["errors"] == []
        assert {"name": "asset_id", "type": "uuid"} in data["columns"]


async def test_updates_are_told_to_those_who_asked(project: Any, person: Callable[[], Any]) -> None:
    someone = person()
    async with listening(project, key=project.secret_key, event="UPDATE") as events:
        asset = await upload(someone)
        job = await asyncio.to_thread(
            someone.client.table("image_processing_jobs").select("id").eq("asset_id", asset).execute
        )
        await asyncio.to_thread(someone.client.rpc("cancel_job", {"p_id": job.data[0]["id"]}).execute)
        data = (await asyncio.wait_for(events.get(), SOON))["data"]
        assert (data["type"], data["record"]["status"]) == ("UPDATE", "cancelled")
        assert data["old_record"] == {"id": job.data[0]["id"]}


async def test_a_filter_passes_only_what_it_names(project: Any, person: Callable[[], Any]) -> None:
    wanted, other = person(), person()
    only = f"user_id=eq.{wanted.user_id}"
    async with listening(project, key=project.secret_key, filter=only) as events:
        await upload(other)
        asset = await upload(wanted)
        data = (await asyncio.wait_for(events.get(), SOON))["data"]
        assert data["record"]["asset_id"] == asset


async def test_a_user_hears_of_their_own_rows_only(project: Any, person: Callable[[], Any]) -> None:
    mine, theirs = person(), person()
    async with listening(project, token=mine.token) as events:
        await upload(theirs)
        asset = await upload(mine)
        data = (await asyncio.wait_for(events.get(), SOON))["data"]
        assert data["record"]["asset_id"] == asset
        assert events.empty()


async def test_the_publishable_key_alone_hears_nothing(project: Any, person: Callable[[], Any]) -> None:
    async with listening(project) as events:
        await upload(person())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(events.get(), QUIET)


async def test_a_role_without_the_table_hears_nothing_and_disturbs_nobody(
    project: Any, person: Callable[[], Any]
) -> None:
    someone = person()
    worker = project.token("kizu_worker", str(uuid.uuid4()))
    async with listening(project, token=worker) as nothing, listening(project, token=someone.token) as own:
        asset = await upload(someone)
        data = (await asyncio.wait_for(own.get(), SOON))["data"]
        assert data["record"]["asset_id"] == asset
        told = [] if nothing.empty() else [nothing.get_nowait()["data"]]
        assert [one["record"] for one in told if one["record"]] == []


@asynccontextmanager
async def socket(project: Any, *, key: str | None = None, version: str = "1.0.0") -> AsyncIterator[Any]:
    address = project.url.replace("http", "ws", 1)
    query = f"apikey={key or project.publishable_key}&vsn={version}"
    async with websockets.connect(f"{address}/realtime/v1/websocket?{query}") as connection:
        yield connection


async def join(connection: Any, topic: str, config: dict[str, Any], token: str | None = None) -> Any:
    """Joins a channel, in objects, and answers the reply's payload."""
    payload = {"config": config, **({"access_token": token} if token else {})}
    message = {"topic": f"realtime:{topic}", "event": "phx_join", "payload": payload, "ref": "1"}
    await connection.send(json.dumps({**message, "join_ref": "1"}))
    return (await received(connection, "phx_reply"))["payload"]


async def received(connection: Any, event: str) -> Any:
    while True:
        message = json.loads(await asyncio.wait_for(connection.recv(), SOON))
        if message["event"] == event:
            return message


async def test_a_worker_hears_the_bell_on_its_private_topic(project: Any, person: Callable[[], Any]) -> None:
    someone = person()
    token = project.token("kizu_worker", str(uuid.uuid4()))
    async with socket(project) as connection:
        assert (await join(connection, "kizu:jobs", {"private": True}, token))["status"] == "ok"
        await upload(someone)
        while True:
            payload = (await received(connection, "broadcast"))["payload"]
            assert payload["event"] == "wake"
            if payload["payload"]["table"] == "image_processing_jobs":
                break


async def test_a_private_topic_is_closed_to_users(project: Any, person: Callable[[], Any]) -> None:
    async with socket(project) as connection:
        reply = await join(connection, "kizu:jobs", {"private": True}, person().token)
        assert reply["status"] == "error"
        assert "Unauthorized" in reply["response"]["reason"]


async def test_a_public_topic_of_the_same_name_hears_no_private_bell(
    project: Any, person: Callable[[], Any]
) -> None:
    someone = person()
    async with socket(project) as connection:
        assert (await join(connection, "kizu:jobs", {"private": False}))["status"] == "ok"
        await upload(someone)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(received(connection, "broadcast"), QUIET)


async def test_an_expired_or_forged_token_joins_nothing(project: Any) -> None:
    expired = project.token("authenticated", str(uuid.uuid4()), seconds=-60)
    for token in (expired, expired[:-6] + "AAAAAA"):
        async with socket(project) as connection:
            assert (await join(connection, "x", {}, token))["status"] == "error"


async def test_a_token_that_runs_out_ends_its_channel(project: Any) -> None:
    token = project.token("authenticated", str(uuid.uuid4()), seconds=2)
    async with socket(project) as connection:
        assert (await join(connection, "x", {}, token))["status"] == "ok"
        message = (await received(connection, "system"))["payload"]
        assert message["status"] == "error"
        assert "expired" in message["message"]
        assert (await received(connection, "phx_close"))["topic"] == "realtime:x"


async def test_a_fresh_token_keeps_the_channel(project: Any) -> None:
    user = str(uuid.uuid4())
    async with socket(project) as connection:
        await join(connection, "x", {}, project.token("authenticated", user, seconds=2))
        fresh = {"access_token": project.token("authenticated", user)}
        message = {"topic": "realtime:x", "event": "access_token", "payload": fresh, "ref": "2"}
        await connection.send(json.dumps({**message, "join_ref": "1"}))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(received(connection, "phx_close"), 3)


async def test_both_spellings_of_the_protocol_are_understood(project: Any) -> None:
    async with socket(project, version="2.0.0") as connection:
        await connection.send(json.dumps([None, "1", "phoenix", "heartbeat", {}]))
        answer = json.loads(await asyncio.wait_for(connection.recv(), SOON))
        assert answer == [None, "1", "phoenix", "phx_reply", {"status": "ok", "response": {}}]


async def test_a_left_channel_is_silent(project: Any, person: Callable[[], Any]) -> None:
    changes = [{"event": "*", "schema": "public", "table": "image_processing_jobs"}]
    async with socket(project, key=project.secret_key) as connection:
        reply = await join(connection, "x", {"postgres_changes": changes})
        assert reply["response"]["postgres_changes"][0]["table"] == "image_processing_jobs"
        await received(connection, "system")
        message = {"topic": "realtime:x", "event": "phx_leave", "payload": {}, "ref": "2", "join_ref": "1"}
        await connection.send(json.dumps(message))
        await received(connection, "phx_close")
        await upload(person())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(received(connection, "postgres_changes"), QUIET)


async def test_a_table_that_is_not_published_is_told_so(project: Any) -> None:
    changes = [{"event": "*", "schema": "public", "table": "albums"}]
    async with socket(project, key=project.secret_key) as connection:
        await join(connection, "x", {"postgres_changes": changes})
        message = (await received(connection, "system"))["payload"]
        assert message["status"] == "error"
        assert "albums" in message["message"]


async def test_a_wrong_key_opens_no_socket(project: Any) -> None:
    with pytest.raises(websockets.exceptions.InvalidStatus):
        async with socket(project, key="sb_publishable_wrong"):
            pass
