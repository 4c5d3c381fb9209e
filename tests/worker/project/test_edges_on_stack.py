"""The edges against the embedded Supabase: each way of signing in, waking, and files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal
from uuid import UUID, uuid4

import psycopg
import pytest

from worker.core.errors import (
    AuthFailed,
    ForbiddenUrl,
    JobError,
    NotFound,
    PermissionDenied,
    StorageUnavailable,
)
from worker.files.storage import Files
from worker.local.stack import StackInfo, mint_token
from worker.project.caller import Caller
from worker.project.connection import Connection
from worker.project.realtime import RealtimeSupervisor, WakeMode
from worker.project.subscription import Pace
from worker.settings import Settings

pytestmark = pytest.mark.stack

Kind = Literal["service", "worker", "machine", "user"]
"""`machine` is an account that is a worker: its password signs it in, the hook gives it the worker's role."""
EVERYONE: list[Kind] = ["service", "worker", "machine", "user"]
JOB_TABLES = ("ai_processing_jobs", "image_processing_jobs", "video_transcoding_jobs")
ATTENTIVE = Pace(heartbeat=0.1)
A_SECOND = 1.05
"""Tokens issued within the same second are the same token."""
PICTURE = b"\xff\xd8\xff" + bytes(range(256)) * 300


@pytest.fixture
def ann(make_user: Callable[[], Any]) -> Any:
    return make_user()


@asynccontextmanager
async def connected(stack: StackInfo, kind: Kind, user: Any) -> AsyncIterator[Connection]:
    account = {
        "supabase_publishable_key": stack.publishable_key,
        "kizu_email": user.email,
        "kizu_password": user.password,
    }
    ways: dict[Kind, dict[str, Any]] = {
        "service": {"supabase_secret_key": stack.secret_key},
        "worker": {
            "supabase_publishable_key": stack.publishable_key,
            "kizu_worker_token": mint_token(stack, role="kizu_worker"),
        },
        "machine": account,
        "user": account,
    }
    if kind == "machine":
        async with connected(stack, "service", user) as service:
            await service.rpc("set_worker_account", {"p_email": user.email})
    settings = Settings(_env_file=None, supabase_url=stack.url, **ways[kind])  # type: ignore[call-arg]
    async with Connection(settings) as connection:
        yield connection


def add_photo(db: psycopg.Connection, user_id: str) -> None:
    """An upload, as the database sees it; a trigger adds the photo's jobs."""
    db.execute("insert into assets (user_id, path) values (%s, %s)", (user_id, f"{user_id}/{uuid4()}.jpg"))


async def claim(connection: Connection) -> Any:
    arguments = {"p_worker": "edge", "p_kinds": ["optimize_image"], "p_limit": 100, "p_lease_seconds": 60}
    return await connection.rpc("claim_jobs", {**arguments, "p_claim_id": uuid4()})


@pytest.mark.parametrize("kind", EVERYONE)
async def test_each_way_of_signing_in_may_claim(
    stack: StackInfo, db: psycopg.Connection, ann: Any, kind: Kind
) -> None:
    async with connected(stack, kind, ann) as connection:
        add_photo(db, ann.user_id)
        who: Literal["service", "worker", "user"] = "worker" if kind == "machine" else kind
        assert connection.caller == Caller(who, UUID(ann.user_id) if kind == "user" else None)
        answer = await claim(connection)
        assert ann.user_id in {job["user_id"] for job in answer["jobs"]}
        await connection.rpc("release_jobs", {"p_worker": "edge"})


async def test_wrong_password_and_expired_token_are_refused(stack: StackInfo, ann: Any) -> None:
    with pytest.raises(AuthFailed):
        async with connected(stack, "user", ann._replace(password="wrong")):
            pass
    settings = Settings(
        _env_file=None,
        supabase_url=stack.url,
        supabase_publishable_key=stack.publishable_key,
        kizu_worker_token=mint_token(stack, role="kizu_worker", ttl=-60),
    )  # type: ignore[call-arg]
    async with Connection(settings) as connection:
        with pytest.raises(AuthFailed):
            await claim(connection)


async def test_narrow_role_may_not_prune(stack: StackInfo, ann: Any) -> None:
    async with connected(stack, "worker", ann) as connection:
        with pytest.raises(PermissionDenied):
            await connection.rpc("prune_jobs", {"p_older_than": "1 day", "p_limit": 1})


async def test_account_can_be_renewed(stack: StackInfo, ann: Any) -> None:
    async with connected(stack, "user", ann) as connection:
        before = connection.token
        await asyncio.sleep(A_SECOND)
        assert await connection.renew_token(before)
        assert connection.token != before
        await claim(connection)


class Bell:
    def __init__(self) -> None:
        self.rings = 0

    def ring(self) -> None:
        self.rings += 1


