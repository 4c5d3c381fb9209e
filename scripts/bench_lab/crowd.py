"""An app whose user asks for very much at once: so many searches at any time, each for new words.

It is told to `end` and answers how many were answered, and how many of these without a worker.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections import Counter
from collections.abc import Mapping
from itertools import count

import httpx

from scripts.bench_lab.partner import Answer, answer

WAIT_MS = 3_000
"""What apps wait for a worker if they do not say how long."""


PAUSE = 1.0
"""Seconds until who was refused asks again."""


class Crowd:
    """Begins at once, in a thread of its own."""

    def __init__(self, *, url: str, headers: Mapping[str, str], searches: int) -> None:
        self._over = threading.Event()
        self._counted: Counter[str] = Counter()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._go(url, headers, searches)))
        self._thread.start()

    def ask(self, *, end: bool) -> Answer:
        if end:
            self._over.set()
            self._thread.join()
        return dict(self._counted)

    async def _go(self, url: str, headers: Mapping[str, str], searches: int) -> None:
        numbers, context = count(), ssl.create_default_context()

        async def search_on() -> None:
            # A client each: one with a thousand connections looks through all of them at every answer.
            async with httpx.AsyncClient(
                base_url=url, headers=headers, timeout=120, verify=context, trust_env=False
            ) as http:
                while not self._over.is_set():
                    asked = {"text": f"boat number {next(numbers)} of many", "wait_ms": WAIT_MS}
                    found = await http.post("/functions/v1/search", json=asked)
                    self._counted["answered" if found.is_success else f"status_{found.status_code}"] += 1
                    if found.is_success:
                        self._counted["without_worker"] += found.json()["timed_out"]
                    else:
                        await asyncio.sleep(PAUSE)

        await asyncio.gather(*(search_on() for _ in range(searches)))


if __name__ == "__main__":
    answer(lambda **told: Crowd(**told).ask)
