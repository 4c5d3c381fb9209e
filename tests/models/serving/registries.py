"""Registries to test with, and models that wait for the test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from models.serving.registry import Registry
from models.settings import ModelSettings
from models.spec import AnySpec, Variant
from models.tasks import Model, Task
from tests.models.fakes import Stores


class Gate(Model):
    """Runs only while the test lets it, and notes how it was asked."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Semaphore(0)
        self.calls: list[list[Any]] = []
        self.closed = 0
        self.precision = "fp32"

    def close(self) -> None:
        self.closed += 1

    def ask(self, items: Sequence[Any]) -> Sequence[Any]:
        self.calls.append(list(items))
        self.entered.release()
        assert self.open.wait(30)
        return items

    def ask_too(self, items: Sequence[Any]) -> Sequence[Any]:
        return self.ask(items)

    async def entering(self) -> None:
        """Until it is inside a call."""
        assert await asyncio.to_thread(self.entered.acquire, True, 30)


GATE: Final[Task[Gate]] = Task("gate")


class Late(Stores):
    """Has the weights of all models at once, when told: all that is asked until then waits together."""

    def __init__(self) -> None:
        super().__init__()
        self.found = threading.Event()

    def paths(self, variant: Variant) -> Mapping[str, Path]:
        assert self.found.wait(30)
        return super().paths(variant)


@contextmanager
def opened(
    specs: Sequence[AnySpec], settings: ModelSettings, weights: Any = None, **changes: Any
) -> Iterator[Registry]:
    models = Registry(specs, settings.model_copy(update=changes), weights or Stores())
    try:
        yield models
    finally:
        models.shut()


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(3000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")
