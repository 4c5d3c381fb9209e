"""The doorbell of a lane: rung by whoever hears of new jobs, waited for by the lane."""

from __future__ import annotations

import asyncio


class Doorbell:
    """A bell that remembers whether it was rung, not how often."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()

    def clear(self) -> None:
        """Clear *before* looking for work, so that a ring during the look causes one more."""
        self._event.clear()

    async def wait(self, seconds: float) -> bool:
        """Wait for a ring, at most `seconds`; answers whether it rang."""
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._event.wait()
        except TimeoutError:
            return False
        return True
