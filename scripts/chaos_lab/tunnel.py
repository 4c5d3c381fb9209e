"""One Realtime connection through the chaos gateway, and the ways in which it ends or goes silent."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from enum import StrEnum
from typing import Any

from scripts.chaos_lab.wire import TEXT, Head, head_bytes, read_frame, text_frame

CHUNK = 65536


class SocketFate(StrEnum):
    """What becomes of a Realtime connection some time after it was opened."""

    CLOSED = "closed"
    HALF_OPEN = "half open"
    EXPIRED = "expired"


class Tunnel:
    """Bytes in both directions; `fate` comes after `after` seconds."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        fate: SocketFate,
        after: float,
    ) -> None:
        self._client = reader, writer
        self._fate = fate
        self._after = after
        self._silent = False
        self._topic = ""
        self._is_array = True
        self.suffered = False
        """Whether the fate came before the end."""

    async def carry(self, head: Head, host: str, port: int) -> None:
        """Until the connection is gone; raises OSError when there is no server."""
        upstream, server = await asyncio.open_connection(host, port)
        # Without extensions frames are plain text, so that one can be put between two others.
        headers = [*head.without("host", "sec-websocket-extensions"), ("host", f"{host}:{port}")]
        server.write(head_bytes(head.line, headers))
        tasks = [
            asyncio.create_task(self._up(server)),
            asyncio.create_task(self._down(upstream)),
            asyncio.create_task(self._suffer()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            server.transport.abort()
            self._client[1].transport.abort()

    async def _up(self, server: asyncio.StreamWriter) -> None:
        while chunk := await self._client[0].read(CHUNK):
            if not self._silent:
                server.write(chunk)
                await server.drain()

    async def _down(self, upstream: asyncio.StreamReader) -> None:
        self._client[1].write(await upstream.readuntil(b"\r\n\r\n"))
        while True:
            frame, opcode, payload = await read_frame(upstream)
            if self._silent:
                continue
            if opcode == TEXT:
                self._notice(payload)
            self._client[1].write(frame)
            await self._client[1].drain()

    async def _suffer(self) -> None:
        """Returns to end the connection; otherwise stays."""
        await asyncio.sleep(self._after)
        self.suffered = True
        match self._fate:
            case SocketFate.CLOSED:
                return
            case SocketFate.HALF_OPEN:
                self._silent = True
            case SocketFate.EXPIRED if self._topic:
                self._silent = True  # the service forgets the channel
                error = {
                    "status": "error",
                    "channel": self._topic.removeprefix("realtime:"),
                    "extension": "system",
                    "message": "Token has expired 296 seconds ago",
                }
                with suppress(ConnectionError):
                    self._say("system", error)
                    self._say("phx_close", {})
                    await self._client[1].drain()
        await asyncio.Event().wait()

    def _notice(self, payload: bytes) -> None:
        """Remember the channel's topic from the server's own messages, and how it spells them."""
        message = json.loads(payload)
        self._is_array = isinstance(message, list)
        topic = message[2] if self._is_array else message["topic"]
        if topic.startswith("realtime:"):
            self._topic = topic

    def _say(self, event: str, payload: dict[str, Any]) -> None:
        message = (
            [None, None, self._topic, event, payload]
            if self._is_array
            else {"topic": self._topic, "event": event, "payload": payload, "ref": None}
        )
        self._client[1].write(text_frame(json.dumps(message)))
