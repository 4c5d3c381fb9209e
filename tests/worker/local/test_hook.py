"""The custom access token hook as GoTrue calls it: by whom, for how long, and what its failures become."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import jwt
import psycopg
import pytest

from tests.paths import ROOT
from worker.local.stack import StackInfo

pytestmark = pytest.mark.stack

OURS = ROOT / "supabase" / "migrations" / "20261121000220_worker_accounts.sql"
URI = "pg-functions://postgres/kizu/custom_access_token_hook"


@pytest.fixture
def hook(db: psycopg.Connection) -> Iterator[Callable[[str], None]]:
    """Replaces the hook's body; afterwards it is ours again."""

    def replace(body: str) -> None:
        db.execute(
            "create or replace function kizu.custom_access_token_hook(event jsonb) returns jsonb"  # type: ignore[arg-type]
            f" language plpgsql set search_path = '' as $$ begin {body} end; $$"
        )

    yield replace
    db.execute(OURS.read_text().encode())


@pytest.fixture
def sign_in(stack: StackInfo, make_user: Callable[[], Any]) -> Callable[[], httpx.Response]:
    someone = make_user()

    def ask() -> httpx.Response:
        return httpx.post(
            f"{stack.url}/auth/v1/token?grant_type=password",
            headers={"apikey": stack.publishable_key},
            json={"email": someone.email, "password": someone.password},
            timeout=30,
        )

    return ask


def test_auth_calls_it_as_its_own_role_and_takes_its_claims(
    hook: Callable[[str], None], sign_in: Callable[[], httpx.Response]
) -> None:
    hook(
        "return jsonb_set(event, '{claims,seen}', jsonb_build_array(current_user,"
        " event -> 'authentication_method', event ->> 'user_id' = event #>> '{claims,sub}',"
        " current_setting('statement_timeout')));"
    )
    token = sign_in().raise_for_status().json()["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["seen"] == ["supabase_auth_admin", "password", True, "2s"]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ("raise 'no';", 500, f"Error running hook URI: {URI}"),
        ("return null;", 500, "iss, aud, exp"),
        ("return event #- '{claims,session_id}';", 500, "session_id required"),
        ("""return '{"error": {"http_code": 403, "message": "not today"}}';""", 403, "not today"),
        ("delete from public.assets; return event;", 500, URI),
    ],
)
def test_its_failure_is_no_token(
    hook: Callable[[str], None],
    sign_in: Callable[[], httpx.Response],
    body: str,
    status: int,
    says: str,
) -> None:
    hook(body)
    answer = sign_in()
    assert answer.status_code == status
    assert answer.json().keys() == {"code", "error_code", "msg"}
    assert says in answer.json()["msg"]
    assert "eyJ" not in answer.text


def test_it_has_two_seconds(hook: Callable[[str], None], sign_in: Callable[[], httpx.Response]) -> None:
    hook("perform pg_catalog.pg_sleep(20); return event;")
    began = time.monotonic()
    assert sign_in().status_code == 500
    assert time.monotonic() - began < 10
