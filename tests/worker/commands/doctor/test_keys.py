"""Which keys and tokens doctor names, and what it advises."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from worker.commands.doctor.check import Check
from worker.commands.doctor.keys import DAY, check_settings, check_token
from worker.settings import Settings
from worker.signing import new_signing_key, signed_token

NOW = 1_796_000_000.0
SECRET = "a shared secret of forty characters, say"
KEY = new_signing_key()


def legacy(role: str, **claims: object) -> str:
    return jwt.encode({"role": role, **claims}, SECRET, algorithm="HS256")


def es256(seconds: float) -> str:
    claims = {"role": "kizu_worker", "exp": int(NOW + seconds)}
    return jwt.encode(claims, jwt.PyJWK(KEY).key, algorithm="ES256", headers={"kid": KEY["kid"]})


def found(**fields: Any) -> list[Check]:
    keys = {"supabase_publishable_key": "sb_publishable_x", **fields}
    settings = Settings(_env_file=None, supabase_url="http://x", **keys)  # type: ignore[call-arg]
    return list(check_settings(settings, now=NOW))


def test_todays_keys_are_nothing_to_speak_of() -> None:
    assert found(supabase_secret_key="sb_secret_x", kizu_worker_token=es256(30 * DAY)) == []


@pytest.mark.parametrize(
    ("field", "role", "better"),
    [
        ("supabase_secret_key", "service_role", "sb_secret_"),
        ("supabase_publishable_key", "anon", "sb_publishable_"),
    ],
)
def test_a_legacy_key_is_named_with_its_end_and_what_replaces_it(field: str, role: str, better: str) -> None:
    key = legacy(role)
    (check,) = found(**{field: key})
    assert (check.subject, check.state) == (field.upper(), "warning")
    assert "legacy" in check.text
    assert "end of 2026" in check.text
    assert better in check.text
    assert key not in check.text


def test_a_token_of_the_shared_secret_is_named() -> None:
    token = legacy("kizu_worker", exp=int(NOW + 60 * DAY))
    (check,) = found(kizu_worker_token=token)
    assert (check.subject, check.state) == ("KIZU_WORKER_TOKEN", "warning")
    assert "HS256" in check.text
    assert "end of 2026" in check.text
    assert "kizu token" in check.text
    assert token not in check.text


@pytest.mark.parametrize(
    ("seconds", "state", "says"),
    [(2 * DAY, "warning", "expires in 2.0 days"), (-DAY, "failed", "expired 1.0 days ago")],
)
def test_a_tokens_end_is_foreseen(seconds: float, state: str, says: str) -> None:
    (check,) = found(kizu_worker_token=es256(seconds))
    assert check.state == state
    assert says in check.text


def test_a_token_without_an_end_is_named() -> None:
    assert "never expires" in found(kizu_worker_token=legacy("kizu_worker"))[1].text


def test_what_is_no_token_fails() -> None:
    (check,) = found(kizu_worker_token="abc")
    assert check.state == "failed"


def test_a_token_in_use_is_held_against_the_projects_keys() -> None:
    token = signed_token(KEY, role="kizu_worker", seconds=60)
    assert check_token(token, [KEY["kid"]], from_auth=False).state == "ok"
    assert check_token(token, None, from_auth=False).state == "ok"
    revoked = check_token(token, ["another"], from_auth=False)
    assert revoked.state == "failed"
    assert KEY["kid"] in revoked.text
    assert check_token("sb_secret_x", [], from_auth=False).state == "ok"
    by_auth = check_token(legacy("authenticated"), [], from_auth=True)
    assert by_auth.state == "warning"
    assert "the project signs with the legacy JWT secret" in by_auth.text
