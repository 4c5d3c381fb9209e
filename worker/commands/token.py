"""`kizu token`: Worker tokens: make a signing key, sign with it, or let an account be a worker."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import click

from worker.core.errors import JobError, StartupError
from worker.output import CommandFailed, say
from worker.signing import WORKER_ROLE, new_signing_key, read_signing_key, signed_token
from worker.target import read_target


@click.group()
def token() -> None:
    """Worker tokens: make a signing key, sign with it, or let an account be a worker."""


@token.command(short_help="Make a private ES256 signing key in FILE.")
@click.argument("file", type=click.Path(path_type=Path))
def key(file: Path) -> None:
    """Make a private ES256 signing key in FILE, which must not exist; for its owner's eyes only."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CommandFailed(f"{file} is there already, and is left as it is") from None
    with os.fdopen(descriptor, "w") as opened:
        json.dump(new_signing_key(), opened)
    say(f"{file} holds a private key. Import it into the project as a standby key (under JWT Keys,")
    say("or signing_keys_path in config.toml), keep the file off the workers, and sign: kizu token mint FILE")


@token.command(short_help="Print a token signed with the key in FILE.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--days", default=30, show_default=True, type=click.IntRange(1, 3650), help="How long it is valid."
)
def mint(file: Path, days: int) -> None:
    """Print a token for KIZU_WORKER_TOKEN, signed with the private key in FILE.

    It is valid until it ends or the project revokes the key; nothing takes back one token alone.
    """
    signing_key = read_signing_key(file.read_text(encoding="utf-8", errors="replace"))
    say(signed_token(signing_key, role=WORKER_ROLE, seconds=days * 86400))


@token.command(short_help="Let the account EMAIL sign in as a worker.")
@click.argument("email")
@click.option(
    "--revoke", is_flag=True, help="Make it an ordinary account again, at its token's next refresh."
)
def account(email: str, revoke: bool) -> None:
    """Let the account EMAIL be a worker: KIZU_EMAIL and KIZU_PASSWORD then sign in with the worker's role.

    Needs SUPABASE_SECRET_KEY, and the custom access token hook switched on in the project's Auth settings.
    """
    settings = read_target()
    from worker.project.connection import Connection

    async def tell() -> None:
        async with Connection(settings) as connection:
            await connection.rpc("set_worker_account", {"p_email": email, "p_works": not revoke})

    try:
        asyncio.run(tell())
    except (JobError, StartupError) as error:
        raise CommandFailed(f"{error.code}: {error}") from error
    say(f"{email} is {'an ordinary account again' if revoke else 'a worker'}")


COMMAND = token
