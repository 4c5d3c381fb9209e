"""A project's signing keys (ES256) and the worker tokens that an operator signs with them."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any, TypeAlias

from worker.core.errors import StartupError

SigningKey: TypeAlias = dict[str, Any]
"""A private key as a JWK, in the form that `supabase gen signing-key` writes and Supabase imports."""

WORKER_ROLE = "kizu_worker"
CLOCKS_DIFFER = 1
"""Seconds that a token's beginning is set back: PostgREST refuses one from its future."""


def new_signing_key() -> SigningKey:
    """A new private key on the curve P-256, named by a random `kid`."""
    # Imported here and below, because few commands need them and they are slow to import.
    from cryptography.hazmat.primitives.asymmetric import ec
    from jwt.algorithms import ECAlgorithm

    key = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
    return {
        **key,
        "kid": str(uuid.uuid4()),
        "use": "sig",
        "key_ops": ["sign", "verify"],
        "alg": "ES256",
        "ext": True,
    }


def read_signing_key(text: str) -> SigningKey:
    """The private key in a file: a JWK, or a list of them, of which the first is taken.

    Raises:
        StartupError: it is something else; the message never repeats it.
    """
    try:
        found = json.loads(text)
        key = found[0] if isinstance(found, list) else found
        _private_key(key)
    except Exception:  # whatever the libraries make of a file of any kind
        raise StartupError(
            "This is no signing key: expected a private ES256 key as a JWK with a kid, as `kizu token key` or"
            " `supabase gen signing-key --algorithm ES256` writes it"
        ) from None
    signing_key: SigningKey = key
    return signing_key


def signed_token(key: SigningKey, *, role: str, seconds: float, sub: str | None = None) -> str:
    """A JWT for `role` (and user `sub`) that is valid for `seconds`."""
    import jwt

    now = time.time()
    claims: dict[str, object] = {
        "role": role,
        "iat": int(now) - CLOCKS_DIFFER,
        "exp": int(now + seconds),
        "jti": str(uuid.uuid4()),
    }
    if sub is not None:
        claims["sub"] = sub
    return jwt.encode(claims, _private_key(key), algorithm="ES256", headers={"kid": key["kid"]})


def _private_key(key: SigningKey) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from jwt.algorithms import ECAlgorithm

    private = ECAlgorithm(ECAlgorithm.SHA256).from_jwk(key)
    if (
        not isinstance(private, EllipticCurvePrivateKey)
        or private.curve.name != "secp256r1"
        or not key["kid"]
    ):
        raise ValueError("not a private key of P-256 with a kid")
    return private
