"""The stopwatch of one attempt; what it measured goes into the run record."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from worker.core.job import Run


@dataclass(slots=True)
class Record:
    """What a handler notes while it runs, read once at the end."""

    models: list[Mapping[str, Any]] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    content: str | None = None
    _started: float = field(default_factory=time.monotonic)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the seconds spent inside to the stage's time."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.timings[name] = self.timings.get(name, 0.0) + time.monotonic() - begun

    def model(self, identity: Any, **more: Any) -> None:
        """Note the identity (a dataclass of plain values) of what answered, and `more` of its answer."""
        self.models.append({**dataclasses.asdict(identity), **more})

    def count(self, name: str, amount: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + amount

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def run(self, handler: str, version: str) -> Run:
        return Run(
            handler=handler,
            handler_version=version,
            models=tuple(self.models),
            timings={name: round(seconds, 4) for name, seconds in self.timings.items()},
            counts=dict(self.counts),
            content=self.content,
            seconds=round(self.seconds, 4),
        )
