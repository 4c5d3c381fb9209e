"""Calls made while a call is under way travel together in the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")


class Coalesced(Generic[A, B]):
    """Turns single calls into calls of up to `limit` items, one at a time, without waiting for company.

    Together the items of a call have at most `largest` bytes by `size_of`; a larger one travels alone.

    `send` answers one result per item, in order. If it raises, every caller of that batch gets the error; but
    if `is_divisible` says that one item may be to blame, each half is sent again by itself, and so on, so
    that only the callers of what cannot be sent get an error. The calls of others do not wait for that.
    """

    def __init__(
        self,
        send: Callable[[Sequence[A]], Awaitable[Sequence[B]]],
        *,
        limit: int,
        largest: float = float("inf"),
        size_of: Callable[[A], float] = lambda item: 0,
        is_divisible: Callable[[Exception], bool] = lambda error: False,
    ) -> None:
        self._send = send
        self._limit = limit
        self._largest = largest
        self._size_of = size_of
        self._is_divisible = is_divisible
        self._waiting: list[tuple[A, asyncio.Future[B]]] = []
        self._sender: asyncio.Task[None] | None = None
        self._halves: set[asyncio.Task[None]] = set()

    async def __call__(self, item: A) -> B:
        future: asyncio.Future[B] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all())
        return await future

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                await self._send_batch(self._take_batch())
        finally:
            self._sender = None

    def _take_batch(self) -> Sequence[tuple[A, asyncio.Future[B]]]:
        """The next that fit into a call, at least one."""
        count, size = 0, 0.0
        for item, _ in self._waiting[: self._limit]:
            size += self._size_of(item)
            if count and size > self._largest:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    async def _send_batch(self, batch: Sequence[tuple[A, asyncio.Future[B]]]) -> None:
        batch = [(item, future) for item, future in batch if not future.done()]  # else its caller gave up
        if not batch:
            return
        try:
            results = await self._send([item for item, _ in batch])
        except Exception as error:
            if len(batch) > 1 and self._is_divisible(error):
                middle = len(batch) // 2
                for half in (batch[:middle], batch[middle:]):
                    task = asyncio.create_task(self._send_batch(half))
                    self._halves.add(task)
                    task.add_done_callback(self._halves.discard)
                return
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)
