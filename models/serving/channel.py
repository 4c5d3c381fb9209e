"""The worker's end of the socket to a model host: requests and answers by number, each frame sent once."""

from __future__ import annotations

import asyncio
import socket
import time
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from itertools import count
from typing import Any

import structlog

from models.errors import ModelFailed
from models.frame import Frame
from models.serving.frames import HEADER, SIZE, Kind, packed, unpacked
from models.serving.slots import LINE

log = structlog.get_logger()


class HostLost(ModelFailed):
    """The host ended before it had answered, whosever doing that was."""


class Channel:
    """Asks over one socket until it is closed; all use is from one event loop.

    Messages are sent one after the other by a task, so that a caller who leaves cuts none in two.
    """

    def __init__(self, sock: socket.socket, on_idle: Callable[[Any], None]) -> None:
        """`on_idle` is called with the host's metrics when it has no models and nothing is under way."""
        self._sock = sock
        self._on_idle = on_idle
        self._loop = asyncio.get_running_loop()
        self._heard = time.monotonic()
        """When the host last said something, or began to owe an answer."""
        self._owed: set[int] = set()
        """Requests that were sent and not answered, whether or not somebody still waits for them."""
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._frames = SentFrames(self._numbers, self._forget)
        self._outbox: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many requests somebody waits for."""
        return len(self._asked)

    @property
    def silent_seconds(self) -> float:
        """How long the host has said nothing although it owes an answer; 0 while it owes none."""
        return time.monotonic() - self._heard if self._owed else 0.0

    def greet(self, hello: Any) -> None:
        """Send what the host needs to know before the first request."""
        self._post(self._send, Kind.ASK, 0, packed(hello, self._frames.number_of))

    async def ask(self, verb: str, *arguments: Any) -> Any:
        """The host's answer to a request; raises the `ModelError` with which it, or the channel, failed."""
        if self._closed:
            raise HostLost("the model host is gone")
        number = next(self._numbers)
        future: asyncio.Future[Any] = self._loop.create_future()
        self._asked[number] = future
        self._post(self._send_request, number, (verb, *arguments))
        try:
            return await future
        except asyncio.CancelledError:
            if self._asked.pop(number, None) is not None:
                self._post(self._send, Kind.CANCEL, number)
            raise

    def hang_up(self) -> None:
        """Close the socket for both ends; `serve` then ends."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    async def serve(self) -> None:
        """Send and receive until the host is gone or this end hung up."""
        sending = asyncio.create_task(self._send_posted())
        try:
            while True:
                await self._receive()
        except (EOFError, OSError):
            pass
        except Exception:
            log.exception("model host protocol error")
        finally:
            self._closed = True
            sending.cancel()
            await asyncio.wait([sending])
            self._sock.close()

    def fail(self, reason: str) -> None:
        """End every request that somebody waits for, and let go of all that was to be sent."""
        self._closed = True
        for future in self._asked.values():
            if not future.done():
                future.set_exception(HostLost(reason))
        self._asked.clear()
        self._frames.clear()
        while not self._outbox.empty():
            self._outbox.get_nowait()

    def _post(self, send: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        self._outbox.put_nowait(lambda: send(*arguments))

    async def _send_posted(self) -> None:
        with suppress(OSError):  # noticed where it is read from
            while True:
                send = await self._outbox.get()
                await send()
                del send

    async def _send_request(self, number: int, request: tuple[Any, ...]) -> None:
        future = self._asked.get(number)
        if future is None:
            return  # taken back meanwhile
        try:
            body = packed(request, self._frames.number_of)
        except Exception as error:
            self._asked.pop(number, None)
            if not future.done():
                future.set_exception(error)
            return
        if not self._owed:
            self._heard = time.monotonic()
        self._owed.add(number)
        while self._frames.unsent:
            frame_number, frame = self._frames.unsent.pop()
            await self._send(Kind.FRAME, frame_number, SIZE.pack(frame.width, frame.height), frame.data)
        await self._send(Kind.ASK, number, body)

    async def _send(self, kind: Kind, number: int, *parts: bytes) -> None:
        head = HEADER.pack(kind, number, sum(map(len, parts)))
        small, large = (parts[:-1], parts[-1:]) if len(parts) > 1 else (parts, ())
        await self._loop.sock_sendall(self._sock, b"".join([head, *small]))
        for part in large:  # pixels are sent as they are, not copied behind a header
            await self._loop.sock_sendall(self._sock, part)

    def _forget(self, number: int) -> None:
        """Have the host forget a frame that nobody here holds; called in whichever thread released it."""
        if not self._closed:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._post, self._send, Kind.DROP, number)

    async def _receive(self) -> None:
        kind, number, length = HEADER.unpack(await self._exactly(HEADER.size))
        body = await self._exactly(length)
        match Kind(kind):
            case Kind.ANSWER | Kind.ERROR:
                self._owed.discard(number)
                self._settle(Kind(kind), self._asked.pop(number, None), body)
            case Kind.CANCEL:
                self._owed.discard(number)
            case Kind.LOG:
                level, event, fields = unpacked(body, {})
                getattr(log, level, log.info)(event, **fields)
            case Kind.IDLE:
                if not self._asked and self._outbox.empty():
                    self._on_idle(unpacked(body, {}))
            case other:
                raise EOFError(f"{other.name} is not for the worker")

    def _settle(self, kind: Kind, future: asyncio.Future[Any] | None, body: bytes) -> None:
        if future is None or future.done():
            return
        try:
            value = unpacked(body, {})
            if kind is Kind.ANSWER:
                future.set_result(value)
            else:
                future.set_exception(value)
        except Exception as error:
            future.set_exception(ModelFailed(f"its answer cannot be read: {error}"[:LINE]))

    async def _exactly(self, length: int) -> bytes:
        parts = []
        while length:
            part = await self._loop.sock_recv(self._sock, min(length, 2**20))
            if not part:
                raise EOFError
            self._heard = time.monotonic()
            parts.append(part)
            length -= len(part)
        return b"".join(parts)


class SentFrames:
    """The frames that the host holds: each is sent with the first request about it, and forgotten later."""

    def __init__(self, numbers: Iterator[int], forget: Callable[[int], None]) -> None:
        """`forget` is called with a frame's number when nobody here holds it any more, in any thread."""
        self.unsent: list[tuple[int, Frame]] = []
        self._numbers = numbers
        self._forget = forget
        # By `id`: to look for equal ones would be to read all their pixels.
        self._known: dict[int, tuple[weakref.ref[Frame], int]] = {}

    def number_of(self, frame: Frame) -> int:
        """The number of a frame, which is to be sent first if it is new."""
        key = id(frame)
        known = self._known.get(key)
        if known is not None and known[0]() is frame:
            return known[1]
        number = next(self._numbers)
        self._known[key] = (weakref.ref(frame, lambda _: self._released(key, number)), number)
        self.unsent.append((number, frame))
        return number

    def clear(self) -> None:
        self._known.clear()
        self.unsent.clear()

    def _released(self, key: int, number: int) -> None:
        self._known.pop(key, None)
        self._forget(number)
