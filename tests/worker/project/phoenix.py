"""A Phoenix server on loopback that speaks enough of Realtime's protocol, and misbehaves when told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

TOPIC_PREFIX = "realtime:"


@dataclass
class Phoenix:
    """What the server does next, and what it has seen. Every field may be changed while it runs."""

    refuse_join: str = ""
    """Answer joins with this reason."""
    announces_postgres: bool = True
    replies_to_heartbeats: bool = True
    answers_close: bool = True
    listening: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared: "Subscribed to PostgreSQL" waits until it is set."""

    port: int = 0
    joins: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    """Those sent after joining."""
    api_keys: list[str] = field(default_factory=list)
    heartbeats: int = 0
    _sockets: list[ServerConnection] = field(default_factory=list)
    _topics: dict[ServerConnection, str] = field(default_factory=dict)
    _changes: dict[ServerConnection, list[dict[str, Any]]] = field(default_factory=dict)
    _server: Server | None = None

    def __post_init__(self) -> None:
        self.listening.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def joined(self) -> int:
        """Sockets that have a channel right now."""
        return len(self._topics)

    async def start(self) -> None:
        self._server = await serve(
            self._converse, "127.0.0.1", self.port, ping_interval=None, close_timeout=0.2
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        """An outage: every socket is cut and nobody listens on the port any more."""
        assert self._server is not None
        self.cut()
        self._server.close(close_connections=False)
        await self._server.wait_closed()

    def cut(self) -> None:
        """End every TCP connection without a word."""
        for socket in self._sockets:
            socket.transport.abort()

    async def close(self, code: int) -> None:
        """Close every socket politely."""
        for socket in list(self._sockets):
            await socket.close(code)

    async def insert(self, table: str) -> None:
        """Tell everyone who listens to `table` about a new row."""
        for socket, changes in list(self._changes.items()):
            ids = [change["id"] for change in changes if change["table"] == table]
            data = {
                "schema": "public",
                "table": table,
                "type": "INSERT",
                "commit_timestamp": "2026-11-20T11:03:43.341Z",
                "columns": [{"name": "id", "type": "uuid"}],
                "record": {"id": "00000000-0000-0000-0000-000000000000"},
                "errors": None,
            }
            if ids:
                await self._tell(socket, self._topics[socket], "postgres_changes", {"ids": ids, "data": data})

    async def broadcast(self, event: str) -> None:
        for socket, topic in list(self._topics.items()):
            payload = {"type": "broadcast", "event": event, "payload": {}}
            await self._tell(socket, topic, "broadcast", payload)

    async def fail_channel(self, message: str) -> None:
        """What the service does when a token expires: a system error, then phx_close."""
        for socket, topic in list(self._topics.items()):
            error = {"status": "error", "channel": topic, "extension": "system", "message": message}
            await self._tell(socket, topic, "system", error)
            await self._tell(socket, topic, "phx_close", {})
            self._forget(socket)

    async def _converse(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.api_keys += parse_qs(urlsplit(socket.request.path).query).get("apikey", [])
        self._sockets.append(socket)
        try:
            async for text in socket:
                message = json.loads(text)
                await self._hear(socket, message)
        except ConnectionClosed:
            pass
        finally:
            self._sockets.remove(socket)
            self._forget(socket)

    async def _hear(self, socket: ServerConnection, message: dict[str, Any]) -> None:
        match message["event"]:
            case "heartbeat":
                self.heartbeats += 1
                if self.replies_to_heartbeats:
                    await self._reply(socket, message, "ok", {})
            case "access_token":
                self.tokens.append(message["payload"]["access_token"])
            case "phx_join":
                await self._join(socket, message)

    async def _join(self, socket: ServerConnection, message: dict[str, Any]) -> None:
        self.joins.append(message)
        if self.refuse_join:
            await self._reply(socket, message, "error", {"reason": self.refuse_join})
            return
        wanted = message["payload"]["config"]["postgres_changes"]
        changes = [{"id": number, **change} for number, change in enumerate(wanted, 1)]
        self._topics[socket] = message["topic"]
        await self._reply(socket, message, "ok", {"postgres_changes": changes})
        if not wanted or not self.announces_postgres:
            return
        await self.listening.wait()
        self._changes[socket] = changes
        payload = {
            "status": "ok",
            "channel": message["topic"].removeprefix(TOPIC_PREFIX),
            "extension": "postgres_changes",
            "message": "Subscribed to PostgreSQL",
        }
        await self._tell(socket, message["topic"], "system", payload)

    async def _reply(self, socket: ServerConnection, to: dict[str, Any], status: str, response: Any) -> None:
        payload = {"status": status, "response": response}
        await self._tell(socket, to["topic"], "phx_reply", payload, ref=to["ref"])

    async def _tell(
        self, socket: ServerConnection, topic: str, event: str, payload: Any, ref: str | None = None
    ) -> None:
        await socket.send(json.dumps({"topic": topic, "event": event, "payload": payload, "ref": ref}))

    def _forget(self, socket: ServerConnection) -> None:
        self._topics.pop(socket, None)
        self._changes.pop(socket, None)


@asynccontextmanager
async def phoenix() -> AsyncIterator[Phoenix]:
    server = Phoenix()
    await server.start()
    try:
        yield server
    finally:
        server.listening.set()
        await server.stop()
