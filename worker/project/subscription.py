"""One try at Realtime: one client, one channel, from the handshake until something is wrong with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import structlog
from realtime import AsyncRealtimeChannel, AsyncRealtimeClient, RealtimeSubscribeStates
from realtime.message import Message, ServerMessage
from realtime.types import PHOENIX_CHANNEL, RealtimePostgresChangesListenEvent

log = structlog.get_logger(__name__)

Mode: TypeAlias = Literal["postgres_changes", "broadcast"]

WAKE_TOPIC = "kizu:jobs"
WAKE_EVENT = "wake"
POSTGRES_IS_LISTENED_TO = "Subscribed to PostgreSQL"
NEVER = 10**6
"""Seconds: puts the library's own heartbeat to sleep, whose replies nobody can hear."""


class SubscriptionLost(Exception):
    """The subscription is of no use any more; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds. The service wants a heartbeat every 25 s; tests compress all of them."""

    heartbeat: float = 20.0
    silence: float = 60.0
    """Without a heartbeat reply for this long the socket is half open: it delivers nothing, silently."""
    join: int = 10
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
        self._token = token
        self._mode = mode
        self._tables = tables
        self._ring = ring
        self._pace = pace
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        # One connection and no second try: whoever reconnects must also know about tokens and backoff.
        self._client = AsyncRealtimeClient(
            url, token=api_key, auto_reconnect=False, max_retries=1, hb_interval=NEVER, timeout=pace.join
        )
        self._pulse = _Pulse(self._client)
        self._client.channels[PHOENIX_CHANNEL] = self._pulse
        self._channel = self._make_channel()

    async def last(self) -> None:
        """Subscribe, and stay until the subscription is lost.

        Raises:
            SubscriptionLost: always, unless cancelled; whatever was opened is closed again.
        """
        try:
            sent_token = self._token()
            await self._client.set_auth(sent_token)
            await self._channel.subscribe(self._on_state)
            await self._watch(sent_token)
        except SubscriptionLost:
            raise
        except Exception as error:  # the library raises whatever its socket raised, or a bare Exception
            raise SubscriptionLost(f"{type(error).__name__}: {error}") from error
        finally:
            self.is_healthy = False
            disposing = asyncio.create_task(_dispose(self._client, self._channel, self._pace.goodbye))
            try:
                await asyncio.shield(disposing)
            finally:
                await disposing  # also when we are stopped in the middle of it

    def _make_channel(self) -> AsyncRealtimeChannel:
        is_broadcast = self._mode == "broadcast"
        channel = self._client.channel(
            WAKE_TOPIC if is_broadcast else "kizu-worker",
            {
                "config": {
                    "broadcast": {"ack": False, "self": False},
                    "presence": {"key": "", "enabled": False},
                    "private": is_broadcast,
                }
            },
        )
        if is_broadcast:
            return channel.on_broadcast(WAKE_EVENT, self._on_event)
        for table in self._tables:
            channel.on_postgres_changes(
                RealtimePostgresChangesListenEvent.Insert, self._on_event, table=table, schema="public"
            )
        return channel.on_system(self._on_system)

    def _on_event(self, payload: Any) -> None:
        self._ring()

    def _on_system(self, payload: Any) -> None:
        if POSTGRES_IS_LISTENED_TO in payload.message:
            self._become_healthy()
            self._ring()

    def _on_state(self, state: RealtimeSubscribeStates, error: Exception | None) -> None:
        if state == RealtimeSubscribeStates.SUBSCRIBED:
            if self._mode == "broadcast":
                self._become_healthy()
            self._ring()
            return
        self.is_healthy = False
        if not self._lost.done():
            self._lost.set_result(f"{state.value}: {error}" if error else state.value)

    def _become_healthy(self) -> None:
        self.is_healthy = True
        log.info("realtime subscribed", mode=self._mode)

    async def _watch(self, sent_token: str) -> None:
        while True:
            await asyncio.wait({self._lost}, timeout=self._pace.heartbeat)
            if self._lost.done():
                raise SubscriptionLost(self._lost.result())
            if self._pulse.age >= self._pace.silence:
                raise SubscriptionLost(f"no heartbeat reply for {self._pace.silence:g} s")
            async with asyncio.timeout(self._pace.silence):  # a full socket buffer would hold us for ever
                if (token := self._token()) != sent_token:
                    sent_token = token
                    await self._client.set_auth(token)
                await self._pulse.beat()


class _Pulse(AsyncRealtimeChannel):
    """Listens where heartbeat replies arrive, a topic the library has no ear for."""

    def __init__(self, client: AsyncRealtimeClient) -> None:
        super().__init__(client, PHOENIX_CHANNEL)
        self._last_reply = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since the server last replied."""
        return time.monotonic() - self._last_reply

    async def beat(self) -> None:
        await self.socket.send(Message(topic=PHOENIX_CHANNEL, event="heartbeat", payload={}, ref="pulse"))

    def _handle_message(self, message: ServerMessage) -> None:
        self._last_reply = time.monotonic()


async def _dispose(client: AsyncRealtimeClient, channel: AsyncRealtimeChannel, goodbye: float) -> None:
    """Close the socket within `goodbye` seconds, then stop every timer the library would leave running."""
    socket = client._ws_connection  # close() forgets it, and would wait ten seconds for a half-open peer
    closing = asyncio.create_task(client.close())
    await asyncio.wait({closing}, timeout=goodbye)
    if socket is not None:
        socket.transport.abort()
    await closing
    # Only now: what arrived during the goodbye may have started them.
    channel.rejoin_timer.reset()
    channel.join_push.destroy()
    for push in channel.messages_waiting_for_ack.values():
        push.destroy()