@asynccontextmanager
async def listening(
    connection: Connection, ring: Callable[[], None], mode: WakeMode = "auto"
) -> AsyncIterator[RealtimeSupervisor]:
    supervisor = RealtimeSupervisor(connection, ring, JOB_TABLES, mode=mode, pace=ATTENTIVE)
    serving = asyncio.create_task(supervisor.serve())
    try:
        await until(lambda: supervisor.healthy)
        yield supervisor
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def until(holds: Callable[[], bool], seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what is waited for is state of another program
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("kind", EVERYONE)
async def test_new_photo_rings(stack: StackInfo, db: psycopg.Connection, ann: Any, kind: Kind) -> None:
    bell = Bell()
    async with connected(stack, kind, ann) as connection, listening(connection, bell.ring):
        before = bell.rings
        add_photo(db, ann.user_id)
        await until(lambda: bell.rings > before)


async def test_personal_worker_does_not_hear_of_other_users(
    stack: StackInfo, db: psycopg.Connection, ann: Any, make_user: Callable[[], Any]
) -> None:
    bell = Bell()
    async with connected(stack, "user", ann) as connection, listening(connection, bell.ring):
        before = bell.rings
        add_photo(db, make_user().user_id)
        await asyncio.sleep(0.5)
        assert bell.rings == before
        add_photo(db, ann.user_id)
        await until(lambda: bell.rings > before)


async def test_photo_added_between_joining_and_listening_is_found(
    stack: StackInfo, db: psycopg.Connection, ann: Any
) -> None:
    """Added the moment the channel is joined: whether or not it is reported, a later ring leads to it."""
    rings_after_insert = 0
    added = False

    def ring() -> None:
        nonlocal added, rings_after_insert
        if added:
            rings_after_insert += 1
        else:
            add_photo(db, ann.user_id)
            added = True

    async with connected(stack, "user", ann) as connection, listening(connection, ring):
        assert rings_after_insert >= 1
        assert len((await claim(connection))["jobs"]) == 1


async def test_renewed_token_keeps_the_subscription(
    stack: StackInfo, db: psycopg.Connection, ann: Any
) -> None:
    bell = Bell()
    async with connected(stack, "user", ann) as connection, listening(connection, bell.ring) as supervisor:
        await asyncio.sleep(A_SECOND)
        await connection.renew_token(connection.token)
        await asyncio.sleep(3 * ATTENTIVE.heartbeat)
        before = bell.rings
        add_photo(db, ann.user_id)
        await until(lambda: bell.rings > before)
        assert supervisor.healthy


@asynccontextmanager
async def files_of(connection: Connection) -> AsyncIterator[Files]:
    async with Files(connection, max_bytes=1_000_000, fetch_timeout=20) as files:
        yield files


@pytest.mark.parametrize("kind", EVERYONE)
async def test_results_can_be_written_read_replaced_and_removed(
    stack: StackInfo, ann: Any, kind: Kind
) -> None:
    user = UUID(ann.user_id)
    key = f"{user}/processed/{uuid4()}/a photo.jpg"
    async with connected(stack, kind, ann) as connection, files_of(connection) as files:
        before = connection.requests
        for content in (b"first", PICTURE):
            stored = await files.upload("assets", key, content, "image/jpeg")
            assert stored.bytes == len(content)
        assert connection.requests - before == 2
        for source in (key, f"{stack.url}/storage/v1/object/public/assets/{key.replace(' ', '%20')}"):
            with await files.fetch(source, user) as file:
                assert file.read() == PICTURE
        assert connection.requests - before == 4
        await files.remove("assets", [key])
        with pytest.raises(NotFound):
            await files.fetch(key, user)


async def test_owner_reads_the_type_a_worker_wrote(stack: StackInfo, ann: Any) -> None:
    key = f"{ann.user_id}/processed/{uuid4()}/web.jpg"
    async with connected(stack, "worker", ann) as connection, files_of(connection) as files:
        await files.upload("assets", key, PICTURE, "image/jpeg")
    async with connected(stack, "user", ann) as connection:
        response = await connection.request("GET", f"/storage/v1/object/authenticated/assets/{key}")
        assert response.content == PICTURE
        assert response.headers["content-type"] == "image/jpeg"


async def test_personal_worker_reaches_no_other_users_files(
    stack: StackInfo, ann: Any, make_user: Callable[[], Any]
) -> None:
    ben = make_user()
    key = f"{ben.user_id}/processed/{uuid4()}/a.jpg"
    async with connected(stack, "service", ann) as connection, files_of(connection) as files:
        await files.upload("assets", key, PICTURE, "image/jpeg")
    async with connected(stack, "user", ann) as connection, files_of(connection) as files:
        with pytest.raises(ForbiddenUrl):
            await files.fetch(key, UUID(ann.user_id))
        with pytest.raises(NotFound):  # and if a job row lied about its user, row policies still hold
            await files.fetch(key, UUID(ben.user_id))
        with pytest.raises(JobError):
            await files.upload("assets", key, b"mine now", "image/jpeg")


async def test_narrow_role_overwrites_no_original(stack: StackInfo, ann: Any) -> None:
    key = f"{ann.user_id}/original.jpg"
    async with connected(stack, "user", ann) as connection, files_of(connection) as files:
        await files.upload("assets", key, PICTURE, "image/jpeg")
    async with connected(stack, "worker", ann) as connection, files_of(connection) as files:
        with pytest.raises(StorageUnavailable):
            await files.upload("assets", key, b"vandalised", "image/jpeg")
        await files.remove("assets", [key])
        with await files.fetch(key, UUID(ann.user_id)) as file:
            assert file.read() == PICTURE


async def test_file_that_is_not_there_is_not_found(stack: StackInfo, ann: Any) -> None:
    async with connected(stack, "user", ann) as connection, files_of(connection) as files:
        with pytest.raises(NotFound):
            await files.fetch(f"{ann.user_id}/nothing.jpg", UUID(ann.user_id))
        with pytest.raises(StorageUnavailable):
            await files.upload("no-such-bucket", f"{ann.user_id}/a.jpg", b"x", "image/jpeg")
