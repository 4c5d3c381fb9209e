"""Who the worker is, read from the key or token it was given."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from worker.core.errors import AuthFailed


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom the project takes us for: `service` and `worker` serve every user, `user` only `user_id`."""

    kind: Literal["service", "worker", "user"]
    user_id: UUID | None = None


def caller_of_key(key: str) -> Caller:
    """The caller that a secret key stands for.

    Raises:
        AuthFailed: it is a publishable or anon key, or no key of Supabase at all.
    """
    if key.startswith("sb_secret_"):
        return Caller("service")
    if key.startswith("sb_publishable_"):
        raise AuthFailed("SUPABASE_SECRET_KEY holds a publishable key: expected sb_secret_…")
    caller = caller_of_token(key, origin="SUPABASE_SECRET_KEY")
    if caller.kind != "service":
        raise AuthFailed("SUPABASE_SECRET_KEY holds a token of another role: expected service_role")
    return caller


def caller_of_token(token: str, *, origin: str) -> Caller:
    """The caller that a JWT names; its signature is for the server to check.

    Raises:
        AuthFailed: not a JWT, or a role that may not work here; the message names `origin`, never the token.
    """
    claims = claims_of(token, origin=origin)
    match claims.get("role"):
        case "service_role":
            return Caller("service")
        case "kizu_worker":
            return Caller("worker")
        case "authenticated":
            return Caller("user", _user_id(claims, origin))
        case role:
            raise AuthFailed(
                f"{origin} has the role {role!r}: expected service_role, kizu_worker or authenticated"
            )


def claims_of(token: str, *, origin: str) -> Mapping[str, Any]:
    """The unverified payload of a JWT.

    Raises:
        AuthFailed: not a JWT.
    """
    return _part_of(token, 1, origin)


def header_of(token: str, *, origin: str) -> Mapping[str, Any]:
    """The unverified header of a JWT, which says how it is signed, and with which key.

    Raises:
        AuthFailed: not a JWT.
    """
    return _part_of(token, 0, origin)


def _part_of(token: str, place: int, origin: str) -> Mapping[str, Any]:
    parts = token.split(".")
    try:
        if len(parts) != 3:
            raise ValueError
        part = json.loads(base64.urlsafe_b64decode(parts[place] + "=" * (-len(parts[place]) % 4)))
        if not isinstance(part, dict):
            raise ValueError
    except (ValueError, binascii.Error):
        raise AuthFailed(f"{origin} is not a JWT: expected three base64url parts with dots between") from None
    return part


def _user_id(claims: Mapping[str, Any], origin: str) -> UUID:
    try:
        return UUID(str(claims.get("sub")))
    except ValueError:
        raise AuthFailed(f"{origin} names no user: expected a UUID in its claim sub") from None
