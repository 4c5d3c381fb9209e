"""Time by two clocks, because each of them fails in its own way."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment by the monotonic and the wall clock, both in seconds.

    The monotonic clock stops while a laptop sleeps, and the wall clock may be set back.
    """

    monotonic: float
    wall: float

    @classmethod
    def now(cls) -> Moment:
        return cls(time.monotonic(), time.time())

    def until(self, later: Moment) -> float:
        """Seconds from this moment to a later one, by the clock that counted more of them."""
        return max(later.monotonic - self.monotonic, later.wall - self.wall)
