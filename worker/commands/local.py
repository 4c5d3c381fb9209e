"""`kizu local`: The embedded Supabase: Postgres and one Deno process on this machine, under KIZU_HOME."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from worker.core.errors import StartupError
from worker.output import Group, as_json, print_json, say
from worker.settings import read_settings

if TYPE_CHECKING:
    from worker.local.stack import LocalStack, StackInfo


@click.group(cls=Group)
def local() -> None:
    """The embedded Supabase: Postgres and one Deno process on this machine, under KIZU_HOME."""


@local.command()
@as_json
def up(as_json: bool) -> None:
    """Start it, or start again what has died; applies new migrations."""
    _print(_fields(_stack().up()), as_json)


@local.command()
def down() -> None:
    """Stop it; the data stay."""
    _stack().down()
    say("stopped")


@local.command()
@as_json
def status(as_json: bool) -> None:
    """Say what is running, and its address and keys; exit code 1 if anything is not."""
    state = _stack().status()
    fields: dict[str, Any] = {
        "running": state.running,
        "database_running": state.database_running,
        "gateway_running": state.gateway_running,
        **(_fields(state.info) if state.info else {}),
    }
    _print(fields, as_json)
    if not state.running:
        raise SystemExit(1)


@local.command()
@click.confirmation_option(prompt="Delete all users, photos and results of the embedded Supabase?")
@as_json
def reset(as_json: bool) -> None:
    """Delete everything and start anew, with the same ports and keys."""
    _print(_fields(_stack().reset()), as_json)


@local.command()
@click.option("--role", default="kizu_worker", show_default=True, help="Postgres role of the bearer.")
@click.option("--days", default=30, show_default=True, help="How long it is valid.")
def token(role: str, days: int) -> None:
    """Print a JWT for KIZU_WORKER_TOKEN, signed with the embedded Supabase's signing key."""
    stack = _stack()
    from worker.local.stack import mint_token

    say(mint_token(stack.up(), role=role, ttl=days * 86400))


def _stack() -> LocalStack:
    """The stack under KIZU_HOME. Imported only here: a worker's image has nothing of it installed."""
    try:
        from worker.local.stack import LocalStack
    except ModuleNotFoundError as error:
        raise StartupError(f"{error.name} is missing: pip install 'kizu-worker[local]'") from error
    return LocalStack(read_settings().kizu_home)


def _fields(info: StackInfo) -> dict[str, Any]:
    return {
        "url": info.url,
        "publishable_key": info.publishable_key,
        "secret_key": info.secret_key,
        "database_url": info.database_url,
    }


def _print(fields: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(fields)
        return
    for name, value in fields.items():
        say(f"{name}: {value}")


COMMAND = local
