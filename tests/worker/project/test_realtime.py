"""Realtime is a hint that must never stay silent for good: every way it can break, and its return."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import CoroutineType
from uuid import uuid4

import pytest
from websockets.utils import accept_key

from tests.worker.project.phoenix import Phoenix, phoenix
from worker.project.caller import Caller
from worker.project.realtime import Patience, RealtimeSupervisor, WakeMode, mode_of
from worker.project.subscription import Pace

JOB_TABLES = ("ai_processing_jobs", "image_processing_jobs", "video_transcoding_jobs")
QUICK = Pace(heartbeat=0.1, silence=0.8, join=1, goodbye=0.3)
SOON = Patience(first=0.05, longest=0.1, stable=30)


@dataclass
class Badge:
    """Credentials that change when they are renewed, as an account's do."""

    url: str
    api_key: str = "sb_publishable_test"
    token: str = "token-1"
    caller: Caller = field(default_factory=lambda: Caller("user", uuid4()))
    renewed: int = 0

    async def ensure_fresh_token(self) -> None:
        pass

    async def renew_token(self, stale: str) -> bool:
        if stale == self.token:
            self.renewed += 1
            self.token = f"token-{self.renewed + 1}"
        return True


@dataclass
class Bell:
    rings: int = 0

    def ring(self) -> None:
        self.rings += 1


@dataclass
class Listening:
    """A supervisor at work against a scripted server."""

    server: Phoenix
    badge: Badge
    bell: Bell
    supervisor: RealtimeSupervisor

    async def healthy(self) -> None:
        await until(lambda: self.supervisor.healthy)


@asynccontextmanager
async def listening(
    mode: WakeMode = "postgres_changes", pace: Pace = QUICK, patience: Patience = SOON, **script: object
) -> AsyncIterator[Listening]:
    async with phoenix() as server:
        for name, value in script.items():
            setattr(server, name, value)
        badge, bell = Badge(server.url), Bell()
        supervisor = RealtimeSupervisor(badge, bell.ring, JOB_TABLES, mode=mode, pace=pace, patience=patience)
        async with served(supervisor):
            yield Listening(server, badge, bell, supervisor)


@asynccontextmanager
async def served(supervisor: RealtimeSupervisor) -> AsyncIterator[None]:
    """Serve, and see that nothing at all is left behind."""
    before = asyncio.all_tasks()
    task = asyncio.create_task(supervisor.serve())
    try:
        yield
        assert not task.done(), "serve never ends by itself"
    finally:
        began = time.monotonic()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert time.monotonic() - began < 2
        await asyncio.sleep(0.01)
        assert not [task for task in asyncio.all_tasks() - before if "/realtime/" in _file_of(task)]


def _file_of(task: asyncio.Task[object]) -> str:
    coroutine = task.get_coro()
    return coroutine.cr_code.co_filename if isinstance(coroutine, CoroutineType) else ""


async def until(holds: Callable[[], bool], seconds: float = 8) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what is waited for is state of another program
            await asyncio.sleep(0.01)


async def test_insert_into_any_job_table_rings() -> None:
    async with listening() as it:
        await it.healthy()
        for table in JOB_TABLES:
            before = it.bell.rings
            await it.server.insert(table)
            await until(lambda before=before: it.bell.rings == before + 1)


async def test_rings_when_joined_and_again_when_postgres_is_listened_to() -> None:
    async with listening(announces_postgres=True) as it:
        await it.healthy()
        assert it.bell.rings == 2


async def test_is_not_healthy_before_postgres_is_listened_to() -> None:
    """Rows written in this gap are reported by nobody; the poll stays fast and the second ring finds them."""
    async with phoenix() as server:
        server.listening.clear()
        bell = Bell()
        supervisor = RealtimeSupervisor(
            Badge(server.url),
            bell.ring,
            JOB_TABLES,
            mode="postgres_changes",
            pace=Pace(heartbeat=5),
            patience=SOON,
        )
        async with served(supervisor):
            await until(lambda: bell.rings == 1)
            await server.insert(JOB_TABLES[0])
            await asyncio.sleep(0.1)
            assert (bell.rings, supervisor.healthy) == (1, False)
            server.listening.set()
            await until(lambda: supervisor.healthy)
            assert bell.rings == 2


async def test_broadcast_joins_the_private_topic_and_rings_on_wake_only() -> None:
    async with listening(mode="broadcast") as it:
        await it.healthy()
        join = it.server.joins[0]
        assert join["topic"] == "realtime:kizu:jobs"
        assert join["payload"]["config"]["private"] is True
        before = it.bell.rings
        await it.server.broadcast("gossip")
        await it.server.broadcast("wake")
        await until(lambda: it.bell.rings > before)
        assert it.bell.rings == before + 1


async def test_joins_with_key_and_token() -> None:
    async with listening() as it:
        await it.healthy()
        assert it.server.api_keys == ["sb_publishable_test"]
        assert it.server.joins[0]["payload"]["access_token"] == "token-1"


async def test_new_token_is_told_to_the_server() -> None:
    async with listening() as it:
        await it.healthy()
        it.badge.token = "token-fresh"
        await until(lambda: it.server.tokens[-1:] == ["token-fresh"])
        assert len(it.server.joins) == 1


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012])
async def test_server_that_closes_is_subscribed_to_again(code: int) -> None:
    async with listening() as it:
        await it.healthy()
        before = it.bell.rings
        await it.server.close(code)
        await until(lambda: len(it.server.joins) == 2)
        await it.healthy()
        assert it.bell.rings >= before + 2, "what came while it was deaf must be looked for"


