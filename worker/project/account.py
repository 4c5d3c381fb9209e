"""A user's own account: signed in with a password, kept fresh for as long as the worker runs."""

from __future__ import annotations

import asyncio
import math
import random
import time
from dataclasses import dataclass

import structlog
from httpx import HTTPStatusError
from pydantic import ValidationError
from supabase_auth import AsyncGoTrueClient
from supabase_auth.errors import AuthApiError, AuthError, AuthRetryableError, AuthUnknownError
from supabase_auth.types import AuthResponse, Session
from tenacity import AsyncRetrying, retry_if_exception, stop_before_delay, wait_random_exponential

from worker.core.errors import AuthFailed, DatabaseUnavailable, ProjectUnreachable
from worker.project.caller import Caller, caller_of_token
from worker.project.waiting import Waiting, may_pass

log = structlog.get_logger(__name__)

LONGEST_NAP = 30.0
"""Seconds between looks at the clock: neither asyncio nor the monotonic clock notices a suspended laptop."""
LONGEST_BACKOFF = 60.0
MODERATE = (408, 425, 429)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """When a token should be replaced, by both clocks: one may jump, the other may sleep."""

    monotonic_due: float
    wall_due: float

    @classmethod
    def of(cls, expires_in: float, *, fraction: float) -> Lifetime:
        return cls(
            monotonic_due=time.monotonic() + expires_in * fraction,
            wall_due=time.time() + expires_in * fraction,
        )

    @property
    def seconds_left(self) -> float:
        return min(self.monotonic_due - time.monotonic(), self.wall_due - time.time())


class Account:
    """Holds the access token of one user and replaces it before it expires.

    The refresh token is tried first; when the server refuses it (revoked, already used, session ended), the
    password signs in anew.
    """

    def __init__(self, auth: AsyncGoTrueClient, *, email: str, password: str) -> None:
        self._auth = auth
        self._email = email
        self._password = password
        self._lock = asyncio.Lock()
        self._session: Session | None = None
        self._caller: Caller | None = None
        self._lifetime = Lifetime(monotonic_due=0, wall_due=0)

    @property
    def token(self) -> str:
        assert self._session is not None, "sign_in comes first"
        return self._session.access_token

    @property
    def caller(self) -> Caller:
        assert self._caller is not None, "sign_in comes first"
        return self._caller

    @property
    def is_due(self) -> bool:
        return self._lifetime.seconds_left <= 0

    async def sign_in(self, *, within: float) -> None:
        """Sign in with the password, for at most `within` seconds while the server is unreachable.

        Raises:
            AuthFailed: wrong e-mail or password, or the account may not be a worker.
            DatabaseUnavailable: no answer in time.
        """
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(lambda error: may_pass(error, patient=math.isinf(within))),
            wait=wait_random_exponential(multiplier=0.5, max=LONGEST_BACKOFF),
            stop=stop_before_delay(within),
            before_sleep=Waiting("sign-in", within).tell,
            reraise=True,
        ):
            with attempt:
                self._adopt(await self._with_password())

    async def renew(self, stale: str) -> None:
        """Replace the token `stale`; does nothing if someone else already has.

        Raises:
            AuthFailed: neither the refresh token nor the password is accepted.
            DatabaseUnavailable: the server could not be asked.
        """
        async with self._lock:
            if self.token != stale:
                return
            try:
                session = await self._with_refresh_token()
            except AuthFailed:
                session = await self._with_password()
            self._adopt(session)

    async def keep_fresh(self) -> None:
        """Renew before expiry, for ever; outages and refusals only make it try again later."""
        failures = 0
        while True:
            left = self._lifetime.seconds_left
            if left > 0:
                await asyncio.sleep(min(left, LONGEST_NAP))
                continue
            try:
                await self.renew(self.token)
                failures = 0
            except (AuthFailed, DatabaseUnavailable) as error:
                failures += 1
                delay = random.uniform(0.5, 1) * min(LONGEST_BACKOFF, 2.0 ** min(failures, 10))
                level = log.error if isinstance(error, AuthFailed) else log.warning
                level("token not renewed", code=error.code, reason=str(error), retry_in=round(delay, 1))
                await asyncio.sleep(delay)

    def _adopt(self, session: Session) -> None:
        caller = caller_of_token(session.access_token, origin="the account's token")
        if self._caller not in (None, caller):
            # Whose jobs are claimed and how the worker is woken was decided with the first.
            raise AuthFailed(
                f"The account was a {self._caller.kind} and is a {caller.kind} now: start the worker anew"
            )
        self._session = session
        self._caller = caller
        # Jitter, so that workers started together do not refresh together.
        self._lifetime = Lifetime.of(session.expires_in, fraction=random.uniform(0.7, 0.85))

    async def _with_password(self) -> Session:
        try:
            answer = await self._auth.sign_in_with_password(
                {"email": self._email, "password": self._password}
            )
        except (AuthError, ValidationError) as error:
            raise _translated(error) from error
        return _session_of(answer)

    async def _with_refresh_token(self) -> Session:
        assert self._session is not None, "sign_in comes first"
        try:
            answer = await self._auth.refresh_session(self._session.refresh_token)
        except (AuthError, ValidationError) as error:
            raise _translated(error) from error
        return _session_of(answer)


def _session_of(answer: AuthResponse) -> Session:
    if answer.session is None:
        raise AuthFailed("Supabase Auth opened no session: is the e-mail address confirmed?")
    return answer.session


def _translated(error: AuthError | ValidationError) -> AuthFailed | DatabaseUnavailable:
    """AuthFailed for a refusal, which is final; DatabaseUnavailable for silence, overload, odd answers."""
    if isinstance(cause := error.__cause__, HTTPStatusError):
        status = cause.response.status_code
        if status < 500 and status not in MODERATE and isinstance(error, AuthUnknownError):
            return ProjectUnreachable("sign-in", f"HTTP {status}")
    match error:
        case AuthRetryableError() | AuthUnknownError() | ValidationError():
            return DatabaseUnavailable("Supabase Auth did not answer as it should")
        case AuthApiError(status=status) if status >= 500 or status in MODERATE:
            return DatabaseUnavailable(f"Supabase Auth answered {status}")
        case _:
            return AuthFailed(f"Supabase Auth refused the account: {error}")
