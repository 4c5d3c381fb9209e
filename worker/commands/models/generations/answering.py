"""`kizu models generations flip` and `rollback`: another generation answers, or the one before it again."""

from __future__ import annotations

from typing import Any

import click

from worker.commands.models.generations.service import as_service
from worker.generations import TASKS
from worker.library import changing
from worker.output import as_json, print_json, say
from worker.project.connection import Connection
from worker.project.tables import Row
from worker.target import read_target

force = click.option("--force", is_flag=True, help="Also where photos are missing that are found now.")


@click.command()
@click.argument("wanted", metavar="ID|VERSION")
@force
@as_json
def flip(wanted: str, force: bool, as_json: bool) -> None:
    """Let another generation answer, from one moment to the next.

    The one that answered is kept up until it is dropped, so that `rollback` loses nothing.
    """

    async def act(connection: Connection) -> dict[str, Row | None]:
        row = changing.named(await changing.rows_of(connection), wanted)
        return await changing.flip(connection, row, force=force)

    _show(as_service(read_target(), act), as_json)


@click.command()
@click.argument("kind", type=click.Choice(list(TASKS)))
@force
@as_json
def rollback(kind: str, force: bool, as_json: bool) -> None:
    """Let the generation answer again that did before."""

    async def act(connection: Connection) -> dict[str, Row | None]:
        return await changing.roll_back(connection, kind, force=force)

    _show(as_service(read_target(), act), as_json)


def _show(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    active, former = answer["active"], answer["former"]
    if former is None:
        say(f"{active['kind']}: {active['model_version']} answers already")
        return
    say(f"{active['kind']}: {active['model_version']} answers")
    say(
        f"{former['model_version']} is kept up: `kizu models generations rollback {active['kind']}` goes "
        f"back to it, `kizu models generations drop {former['id']}` gives it up"
    )
