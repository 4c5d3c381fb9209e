"""Realtime, kept alive for ever: it makes waking fast, and nothing depends on it.

The library gives up after some fifteen seconds of outage and never rejoins a channel the server closed. So it
is used for one subscription at a time, and whatever goes wrong has the same answer: throw it away, wait a
little, begin again with a fresh token.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

import structlog

from worker.errors import AuthFailed, DatabaseUnavailable
from worker.identity import Identity
from worker.subscription import Mode, Pace, Subscription, SubscriptionLost

log = structlog.get_logger(__name__)


class Credentials(Protocol):
    """What the supervisor needs of a `Connection`."""

    @property
    def url(self) -> str: ...
    @property
    def api_key(self) -> str: ...
    @property
    def token(self) -> str: ...
    async def ensure_fresh_token(self) -> None: ...
    async def renew_token(self, stale: str) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds between subscriptions: full jitter below a limit that doubles from `first` to `longest`."""

    first: float = 1.0
    longest: float = 60.0
    stable: float = 30.0
    """A subscription that lasted this long starts the doubling anew."""

    def delay(self, failures: int, *, jitter: float) -> float:
        return jitter * min(self.longest, self.first * 2.0 ** min(failures, 30))


def mode_of(wake: Literal["auto", "postgres_changes", "broadcast", "off"], identity: Identity) -> Mode | None:
    """How to listen; None for not at all. A worker token reads no job table and needs broadcast."""
    if wake == "off":
        return None
    if wake == "auto":
        return "broadcast" if identity.kind == "worker" else "postgres_changes"
    return wake


@dataclass(slots=True, kw_only=True)
class RealtimeSupervisor:
    """`run` it as a task for as long as the worker lives; `ring` is called whenever there may be work."""

    connection: Credentials
    ring: Callable[[], None]
    mode: Mode | None
    pace: Pace = field(default_factory=Pace)
    patience: Patience = field(default_factory=Patience)
    subscriptions: int = field(default=0, init=False)
    """How many were begun, for the metrics."""
    _current: Subscription | None = field(default=None, init=False)

    @property
    def healthy(self) -> bool:
        """Whether an insert rings right now; if not, poll faster."""
        return self._current is not None and self._current.is_healthy

    async def run(self) -> None:
        """Subscribe again and again, until cancelled; returns at once when the mode is None."""
        if self.mode is None:
            return
        failures = 0
        last_reason = ""
        while True:
            began = time.monotonic()
            reason = await self._subscribe(self.mode)
            if time.monotonic() - began >= self.patience.stable:
                failures, last_reason = 0, ""
            delay = self.patience.delay(failures, jitter=random.random())
            level = log.debug if reason == last_reason else log.warning
            level("realtime lost", reason=reason, retry_in=round(delay, 1))
            failures, last_reason = failures + 1, reason
            await asyncio.sleep(delay)

    async def _subscribe(self, mode: Mode) -> str:
        """Hold one subscription for as long as it lasts; answers why it ended."""
        token = self.connection.token
        try:
            await self.connection.ensure_fresh_token()
            token = self.connection.token
            self._current = Subscription(
                url=f"{self.connection.url}/realtime/v1",
                api_key=self.connection.api_key,
                token=lambda: self.connection.token,
                mode=mode,
                ring=self.ring,
                pace=self.pace,
            )
            self.subscriptions += 1
            await self._current.last()
        except SubscriptionLost as error:
            return await self._examined(self._without_secrets(str(error)), token)
        except (AuthFailed, DatabaseUnavailable) as error:
            return str(error)
        finally:
            self._current = None
        return "ended"

    async def _examined(self, reason: str, token: str) -> str:
        """If the server disliked the token, get another before the next try, whatever our clock says."""
        if any(word in reason.lower() for word in ("token", "jwt", "expired")):
            try:
                await self.connection.renew_token(token)
            except (AuthFailed, DatabaseUnavailable) as error:
                return f"{reason}; {error}"
        return reason

    def _without_secrets(self, text: str) -> str:
        for secret in (self.connection.api_key, self.connection.token):
            text = text.replace(secret, "…")
        return text
