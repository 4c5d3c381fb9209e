"""Who a key or token stands for, as far as it says so itself."""

from __future__ import annotations

import base64
import json
from uuid import uuid4

import pytest

from worker.core.errors import AuthFailed
from worker.project.caller import Caller, caller_of_key, caller_of_token

USER = uuid4()


def token(**claims: object) -> str:
    parts = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, claims)
    )
    return ".".join([*parts, "signature"])


@pytest.mark.parametrize(
    ("claims", "caller"),
    [
        ({"role": "service_role"}, Caller("service")),
        ({"role": "kizu_worker"}, Caller("worker")),
        ({"role": "authenticated", "sub": str(USER)}, Caller("user", USER)),
    ],
)
def test_role_of_a_token_is_the_identity(claims: dict[str, object], caller: Caller) -> None:
    assert caller_of_token(token(**claims), origin="X") == caller


@pytest.mark.parametrize(
    "text",
    [
        token(role="anon"),
        token(role="postgres"),
        token(role=["service_role"]),
        token(),
        token(role="authenticated"),
        token(role="authenticated", sub="not a uuid"),
        "",
        "a.b.c",
        "a.b",
        "x." + base64.urlsafe_b64encode(b"[1]").decode() + ".y",
        "x." + base64.urlsafe_b64encode(b"\xff").decode() + ".y",
    ],
)
def test_other_tokens_are_refused_by_name_and_not_repeated(text: str) -> None:
    with pytest.raises(AuthFailed, match="KIZU_WORKER_TOKEN") as refusal:
        caller_of_token(text, origin="KIZU_WORKER_TOKEN")
    assert not text or text not in str(refusal.value)


def test_secret_keys_of_both_kinds_are_the_service() -> None:
    assert caller_of_key("sb_secret_abc") == Caller("service")
    assert caller_of_key(token(role="service_role")) == Caller("service")


@pytest.mark.parametrize(
    "key", ["sb_publishable_abc", token(role="anon"), token(role="kizu_worker"), "nonsense"]
)
def test_a_key_that_is_not_secret_is_no_secret_key(key: str) -> None:
    with pytest.raises(AuthFailed, match="SUPABASE_SECRET_KEY"):
        caller_of_key(key)
