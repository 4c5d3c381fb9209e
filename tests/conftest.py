"""For the tests that need them: the embedded Supabase, started once per process of tests in a temporary home,
and tiny models, made once per machine."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import httpx
import psycopg
import pytest
import structlog

from tests.paths import ROOT
from worker.local.stack import LocalStack, StackInfo

TINY_MODELS = ROOT / os.environ.get("KIZU_HOME", ".kizu") / "test-models"


class User(NamedTuple):
    """Someone who has signed up, with a session."""

    user_id: str
    access_token: str
    email: str
    password: str


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where processes share the files among them, slow ones come first: else one would be late at the end."""
    if hasattr(config, "workerinput"):
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def _plain_logs() -> Iterator[None]:
    """A command that was tested has set up logging for its own process; the next test begins afresh."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def stack() -> Iterator[StackInfo]:
    """A running stack with all migrations applied, shared by all tests of this process.

    Not in pytest's folder: another pytest that starts meanwhile closes that to Postgres, which is not root.
    """
    with TemporaryDirectory(prefix="kizu-tests-", ignore_cleanup_errors=True) as home:
        local = LocalStack(Path(home), fsync=False)
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


@pytest.fixture(scope="session")
def tiny_models() -> Path:
    """A MODEL_CACHE_DIR for MODEL_PROFILE=tiny; kept from run to run, so leave what is in it alone."""
    for package in ("easyocr", "onnx", "open_clip", "torch", "transformers", "ultralytics"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed: scripts/install")
    made = subprocess.run(
        [sys.executable, "-m", "scripts.test_models", str(TINY_MODELS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return TINY_MODELS
