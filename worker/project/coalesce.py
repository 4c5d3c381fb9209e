"""Calls made while a call is under way travel together in the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")


class Coalesced(Generic[A, B]):
    """Turns single calls into calls of up to `limit` items, one at a time, without waiting for company.

    `send` answers one result per item, in order. If it raises, every caller of that batch gets the error; but
    if `is_refusal` says that the server did not want what was sent, the items are sent again one by one, so
    that only the callers of those it does not want get an error.
    """

    def __init__(
        self,
        send: Callable[[Sequence[A]], Awaitable[Sequence[B]]],
        *,
        limit: int,
        is_refusal: Callable[[Exception], bool] = lambda error: False,
    ) -> None:
        self._send = send
        self._limit = limit
        self._is_refusal = is_refusal
        self._waiting: list[tuple[A, asyncio.Future[B]]] = []
        self._sender: asyncio.Task[None] | None = None

    async def __call__(self, item: A) -> B:
        future: asyncio.Future[B] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all())
        return await future

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
                await self._send_batch(batch)
        finally:
            self._sender = None

    async def _send_batch(self, batch: Sequence[tuple[A, asyncio.Future[B]]]) -> None:
        try:
            results = await self._send([item for item, _ in batch])
        except Exception as error:
            if len(batch) > 1 and self._is_refusal(error):
                for waiting in batch:
                    await self._send_batch([waiting])
                return
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)
