"""As much of HTTP/1.1 and of WebSocket frames as a proxy between our own client and server must read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

TEXT = 0x1


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The first line and the headers of a request, names in lower case."""

    line: str
    headers: Sequence[tuple[str, str]]

    @property
    def method(self) -> str:
        return self.line.split(" ")[0]

    @property
    def target(self) -> str:
        """Path and query."""
        return self.line.split(" ")[1]

    def get(self, name: str) -> str:
        return next((value for known, value in self.headers if known == name), "")

    def without(self, *names: str) -> list[tuple[str, str]]:
        return [(name, value) for name, value in self.headers if name not in names]


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next request's head, None when the client has hung up."""
    try:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    pairs = (line.partition(":") for line in lines[1:] if line)
    return Head(line=lines[0], headers=[(name.lower(), value.strip()) for name, _, value in pairs])


def head_bytes(line: str, headers: Sequence[tuple[str, str]]) -> bytes:
    return "".join([f"{line}\r\n", *(f"{name}: {value}\r\n" for name, value in headers), "\r\n"]).encode(
        "latin-1"
    )


async def read_frame(reader: asyncio.StreamReader) -> tuple[bytes, int, bytes]:
    """A frame as a server sends it: its bytes, its opcode, its payload.

    Raises:
        asyncio.IncompleteReadError: the server has hung up.
    """
    frame = await reader.readexactly(2)
    length = frame[1] & 0x7F
    if length >= 126:
        extended = await reader.readexactly(2 if length == 126 else 8)
        frame += extended
        length = int.from_bytes(extended, "big")
    payload = await reader.readexactly(length)
    return frame + payload, frame[0] & 0x0F, payload


def text_frame(text: str) -> bytes:
    """A frame with a text, as a server sends it."""
    payload = text.encode()
    if len(payload) < 126:
        return bytes([0x80 | TEXT, len(payload)]) + payload
    return bytes([0x80 | TEXT, 126]) + len(payload).to_bytes(2, "big") + payload