async def test_cut_connection_is_replaced() -> None:
    async with listening() as it:
        await it.healthy()
        it.server.cut()
        await until(lambda: len(it.server.joins) == 2)
        await it.healthy()


async def test_half_open_socket_is_noticed_and_replaced() -> None:
    async with listening() as it:
        await it.healthy()
        it.server.replies_to_heartbeats = False
        await until(lambda: len(it.server.joins) == 2)
        it.server.replies_to_heartbeats = True
        await it.healthy()


async def test_quiet_but_living_socket_is_kept() -> None:
    async with listening() as it:
        await it.healthy()
        await asyncio.sleep(2 * QUICK.silence)
        assert it.supervisor.healthy
        assert (len(it.server.joins), it.server.heartbeats > 5) == (1, True)


async def test_expired_token_is_renewed_before_the_next_try() -> None:
    async with listening() as it:
        await it.healthy()
        await it.server.fail_channel("Token has expired 296 seconds ago")
        await until(lambda: len(it.server.joins) == 2)
        await it.healthy()
        assert it.badge.renewed == 1
        assert it.server.joins[1]["payload"]["access_token"] == "token-2"


async def test_channel_error_without_a_token_in_it_renews_nothing() -> None:
    async with listening() as it:
        await it.healthy()
        await it.server.fail_channel("Realtime was unable to connect to the project database")
        await until(lambda: len(it.server.joins) == 2)
        assert it.badge.renewed == 0


async def test_refused_join_is_tried_again_for_ever() -> None:
    async with listening(refuse_join="ClientJoinRateLimitReached: too many") as it:
        await until(lambda: len(it.server.joins) >= 8)
        assert not it.supervisor.healthy
        it.server.refuse_join = ""
        await it.healthy()


@pytest.mark.parametrize(
    "said", ["[]", "null", '"text"', "7", "{", "[" * 100_000, '{"event": "system", "payload": "text"}']
)
async def test_odd_message_ends_a_subscription_at_most(said: str) -> None:
    async with listening() as it:
        await it.healthy()
        joins = len(it.server.joins)
        for socket in list(it.server._sockets):
            await socket.send(said)
        await until(lambda: len(it.server.joins) > joins)
        await it.healthy()


async def test_outage_longer_than_the_librarys_patience_is_survived() -> None:
    """The library tries five times; here some thirty fail before the server is back."""
    async with listening() as it:
        await it.healthy()
        port = it.server.port
        await it.server.stop()
        await until(lambda: not it.supervisor.healthy)
        await asyncio.sleep(30 * SOON.longest / 2)
        assert it.server.port == port
        await it.server.start()
        await it.healthy()


async def test_server_that_never_answers_the_join_is_left() -> None:
    """A join without an answer ends after `pace.join`, and the next is made."""

    async with phoenix() as server:
        server._reply = _silence  # type: ignore[method-assign]  # the script "say nothing"
        supervisor = RealtimeSupervisor(
            Badge(server.url), Bell().ring, JOB_TABLES, mode="postgres_changes", pace=QUICK, patience=SOON
        )
        async with served(supervisor):
            await until(lambda: len(server.joins) >= 2)


@pytest.mark.parametrize("moment", [0.2, 1.25], ids=["while joining", "while saying goodbye"])
async def test_stops_within_two_seconds_although_the_peer_is_frozen(moment: float) -> None:
    """The peer's TCP accepts and never says another word, so the closing handshake cannot end."""

    async def freeze(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(_upgrade(head))
        try:
            await asyncio.sleep(60)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(freeze, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    slow = Pace(heartbeat=5, silence=60, join=1, goodbye=0.5)
    supervisor = RealtimeSupervisor(
        Badge(f"http://127.0.0.1:{port}"), Bell().ring, JOB_TABLES, mode="postgres_changes", pace=slow
    )
    conversations = asyncio.all_tasks()
    async with served(supervisor):
        await asyncio.sleep(moment)
    server.close()
    for task in asyncio.all_tasks() - conversations:
        task.cancel()
    await asyncio.sleep(0.01)


async def test_secrets_stay_out_of_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    async with listening(refuse_join="no luck with sb_publishable_test and token-1") as it:
        await until(lambda: len(it.server.joins) >= 2)
    assert "no luck" in (said := capsys.readouterr().out)
    assert "sb_publishable_test" not in said
    assert "token-1" not in said


async def test_off_listens_to_nothing_and_stays() -> None:
    async with listening(mode="off") as it:
        await asyncio.sleep(0.1)
        assert not it.supervisor.healthy
        assert it.server.api_keys == []


@pytest.mark.parametrize(
    ("wake", "kind", "mode"),
    [
        ("auto", "service", "postgres_changes"),
        ("auto", "user", "postgres_changes"),
        ("auto", "worker", "broadcast"),
        ("broadcast", "service", "broadcast"),
        ("postgres_changes", "worker", "postgres_changes"),
        ("off", "service", None),
    ],
)
def test_mode_follows_the_setting_then_the_identity(wake: WakeMode, kind: str, mode: str | None) -> None:
    assert mode_of(wake, Caller(kind)) == mode  # type: ignore[arg-type]


def test_delay_doubles_up_to_its_limit() -> None:
    patience = Patience(first=1, longest=60)
    assert [patience.delay(n, jitter=1.0) for n in (0, 1, 2, 5, 6, 10_000)] == [1, 2, 4, 32, 60, 60]
    assert patience.delay(6, jitter=0.5) == 30


async def _silence(*_: object) -> None:
    pass


def _upgrade(head: bytes) -> bytes:
    key = next(
        line.split(":", 1)[1].strip()
        for line in head.decode().split("\r\n")
        if line.lower().startswith("sec-websocket-key")
    )
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n"
    ).encode()
