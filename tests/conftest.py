"""The embedded Supabase for the tests that need one: started once per session in a temporary home."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import NamedTuple

import httpx
import psycopg
import pytest
import structlog

from worker.embedded import LocalStack, StackInfo


class User(NamedTuple):
    """Someone who has signed up, with a session."""

    user_id: str
    access_token: str
    email: str
    password: str


@pytest.fixture(autouse=True)
def _plain_logs() -> Iterator[None]:
    """A command that was tested has set up logging for its own process; the next test begins afresh."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    """A running stack with all migrations applied, shared by the whole session."""
    local = LocalStack(tmp_path_factory.mktemp("kizu"), fsync=False)
    try:
        yield local.up()
    finally:
        local.down()


@pytest.fixture
def db(stack: StackInfo) -> Iterator[psycopg.Connection]:
    """A superuser's connection; each statement is its own transaction."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def make_user(stack: StackInfo) -> Callable[[], User]:
    """Signs up a new user and answers who they are."""

    def make() -> User:
        email = f"{uuid.uuid4().hex}@example.test"
        password = uuid.uuid4().hex
        answer = httpx.post(
            f"{stack.url}/auth/v1/signup",
            headers={"apikey": stack.publishable_key},
            json={"email": email, "password": password},
            timeout=30,
        )
        session = answer.raise_for_status().json()
        return User(session["user"]["id"], session["access_token"], email, password)

    return make
