"""`kizu models generations drop`: the vectors of a model that answers no more are deleted."""

from __future__ import annotations

from typing import Any

import click

from worker.commands.models.generations.service import Bar, as_service, progress_bar
from worker.library import changing
from worker.output import as_json, print_json, say
from worker.project.connection import Connection
from worker.target import read_target


@click.command()
@click.argument("wanted", metavar="ID|VERSION")
@click.option("--yes", is_flag=True, help="Do it; without, only say what would go.")
@as_json
def drop(wanted: str, yes: bool, as_json: bool) -> None:
    """Delete a generation that does not answer, in batches: its vectors, its facts, its index.

    There is no going back to it. A face that people named and that no other generation has found is kept, for
    a model that finds it again. Stopped and run again, it goes on.
    """
    try:
        with progress_bar() as bar:
            answer = as_service(read_target(), lambda connection: _drop(connection, wanted, yes, bar))
    except KeyboardInterrupt:
        say(f"stopped here; `kizu models generations drop {wanted} --yes` goes on", err=True)
        raise SystemExit(1) from None
    if as_json:
        print_json(answer)
        return
    row = answer["generation"]
    if not yes:
        say(
            f"{row['model_version']} ({row['state']}): vectors of {answer['known']} photos would be deleted, "
            "and what was made of them; add --yes"
        )
        return
    say(f"{row['model_version']} is dropped: {answer['deleted']} rows deleted")
    if answer["kept"]:
        say(f"{answer['kept']} faces that people named and no other model has found are kept, unseen")


async def _drop(connection: Connection, wanted: str, yes: bool, bar: Bar) -> dict[str, Any]:
    row = changing.named(await changing.rows_of(connection), wanted)
    changing.check_droppable(row)
    if not yes:
        (told,) = await changing.with_progress(connection, [row])
        return {"generation": row, "known": told["known"], "dry_run": True}
    deleted = 0

    def on_page(rows: int) -> None:
        nonlocal deleted
        deleted += rows
        bar.show("rows deleted", deleted)

    return {
        "generation": row,
        **await changing.drop(connection, row["id"], on_page),
        "dry_run": False,
    }
