"""Which picture is worked on next: a pure core, told the time, that knows neither threads nor pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from models.pictures.demand import Demand

LARGE_PIXELS: Final = 64_000_000
"""What takes longer than so many pixels holds its thread for seconds."""
PATIENCE_SECONDS: Final = 10.0
MOST_PASSED: Final = 64
"""Whoever waited that long, or was passed over that often, goes next."""


@dataclass(eq=False, slots=True, kw_only=True)
class Request:
    """Some work that waits for its turn, or has it."""

    lane: str
    demand: Demand
    urgent: bool
    work: Any
    number: int
    since: float
    passed: int = 0
    """How many that came later went before it."""


class Schedule:
    """Admits work to a number of threads and to a share of memory.

    Work is large by its time or by its memory. At most half of the threads do large work at once, and one
    always stays for other work, an additional one if need be. All large work together is promised half of
    the memory; what needs more than that runs while no other large work does. None of it begins before some
    that came earlier and has waited too long.

    Of what fits goes first: who waited too long; what takes no time to speak of, since finished pictures
    leave memory by it; what somebody waits for; the lane that has the least running, then the one served
    longest ago; and in a lane the smallest.
    """

    def __init__(self, threads: int, memory: int, *, clock: Callable[[], float]) -> None:
        """`memory` is in bytes, `clock` in seconds."""
        self._threads = threads
        self._most_large = max(1, threads // 2)
        self._pool = memory // 2
        self._small_bytes = memory // (4 * threads)
        self._clock = clock
        self._numbers = 0
        self._turns = 0
        self._served: dict[str, int] = {}
        """The turn in which each lane was served last."""
        self.waiting: dict[Request, None] = {}
        self.running: dict[Request, None] = {}

    @property
    def most_threads(self) -> int:
        """How many run at once at most: with a single thread, another one beside large work."""
        return max(2, self._threads)

    def add(self, lane: str, demand: Demand, work: Any = None, *, urgent: bool = False) -> Request:
        self._numbers += 1
        request = Request(
            lane=lane, demand=demand, urgent=urgent, work=work, number=self._numbers, since=self._clock()
        )
        self.waiting[request] = None
        return request

    def withdraw(self, request: Request) -> None:
        """Forget one that waits; of one that runs, nothing is known until its end."""
        self.waiting.pop(request, None)

    def end(self, request: Request) -> None:
        self.running.pop(request, None)

    def next(self) -> Request | None:
        """Admit one, whose `end` is to be told; None while nothing that waits fits."""
        running = Counter(request.lane for request in self.running)
        late = self._clock() - PATIENCE_SECONDS
        fitting = self._fitting(late)
        if not fitting:
            return None

        def order(request: Request) -> tuple[float, ...]:
            if _has_waited(request, late):
                return (0, request.number)
            return (
                1,
                request.demand.pixels > 0,
                not request.urgent,
                running[request.lane],
                self._served.get(request.lane, 0),
                request.demand.pixels,
                request.number,
            )

        chosen = min(fitting, key=order)
        del self.waiting[chosen]
        for request in self.waiting:
            request.passed += request.number < chosen.number
        self._turns += 1
        self._served[chosen.lane] = self._turns
        self.running[chosen] = None
        return chosen

    def _fitting(self, late: float) -> list[Request]:
        """Those that may go now: no other large work goes before some that has waited too long for memory."""
        fitting, held = [], False
        for request in self.waiting:  # in the order in which they came
            if self._fits(request):
                if not (held and self.is_large(request.demand)):
                    fitting.append(request)
            elif self.is_large(request.demand) and _has_waited(request, late):
                held = True
        return fitting

    def is_large(self, demand: Demand) -> bool:
        return demand.pixels > LARGE_PIXELS or demand.bytes > self._small_bytes

    def _fits(self, request: Request) -> bool:
        large = [other for other in self.running if self.is_large(other.demand)]
        if not self.is_large(request.demand):
            return len(self.running) - len(large) < max(1, self._threads - len(large))
        promised = sum(other.demand.bytes for other in large)
        return (
            len(self.running) < self._threads
            and len(large) < self._most_large
            and (not large or promised + request.demand.bytes <= self._pool)
        )


def _has_waited(request: Request, late: float) -> bool:
    """Whether it came by the time `late`, or was passed over too often since."""
    return request.since <= late or request.passed >= MOST_PASSED
