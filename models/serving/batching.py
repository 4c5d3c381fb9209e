"""Requests that wait to share a call: what came first, what is due, what goes together. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

G = TypeVar("G", bound=Hashable)
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Due(Generic[G]):
    """A group that may run now."""

    group: G
    since: float
    """When its oldest request came."""


class Waiting(Generic[G, R]):
    """Requests by group, oldest first; those of one group may share a call.

    A group is due when it fills a batch, or when its oldest request has waited `delay` seconds. `most`
    answers how many of a group one call takes; 0 means that it must wait, whatever the time.
    """

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._groups: dict[G, deque[tuple[R, float]]] = {}

    def __bool__(self) -> bool:
        return bool(self._groups)

    def __iter__(self) -> Iterator[G]:
        return iter(self._groups)

    def put(self, group: G, request: R, now: float) -> None:
        self._groups.setdefault(group, deque()).append((request, now))

    def discard(self, group: G, request: R) -> None:
        """Forget a request, if it still waits."""
        waiting = self._groups.get(group, deque())
        for pair in waiting:
            if pair[0] is request:
                waiting.remove(pair)
                break
        if not waiting:
            self._groups.pop(group, None)

    def take(self, group: G, most: int) -> list[R]:
        """The oldest requests of `group`, up to `most`; they wait no longer."""
        waiting = self._groups[group]
        taken = [waiting.popleft()[0] for _ in range(min(most, len(waiting)))]
        if not waiting:
            del self._groups[group]
        return taken

    def due(self, now: float, most: Callable[[G], int]) -> list[Due[G]]:
        """What may run now, in no order."""
        return [Due(group, since) for group, since, at in self._ripening(most) if at <= now]

    def next_due(self, most: Callable[[G], int]) -> float | None:
        """When the next group is due if nothing else comes; None when none is waiting for the clock."""
        return min((at for _, _, at in self._ripening(most)), default=None)

    def _ripening(self, most: Callable[[G], int]) -> Iterator[tuple[G, float, float]]:
        for group, waiting in self._groups.items():
            size = most(group)
            since = waiting[0][1]
            if size:
                yield group, since, since if len(waiting) >= size else since + self._delay
