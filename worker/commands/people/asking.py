"""What the words of `kizu people` share: whose library, how much of it, and what is said of an answer."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import click

from worker.commands.jobs import with_connection
from worker.library.people import clusters_of
from worker.log import printable
from worker.output import print_json, say
from worker.project.connection import Connection

of_user = click.option("--user", type=click.UUID, help="Whose people: for the project's secret key.")
faces = click.argument("faces", metavar="FACE...", nargs=-1, required=True, type=click.UUID)
person = click.argument("person")
contact = click.option("--contact", type=click.UUID, help="A contact by its id.")


class Cursor(click.ParamType[Any]):
    """Where a page begins: what the one before it ended with, in JSON."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return json.loads(value)
        except ValueError:
            self.fail("expected what the page before ended with", param, ctx)


def paged(most: int) -> Callable[[Any], Any]:
    """The options of a list: how many rows, and those after which."""

    def with_options(command: Any) -> Any:
        command = click.option(
            "--after", type=Cursor(), help="Where the page before said that there is more."
        )(command)
        return click.option("--limit", type=click.IntRange(1, most), default=50, show_default=True)(command)

    return with_options


def given(**args: Any) -> dict[str, Any]:
    """The arguments of a function that are given, under its names."""
    return {f"p_{name}": value for name, value in args.items() if value is not None}


def of_whom(connection: Connection, user: UUID | None) -> dict[str, Any]:
    """Whose people a function is about, as its argument; nothing says the caller's own.

    Raises:
        click.UsageError: the caller is no user, and none is given.
    """
    if user is None and connection.caller.user_id is None:
        raise click.UsageError(
            "whose library? Set KIZU_EMAIL and KIZU_PASSWORD (the demo's: .kizu/demo.json), or give --user"
        )
    return given(user=user)


def call(
    function: str, args: Mapping[str, Any], *, user: UUID | None, **people: str | Sequence[str] | None
) -> Any:
    """What a function answers; `people` are arguments that mean persons, by id, its beginning or name."""

    async def act(connection: Connection) -> Any:
        of = of_whom(connection, user)
        named = {name: wanted for name, wanted in people.items() if wanted is not None}
        flat = [one for wanted in named.values() for one in _listed(wanted)]
        found = dict(zip(flat, await clusters_of(connection, flat, of), strict=True))
        clusters = {
            name: found[wanted] if isinstance(wanted, str) else [found[one] for one in wanted]
            for name, wanted in named.items()
        }
        return await connection.rpc(function, {**args, **given(**clusters), **of})

    return with_connection(act)


def _listed(wanted: str | Sequence[str]) -> Sequence[str]:
    return [wanted] if isinstance(wanted, str) else wanted


def tell(answer: Mapping[str, Any], as_json: bool) -> None:
    """What a verb answers, a line per field."""
    if as_json:
        print_json(answer)
        return
    for name, value in answer.items():
        if value not in (None, [], {}):
            text = json.dumps(value) if isinstance(value, dict | list) else value
            say(printable(f"{name}: {text}"))


def tell_of_more(answer: Mapping[str, Any], what: str = "more") -> None:
    """How to see what comes after this page."""
    if answer["next"] is not None:
        say(printable(f"{what} with --after {shlex.quote(json.dumps(answer['next']))}"))


def share(value: float | None) -> str | None:
    """A share or a cosine, to two digits."""
    return None if value is None else f"{value:.2f}"
