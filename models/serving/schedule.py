"""Which model runs next, which are unloaded for it, and until when one stays: decided from plain values."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from models.serving.batching import Due

G = TypeVar("G", bound=Hashable)
K = TypeVar("K", bound=Hashable)

TURN_SECONDS: Final = 5.0
"""Models that do not fit in memory together take turns of so long, lest each call evicts one."""
FETCH_SECONDS: Final = 300.0
"""How long a request waits for weights that are being fetched: a slow hub, or another process at it, must
not cost a job what other models found. The fetching goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant(Generic[K]):
    """A model as the schedule sees it; `used` is a moment of the monotonic clock."""

    model: K
    """Tells it from the others."""
    loaded: bool
    megabytes: int
    """As measured when it was loaded, else as its variant says."""
    pinned: bool = False
    asked: bool = False
    """Whether requests wait for it."""
    used: float = 0.0


def evicted(tenants: Iterable[Tenant[K]], wanted: Tenant[K], budget: int) -> list[K]:
    """The models that are unloaded so that `wanted` fits into `budget` megabytes.

    The idle and least recently used go first, a pinned one never. None is in use, because one thread does one
    thing at a time.
    """
    loaded = [one for one in tenants if one.loaded and one.model != wanted.model]
    excess = sum(one.megabytes for one in loaded) + wanted.megabytes - budget
    chosen: list[K] = []
    for one in sorted(loaded, key=lambda one: (one.asked, one.used)):
        if excess <= 0:
            break
        if not one.pinned:
            chosen.append(one.model)
            excess -= one.megabytes
    return chosen


def next_group(due: Sequence[Due[G]], evicts_asked: Callable[[G], bool]) -> G | None:
    """Of the groups that may run now the one that waits longest, or None.

    A group whose model would evict one that is asked for itself waits for a turn longer.
    """

    def turn(one: Due[G]) -> float:
        return one.since + TURN_SECONDS if evicts_asked(one.group) else one.since

    return min(due, key=turn).group if due else None


def expires(tenant: Tenant[K], ttl: float) -> float | None:
    """When a model has been idle for `ttl` seconds; None while it may not be unloaded for that."""
    if not tenant.loaded or tenant.pinned or tenant.asked:
        return None
    return tenant.used + ttl


def gives_up(since: float, preparing: float | None) -> float:
    """When a request that came at `since` has waited long enough for weights fetched since `preparing`."""
    return max(since, preparing or 0.0) + FETCH_SECONDS
