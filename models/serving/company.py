"""Who is asked of the model host together with others, and who alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Company:
    """Many are together, or one is alone; while somebody wants to be alone, nobody joins.

    All use is from one event loop.
    """

    def __init__(self) -> None:
        self._together = 0
        self._wishing = 0
        self._turn = asyncio.Lock()
        self._open = asyncio.Event()
        """Set while nobody is alone or wants to be."""
        self._open.set()
        self._empty = asyncio.Event()
        """Set while nobody is together."""
        self._empty.set()

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """Be with others, as soon as nobody is alone or wants to be."""
        while not self._open.is_set():
            await self._open.wait()
        self._together += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._together -= 1
            if self._together == 0:
                self._empty.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Be with nobody, as soon as all who are together have left, one after the other."""
        self._wishing += 1
        self._open.clear()
        try:
            async with self._turn:
                await self._empty.wait()
                yield
        finally:
            self._wishing -= 1
            if self._wishing == 0:
                self._open.set()
