"""Which project the contract is held against: the embedded stack, or the one these variables name.

KIZU_TEST_URL, KIZU_TEST_PUBLISHABLE_KEY and KIZU_TEST_SECRET_KEY point the suite at any Supabase project
with our migrations and functions on it, where sign-ups need no confirmation and the custom access token hook
is on. KIZU_TEST_SIGNING_KEY, a file with a private key that was imported into the project, is optional:
without it the tests that mint tokens of their own are skipped, as is what needs KIZU_TEST_JWT_SECRET.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from supabase import Client, ClientOptions, create_client

from worker.signing import SigningKey, read_signing_key, signed_token


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    url: str
    publishable_key: str
    secret_key: str
    signing_key: SigningKey | None
    jwt_secret: str | None

    def token(self, role: str, sub: str | None = None, *, seconds: float = 600) -> str:
        if self.signing_key is None:
            pytest.skip("KIZU_TEST_SIGNING_KEY is not set")
        return signed_token(self.signing_key, role=role, sub=sub, seconds=seconds)

    def legacy_token(self, role: str, sub: str | None = None) -> str:
        """As `token`, but signed with the shared secret."""
        if self.jwt_secret is None:
            pytest.skip("KIZU_TEST_JWT_SECRET is not set")
        now = int(time.time())
        claims: dict[str, Any] = {"role": role, "iat": now - 1, "exp": now + 600}
        return jwt.encode(claims | ({"sub": sub} if sub else {}), self.jwt_secret, algorithm="HS256")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A signed-up user with a signed-in client."""

    user_id: str
    email: str
    password: str
    token: str
    client: Client

    def path(self, name: str) -> str:
        return f"{self.user_id}/{name}"


@pytest.fixture(scope="session")
def project(request: pytest.FixtureRequest) -> Project:
    if url := os.environ.get("KIZU_TEST_URL"):
        return Project(
            url=url,
            publishable_key=os.environ["KIZU_TEST_PUBLISHABLE_KEY"],
            secret_key=os.environ["KIZU_TEST_SECRET_KEY"],
            signing_key=read_signing_key(Path(key).read_text())
            if (key := os.environ.get("KIZU_TEST_SIGNING_KEY"))
            else None,
            jwt_secret=os.environ.get("KIZU_TEST_JWT_SECRET"),
        )
    stack = request.getfixturevalue("stack")
    return Project(
        url=stack.url,
        publishable_key=stack.publishable_key,
        secret_key=stack.secret_key,
        signing_key=stack.signing_key,
        jwt_secret=stack.jwt_secret,
    )


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    """One pool for every synchronous client of the session."""
    with httpx.Client(timeout=60) as client:
        yield client


@pytest.fixture
def service(project: Project, http: httpx.Client) -> Client:
    """supabase-py with the secret key."""
    return create_client(project.url, project.secret_key, ClientOptions(httpx_client=http))


@pytest.fixture
def anonymous(project: Project, http: httpx.Client) -> Client:
    """supabase-py with nothing but the publishable key."""
    return create_client(project.url, project.publishable_key, ClientOptions(httpx_client=http))


@pytest.fixture
def person(project: Project, http: httpx.Client) -> Iterator[Callable[[], Person]]:
    """Signs somebody up; signs them out afterwards, which also ends the client's timers."""
    people: list[Person] = []

    def join() -> Person:
        client = create_client(project.url, project.publishable_key, ClientOptions(httpx_client=http))
        email, password = f"{uuid.uuid4().hex}@example.com", uuid.uuid4().hex
        answer = client.auth.sign_up({"email": email, "password": password})
        assert answer.user is not None
        assert answer.session is not None, "sign-ups must not need a confirmation"
        one = Person(
            user_id=answer.user.id,
            email=email,
            password=password,
            token=answer.session.access_token,
            client=client,
        )
        people.append(one)
        return one

    yield join
    for one in people:
        one.client.auth.sign_out()


@pytest.fixture
def bare(project: Project, http: httpx.Client) -> Callable[..., httpx.Response]:
    """A plain request with the publishable key and, perhaps, a token."""

    def send(method: str, path: str, *, token: str | None = None, **more: Any) -> httpx.Response:
        headers = {"apikey": project.publishable_key, **more.pop("headers", {})}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        return http.request(method, f"{project.url}{path}", headers=headers, **more)

    return send
