"""Realtime, kept alive for ever: it makes waking fast, and nothing depends on it.

Whatever goes wrong with a subscription has the same answer: it is replaced after a pause, with a fresh token.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import structlog

from worker.core.errors import AuthFailed, DatabaseUnavailable
from worker.project.caller import Caller
from worker.project.subscription import Mode, Pace, Subscription, SubscriptionLost

log = structlog.get_logger(__name__)

WakeMode: TypeAlias = Literal["auto", "postgres_changes", "broadcast", "off"]
"""The setting WAKE."""


class Credentials(Protocol):
    """What the supervisor needs of a `Connection`."""

    @property
    def url(self) -> str: ...
    @property
    def api_key(self) -> str: ...
    @property
    def token(self) -> str: ...
    @property
    def caller(self) -> Caller: ...
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


def mode_of(wake: WakeMode, caller: Caller) -> Mode | None:
    """How this caller listens, None for not at all; a worker token reads no job table and needs broadcast."""
    if wake == "off":
        return None
    if wake == "auto":
        return "broadcast" if caller.kind == "worker" else "postgres_changes"
    return wake


class RealtimeSupervisor:
    """Keeps one subscription alive, replacing it when lost; calls `ring` whenever there may be work.

    `tables` are the job tables whose inserts ring when listening by postgres_changes.
    """

    def __init__(
        self,
        connection: Credentials,
        ring: Callable[[], None],
        tables: Sequence[str],
        *,
        mode: WakeMode,
        pace: Pace | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._connection = connection
        self._ring = ring
        self._tables = tuple(tables)
        self._mode = mode_of(mode, connection.caller)
        self._pace = pace or Pace()
        self._patience = patience or Patience()
        self._current: Subscription | None = None

    @property
    def healthy(self) -> bool:
        """Whether an insert would ring right now."""
        return self._current is not None and self._current.is_healthy

    async def serve(self) -> None:
        """Subscribe again and again, until cancelled."""
        if self._mode is None:
            await asyncio.Event().wait()
            return
        failures = 0
        last_reason = ""
        while True:
            began = time.monotonic()
            reason = await self._subscribe(self._mode)
            if time.monotonic() - began >= self._patience.stable:
                failures, last_reason = 0, ""
            delay = self._patience.delay(failures, jitter=random.random())
            level = log.debug if reason == last_reason else log.warning
            level("realtime lost", reason=reason, retry_in=round(delay, 1))
            failures, last_reason = failures + 1, reason
            await asyncio.sleep(delay)

    async def _subscribe(self, mode: Mode) -> str:
        """Hold one subscription for as long as it lasts; answers why it ended."""
        token = self._connection.token
        try:
            await self._connection.ensure_fresh_token()
            token = self._connection.token
            self._current = Subscription(
                url=f"{self._connection.url}/realtime/v1",
                api_key=self._connection.api_key,
                token=lambda: self._connection.token,
                mode=mode,
                tables=self._tables,
                ring=self._ring,
                pace=self._pace,
            )
            await self._current.last()
        except SubscriptionLost as error:
            return await self._examined(self._without_secrets(str(error)), token)
        except (AuthFailed, DatabaseUnavailable) as error:
            return str(error)
        finally:
            self._current = None
        return "ended"

    async def _examined(self, reason: str, token: str) -> str:
        """Renew the token if it is why the subscription ended, whatever this machine's clock says."""
        if any(word in reason.lower() for word in ("token", "jwt", "expired")):
            try:
                await self._connection.renew_token(token)
            except (AuthFailed, DatabaseUnavailable) as error:
                return f"{reason}; {error}"
        return reason

    def _without_secrets(self, text: str) -> str:
        for secret in (self._connection.api_key, self._connection.token):
            text = text.replace(secret, "…")
        return text
