"""Signing keys, and tokens signed with them, as other libraries read them."""

from __future__ import annotations

import json
import time

import jwt
import pytest

from worker.core.errors import StartupError
from worker.signing import new_signing_key, read_signing_key, signed_token

KEY = new_signing_key()
PUBLIC = {name: value for name, value in KEY.items() if name not in ("d", "key_ops")}


def test_a_token_is_checked_with_the_public_half() -> None:
    token = signed_token(KEY, role="kizu_worker", seconds=60)
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "kid": KEY["kid"], "typ": "JWT"}
    claims = jwt.decode(token, jwt.PyJWK(PUBLIC), algorithms=["ES256"])
    assert claims["role"] == "kizu_worker"
    assert claims["exp"] - time.time() == pytest.approx(60, abs=2)
    assert claims["iat"] <= time.time()
    assert "sub" not in claims
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, jwt.PyJWK(new_signing_key()), algorithms=["ES256"])


def test_no_two_tokens_or_keys_are_the_same() -> None:
    tokens = {signed_token(KEY, role="kizu_worker", seconds=60) for _ in range(3)}
    assert len(tokens) == 3
    assert new_signing_key()["kid"] != KEY["kid"]


def test_a_key_is_read_alone_or_from_a_list() -> None:
    for text in (json.dumps(KEY), json.dumps([KEY, new_signing_key()])):
        assert read_signing_key(text) == KEY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "-----BEGIN PRIVATE KEY-----",
        json.dumps(PUBLIC),
        json.dumps({**KEY, "kid": ""}),
        json.dumps({name: value for name, value in KEY.items() if name != "kid"}),
        json.dumps({**KEY, "d": "AAAA"}),
        json.dumps({"kty": "oct", "k": "c2VjcmV0", "kid": "a"}),
    ],
)
def test_what_is_no_private_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(StartupError) as caught:
        read_signing_key(text)
    assert "kizu token key" in str(caught.value)
    assert KEY["x"] not in str(caught.value)
