"""Keys and tokens that end soon: legacy ones, and worker tokens near their end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import SecretStr

from worker.commands.doctor.check import Check
from worker.core.errors import AuthFailed
from worker.project.caller import claims_of, header_of
from worker.settings import Settings

DAY = 86400
SOON = 14 * DAY
"""Seconds before its end from which on a worker token is worth a warning."""
LEGACY_ENDS = "Supabase takes it until the end of 2026"
HOW_TO_REPLACE = (
    "sign a new one with an imported ES256 key (`kizu token key`, `kizu token mint`), or let an account be"
    " a worker (`kizu token account`)"
)


def check_settings(settings: Settings, *, now: float) -> Iterator[Check]:
    """Findings about every key and token that is set, whether it is the one in use or not."""
    keys = {
        "SUPABASE_SECRET_KEY": (settings.supabase_secret_key, "a secret key (sb_secret_…)"),
        "SUPABASE_PUBLISHABLE_KEY": (
            settings.supabase_publishable_key,
            "a publishable key (sb_publishable_…)",
        ),
    }
    for name, (key, better) in keys.items():
        if key and _text(key).startswith("eyJ"):
            yield Check(
                name,
                "warning",
                f"a legacy key; {LEGACY_ENDS}: set {better}, from Project Settings, API Keys, in its place",
            )
    if settings.kizu_worker_token:
        yield from _check_worker_token(_text(settings.kizu_worker_token), now)


def _check_worker_token(token: str, now: float) -> Iterator[Check]:
    name = "KIZU_WORKER_TOKEN"
    try:
        algorithm = header_of(token, origin=name).get("alg")
        ends = claims_of(token, origin=name).get("exp")
    except AuthFailed as error:
        yield Check(name, "failed", str(error))
        return
    if algorithm == "HS256":
        yield Check(
            name, "warning", f"signed with the legacy JWT secret (HS256); {LEGACY_ENDS}: {HOW_TO_REPLACE}"
        )
    if not isinstance(ends, int | float):
        yield Check(name, "warning", f"never expires, so whoever finds it is a worker: {HOW_TO_REPLACE}")
    elif ends <= now:
        yield Check(name, "failed", f"expired {(now - ends) / DAY:.1f} days ago: {HOW_TO_REPLACE}")
    elif ends - now < SOON:
        yield Check(name, "warning", f"expires in {(ends - now) / DAY:.1f} days: {HOW_TO_REPLACE}")


def check_token(token: str, kids: Sequence[str] | None, *, from_auth: bool) -> Check:
    """Whether the token in use is signed with one of the project's keys, of which `kids` are published."""
    if token.startswith("sb_"):
        return Check("signature", "ok", "a secret key, which is no token")
    header = header_of(token, origin="the token in use")
    if header.get("alg") == "HS256":
        who = "the project signs" if from_auth else "the token in use is signed"
        return Check(
            "signature",
            "warning",
            f"{who} with the legacy JWT secret (HS256); {LEGACY_ENDS}: migrate to signing keys under Project"
            " Settings, JWT Keys",
        )
    kid = str(header.get("kid"))
    if kids is not None and kid not in kids:
        return Check(
            "signature",
            "failed",
            f"the token's key {kid} is none of the project's: import it, or sign with another",
        )
    return Check("signature", "ok", f"{header.get('alg')} by the project's key {kid}")


def _text(secret: SecretStr) -> str:
    return secret.get_secret_value().strip()
