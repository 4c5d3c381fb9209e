"""A real HTTP server on a free port of loopback that does what a test scripts, byte for byte if need be."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return unquote(self.target.partition("?")[0])

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Reply:
    """Writes the answer to one request; the connection stays open afterwards unless told otherwise."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.is_over = False

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def send(self, status: int, body: bytes | str = b"", **headers: str) -> None:
        body = body.encode() if isinstance(body, str) else body
        lines = [f"HTTP/1.1 {status} Scripted"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        lines.append(f"Content-Length: {len(body)}")
        await self.raw("\r\n".join([*lines, "", ""]).encode() + body)

    async def json(self, status: int, value: Any) -> None:
        await self.send(status, json.dumps(value), Content_Type="application/json")

    def hang_up(self) -> None:
        """End the connection without a (further) word."""
        self.is_over = True
        self.writer.transport.abort()


Script: TypeAlias = Callable[[Request, Reply], Awaitable[None]]


@dataclass(slots=True)
class Server:
    port: int
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def serving(script: Script, port: int = 0) -> AsyncIterator[Server]:
    """Serve until the block ends; every open connection is cut then."""
    open_connections: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_connections.add(task)
        try:
            while (request := await _read(reader)) is not None:
                running.requests.append(request)
                reply = Reply(writer)
                await script(request, reply)
                if reply.is_over:
                    return
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            open_connections.discard(task)

    server = await asyncio.start_server(converse, "127.0.0.1", port)
    running = Server(server.sockets[0].getsockname()[1])
    try:
        yield running
    finally:
        server.close()
        for connection in list(open_connections):
            connection.cancel()
        await asyncio.gather(*open_connections, return_exceptions=True)
        await server.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    method, target, _ = head[0].split(" ")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, target, headers, body)
