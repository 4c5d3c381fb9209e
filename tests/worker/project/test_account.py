"""What Auth's answers mean for an account; test_connection has the account at work."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from supabase_auth.errors import (
    AuthApiError,
    AuthError,
    AuthInvalidCredentialsError,
    AuthRetryableError,
    AuthUnknownError,
)
from supabase_auth.types import AuthResponse

from worker.core.errors import AuthFailed, DatabaseUnavailable, ProjectUnreachable
from worker.project.account import Account, Lifetime


class Auth:
    """Answers every sign-in alike."""

    def __init__(self, answer: AuthResponse | Exception) -> None:
        self._answer = answer

    async def sign_in_with_password(self, _credentials: Any) -> AuthResponse:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def unknown(status: int) -> AuthError:
    """What the library makes of an answer that is none of Auth's."""
    response = httpx.Response(status, request=httpx.Request("POST", "http://127.0.0.1:1/"))
    error = AuthUnknownError("an odd answer", ValueError())
    error.__cause__ = httpx.HTTPStatusError("no", request=response.request, response=response)
    return error


@pytest.mark.parametrize(
    ("answer", "raised", "says"),
    [
        (AuthApiError("Invalid login credentials", 400, "invalid_credentials"), AuthFailed, "Invalid login"),
        (AuthApiError("Email not confirmed", 422, "email_not_confirmed"), AuthFailed, "not confirmed"),
        (AuthInvalidCredentialsError("no password"), AuthFailed, "no password"),
        (AuthResponse(user=None, session=None), AuthFailed, "is the e-mail address confirmed"),
        (AuthApiError("slow down", 429, None), DatabaseUnavailable, "answered 429"),
        (AuthApiError("unexpected failure", 500, "unexpected_failure"), DatabaseUnavailable, "answered 500"),
        (AuthRetryableError("no answer", 0), DatabaseUnavailable, "did not answer as it should"),
        (unknown(503), DatabaseUnavailable, "did not answer as it should"),
        (unknown(429), DatabaseUnavailable, "did not answer as it should"),
        (unknown(404), ProjectUnreachable, "sign-in was answered with HTTP 404"),
    ],
)
async def test_a_refusal_is_told_from_an_outage(
    answer: AuthResponse | Exception, raised: type[Exception], says: str
) -> None:
    auth: Any = Auth(answer)
    account = Account(auth, email="someone@example.test", password="correct horse")
    with pytest.raises(raised, match=says) as refused:
        await account.sign_in(within=0)
    assert type(refused.value) is raised
    assert "correct horse" not in str(refused.value)


def test_lifetime_ends_by_whichever_clock_says_so_first() -> None:
    lifetime = Lifetime.of(1000, fraction=0.8)
    assert 799 < lifetime.seconds_left <= 800
    assert Lifetime(monotonic_due=time.monotonic() + 500, wall_due=time.time() - 1).seconds_left < 0
    assert Lifetime(monotonic_due=time.monotonic() - 1, wall_due=time.time() + 500).seconds_left < 0


def test_before_the_first_sign_in_a_token_is_due() -> None:
    auth: Any = Auth(AuthUnknownError("nobody asked", ValueError()))
    assert Account(auth, email="someone@example.test", password="x").is_due
