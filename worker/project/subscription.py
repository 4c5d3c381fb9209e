"""One try at Realtime: one socket and one Phoenix channel, until something is wrong with them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from urllib.parse import urlencode

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

log = structlog.get_logger(__name__)

Mode: TypeAlias = Literal["postgres_changes", "broadcast"]

WAKE_TOPIC = "kizu:jobs"
WAKE_EVENT = "wake"
POSTGRES_IS_LISTENED_TO = "Subscribed to PostgreSQL"
JOIN, HEARTBEAT = "1", "2"
"""The `ref`s of the two messages whose replies matter."""


class SubscriptionLost(Exception):
    """The subscription is of no use any more; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds. The service wants a heartbeat every 25 s; tests compress all of them."""

    heartbeat: float = 20.0
    silence: float = 60.0
    """Without a heartbeat reply for this long the socket is half open: it delivers nothing, silently."""
    join: float = 10.0
    goodbye: float = 1.0
    """For the closing handshake; then the socket is cut."""


class Subscription:
    """Rings on everything that may mean work: the payload of an event is ignored, the table is the truth.

    `is_healthy` says that from now on every insert rings. For postgres_changes that is not yet so when the
    channel is joined: rows written until the server says "Subscribed to PostgreSQL" are reported by nobody,
    which is why both moments ring.
    """

    def __init__(
        self,
        *,
        url: str,
        api_key: str,
        token: Callable[[], str],
        mode: Mode,
        tables: Sequence[str],
        ring: Callable[[], None],
        pace: Pace,
    ) -> None:
        self.is_healthy = False
        self._url = f"ws{url.removeprefix('http')}/websocket?{urlencode({'apikey': api_key, 'vsn': '1.0.0'})}"
        self._token = token
        self._mode = mode
        self._tables = tables
        self._ring = ring
        self._pace = pace
        self._topic = f"realtime:{WAKE_TOPIC if mode == 'broadcast' else 'kizu-worker'}"
        self._joined = asyncio.Event()
        self._replied_at = time.monotonic()

    async def last(self) -> None:
        """Subscribe, and stay until the subscription is lost.

        Raises:
            SubscriptionLost: always, unless cancelled; whatever was opened is closed again.
        """
        try:
            # No pings of its own: they are answered by a proxy, while the channel behind it may be gone.
            socket = await connect(
                self._url,
                open_timeout=self._pace.join,
                close_timeout=self._pace.goodbye,
                ping_interval=None,
            )
            try:
                await self._live(socket)
            finally:
                self.is_healthy = False
                closing = asyncio.create_task(_close(socket, self._pace.goodbye))
                try:
                    await asyncio.shield(closing)
                finally:
                    await closing  # also when we are stopped in the middle of it
        except (OSError, TimeoutError, WebSocketException, ValueError, RecursionError) as error:
            raise SubscriptionLost(f"{type(error).__name__}: {error}") from error

    async def _live(self, socket: ClientConnection) -> None:
        """Join, then listen and send heartbeats until one of the two ends."""
        token = self._token()
        await self._send(socket, self._topic, "phx_join", {**self._config(), "access_token": token}, JOIN)
        tasks = {
            asyncio.create_task(self._listen(socket)),
            asyncio.create_task(self._keep_alive(socket, token)),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _config(self) -> dict[str, Any]:
        changes = [{"event": "INSERT", "schema": "public", "table": table} for table in self._tables]
        return {
            "config": {
                "broadcast": {"ack": False, "self": False},
                "presence": {"key": "", "enabled": False},
                "postgres_changes": [] if self._mode == "broadcast" else changes,
                "private": self._mode == "broadcast",
            }
        }

    async def _listen(self, socket: ClientConnection) -> None:
        async for text in socket:
            message = json.loads(text)
            if not isinstance(message, dict):
                raise SubscriptionLost("something else than Realtime answers")
            payload = message.get("payload")
            payload = payload if isinstance(payload, dict) else {}
            match message.get("event"):
                case "phx_reply" if message.get("ref") == HEARTBEAT:
                    self._replied_at = time.monotonic()
                case "phx_reply" if message.get("ref") == JOIN:
                    self._on_join(payload)
                case "postgres_changes":
                    self._ring()
                case "broadcast" if payload.get("event") == WAKE_EVENT:
                    self._ring()
                case "system":
                    self._on_system(payload)
                case "phx_close" | "phx_error":
                    raise SubscriptionLost(f"the channel was closed: {json.dumps(payload)}")
        raise SubscriptionLost("the server closed the connection")

    def _on_join(self, payload: Any) -> None:
        if payload.get("status") != "ok":
            raise SubscriptionLost(f"the join was refused: {json.dumps(payload.get('response'))}")
        self._joined.set()
        if self._mode == "broadcast":
            self._become_healthy()
        self._ring()

    def _on_system(self, payload: Any) -> None:
        said = str(payload.get("message"))
        if payload.get("status") != "ok":
            raise SubscriptionLost(said)
        if POSTGRES_IS_LISTENED_TO in said:
            self._become_healthy()
            self._ring()

    def _become_healthy(self) -> None:
        self.is_healthy = True
        log.info("realtime subscribed", mode=self._mode)

    async def _keep_alive(self, socket: ClientConnection, sent_token: str) -> None:
        """Send heartbeats, and the token whenever it is a new one."""
        async with asyncio.timeout(self._pace.join):
            await self._joined.wait()
        self._replied_at = time.monotonic()
        while True:
            await asyncio.sleep(self._pace.heartbeat)
            if time.monotonic() - self._replied_at >= self._pace.silence:
                raise SubscriptionLost(f"no heartbeat reply for {self._pace.silence:g} s")
            if (token := self._token()) != sent_token:
                sent_token = token
                await self._send(socket, self._topic, "access_token", {"access_token": token})
            await self._send(socket, "phoenix", "heartbeat", {}, HEARTBEAT)

    async def _send(
        self, socket: ClientConnection, topic: str, event: str, payload: Any, ref: str | None = None
    ) -> None:
        message = {"topic": topic, "event": event, "payload": payload, "ref": ref, "join_ref": JOIN}
        async with asyncio.timeout(self._pace.silence):  # a full socket buffer would hold us for ever
            await socket.send(json.dumps(message))


async def _close(socket: ClientConnection, goodbye: float) -> None:
    """Close politely within `goodbye` seconds, else cut the connection."""
    closing = asyncio.create_task(socket.close())
    await asyncio.wait({closing}, timeout=goodbye)
    socket.transport.abort()
    with suppress(WebSocketException, OSError):
        await closing
