"""Statements that go on while something is changed, and how long the longest of them was kept waiting."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

GAP = (0.01, 0.02)
"""Seconds between two statements of one connection."""
AFTER = 1.0
"""Seconds after a change that still count as its own."""

Statements = Callable[[psycopg.Connection[Any]], Iterator[None]]
"""Given a connection of its own, does one with each step."""


class Traffic:
    """Connections with a thread each; several may do what has one name."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._spans: list[tuple[str, list[tuple[float, float]]]] = []
        self._failures: list[Exception] = []

    def add(self, name: str, statements: Statements) -> None:
        spans: list[tuple[float, float]] = []
        self._spans.append((name, spans))

        def go() -> None:
            try:
                with psycopg.connect(self._url, autocommit=True) as db:
                    steps = statements(db)
                    while not self._over.wait(random.uniform(*GAP)):
                        begin = time.perf_counter()
                        next(steps)
                        spans.append((begin, time.perf_counter()))
            except Exception as error:
                self._failures.append(error)

        self._threads.append(threading.Thread(target=go))
        self._threads[-1].start()

    def longest_during(self, change: Callable[[], object]) -> dict[str, float]:
        """Seconds of the longest statement of each name while `change` went on and shortly after it.

        How long the change itself took is told as `change`.

        Raises:
            Exception: what a connection failed with.
        """
        begin = time.perf_counter()
        change()
        end = time.perf_counter()
        time.sleep(AFTER)
        over = time.perf_counter()
        longest = {"change": end - begin}
        for name, spans in self._spans:
            while not self._failures and (not spans or spans[-1][1] < over):  # it waits, and is not told yet
                time.sleep(GAP[0])
            if self._failures:
                raise self._failures[0]
            found = max(until - since for since, until in spans if since < over and until > begin)
            longest[name] = max(longest.get(name, 0), found)
        return longest

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


@contextmanager
def traffic(url: str) -> Iterator[Traffic]:
    """Ended afterwards, whatever happened."""
    going = Traffic(url)
    try:
        yield going
    finally:
        going.end()
