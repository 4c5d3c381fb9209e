"""The worker's end of the socket, against a peer that the test plays."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from models.errors import ModelFailed
from models.frame import Frame
from models.serving.channel import Channel
from models.serving.frames import HEADER, Kind, packed

LARGE = 3_000_000  # bytes of a picture that no socket takes at once


class Peer:
    """A channel, and the socket at its other end."""

    def __init__(self) -> None:
        ours, self.sock = socket.socketpair()
        ours.setblocking(False)
        self.sock.setblocking(False)
        self.channel = Channel(ours, lambda metrics: None)

    async def hears(self, kind: Kind) -> int:
        """The number of the next message, which is of this kind."""
        loop = asyncio.get_running_loop()
        heard, number, length = HEADER.unpack(await loop.sock_recv(self.sock, HEADER.size))
        while length:
            length -= len(await loop.sock_recv(self.sock, length))
        assert heard == kind
        return int(number)

    async def says(self, kind: Kind, number: int, value: Any) -> None:
        body = packed(value, lambda frame: 0)
        await asyncio.get_running_loop().sock_sendall(self.sock, HEADER.pack(kind, number, len(body)) + body)


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    serving = asyncio.create_task(peer.channel.serve())
    yield peer
    peer.sock.close()
    with suppress(OSError):
        await asyncio.wait_for(serving, 5)


async def asked(peer: Peer, *arguments: Any) -> asyncio.Task[Any]:
    task = asyncio.create_task(peer.channel.ask("verb", *arguments))
    await asyncio.sleep(0)
    return task


async def test_each_answer_reaches_who_asked_whatever_their_order(peer: Peer) -> None:
    first, second = await asked(peer, 1), await asked(peer, 2)
    numbers = [await peer.hears(Kind.ASK), await peer.hears(Kind.ASK)]
    await peer.says(Kind.ANSWER, numbers[1], "two")
    await peer.says(Kind.ERROR, numbers[0], ModelFailed("one"))
    assert await second == "two"
    with pytest.raises(ModelFailed, match="one"):
        await first


async def test_error_that_is_none_fails_who_asked(peer: Peer) -> None:
    task = await asked(peer)
    await peer.says(Kind.ERROR, await peer.hears(Kind.ASK), "a text")
    with pytest.raises(ModelFailed, match="its answer cannot be read"):
        await asyncio.wait_for(task, 5)


async def test_who_asks_a_failed_channel_is_told_at_once(peer: Peer) -> None:
    peer.channel.fail("the host died")
    with pytest.raises(ModelFailed):
        await asyncio.wait_for(peer.channel.ask("verb"), 5)


async def test_failed_channel_keeps_no_picture_alive(peer: Peer) -> None:
    frames = [Frame(width=1000, height=1000, data=bytes(LARGE)) for _ in range(3)]
    gone = [weakref.ref(frame) for frame in frames]
    tasks = [await asked(peer, frame) for frame in frames]
    await asyncio.sleep(0.05)  # the first is half sent, the others wait behind it

    peer.sock.close()
    await asyncio.sleep(0.05)
    peer.channel.fail("the host died")

    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert {str(answer) for answer in answers} == {"the host died"}
    del frames, tasks, answers
    await asyncio.sleep(0)  # what woke this test is still held by the loop
    gc.collect()
    assert [ref() for ref in gone] == [None, None, None]
