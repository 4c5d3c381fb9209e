"""The demo user of one installation, who is signed up on first use."""

from __future__ import annotations

import json
import os
import secrets

import httpx

from worker.core.errors import StartupError
from worker.local.stack import StackInfo
from worker.settings import Settings, read_settings

EMAIL = "demo@kizu.example"


async def sign_up(info: StackInfo) -> Settings:
    """Settings with which the demo user's own programs sign in."""
    email, password = await _account(info)
    return read_settings(
        supabase_url=info.url,
        supabase_publishable_key=info.publishable_key,
        supabase_secret_key=None,
        kizu_worker_token=None,
        kizu_email=email,
        kizu_password=password,
    )


async def _account(info: StackInfo) -> tuple[str, str]:
    """The demo user's e-mail and password, which are kept for those who want to act as this user."""
    path = info.home / "demo.json"
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"email": EMAIL, "password": secrets.token_urlsafe(18)}, file)
    account = json.loads(path.read_text())
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        answer = await client.post(
            f"{info.url}/auth/v1/signup", headers={"apikey": info.publishable_key}, json=account
        )
    known_already = answer.status_code in (400, 422)
    if not answer.is_success and not known_already:
        raise StartupError(f"the demo user could not be signed up: {answer.status_code}")
    return account["email"], account["password"]
