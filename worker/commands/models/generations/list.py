"""`kizu models generations list`: which there are, and how far each is."""

from __future__ import annotations

from typing import Any

import click

from models.serving.profile import resolved
from worker import operations
from worker.app import check_generations
from worker.commands.models.generations.service import as_service
from worker.core.errors import StartupError
from worker.generations import Generations
from worker.library.changing import rows_of, with_progress
from worker.output import as_json, print_json, print_table, say
from worker.project.connection import Connection
from worker.target import read_target

COLUMNS = (
    "id",
    "kind",
    "version",
    "state",
    "dimension",
    "known",
    "missing",
    "in vain",
    "cutoff",
    "faces",
    "since",
)


@click.command("list")
@as_json
def list_generations(as_json: bool) -> None:
    """Every generation: its model, how many photos it knows, and whether it answers."""
    settings = resolved(read_target())

    async def act(connection: Connection) -> dict[str, Any]:
        rows = await with_progress(connection, await rows_of(connection))
        generations = Generations(connection.rpc, settings)
        try:
            others = await check_generations(generations, settings, operations.discover().values())
        except StartupError as error:
            others = [str(error)]
        return {"generations": rows, "settings": others}

    answer = as_service(settings, act)
    if as_json:
        print_json(answer)
        return
    if not answer["generations"]:
        say("there is none yet: the first photo that a worker embeds begins one, of its settings' model")
        return
    print_table((shown(row) for row in answer["generations"]), COLUMNS)
    for other in answer["settings"]:
        say(f"! {other}")


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A generation as a line of the table."""
    cutoff = row["cutoff"]
    return {
        **row,
        "version": row["model_version"],
        "in vain": ", ".join(f"{count} {code}" for code, count in sorted(row["missed"].items())) or None,
        "cutoff": None if cutoff is None else f"{cutoff:.3f}",
        "faces": _cosines(row),
        "since": row["since"][:19],
    }


def _cosines(row: dict[str, Any]) -> str | None:
    """From which two faces may be one person, and are, as far as known."""
    known = [row[name] for name in ("maybe_face", "same_face") if row[name] is not None]
    return "-".join(f"{cosine:.2f}" for cosine in known) or None
