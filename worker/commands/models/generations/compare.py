"""`kizu models generations compare`: two models on one's own library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from models.serving.profile import resolved
from models.serving.remote import RemoteModels
from worker.commands.models.generations.service import Bar, as_service, progress_bar
from worker.core.errors import NotFound
from worker.generations import TASKS, Generation
from worker.library.changing import named, rows_of
from worker.library.comparing import SAMPLE, Comparison, Side
from worker.library.comparing import compare as look
from worker.output import as_json, print_json, print_table, say
from worker.project.connection import Connection
from worker.project.tables import Row
from worker.settings import Settings
from worker.target import read_target


@click.command()
@click.argument("kind", type=click.Choice(list(TASKS)), required=False)
@click.argument("other", metavar="[ID|VERSION]", required=False)
@click.option(
    "--sample",
    type=click.IntRange(1, 1000),
    default=SAMPLE,
    show_default=True,
    help="Most photos, captions or named faces looked at.",
)
@as_json
def compare(kind: str | None, other: str | None, sample: int, as_json: bool) -> None:
    """Compare the generation that answers with another one, on the library itself.

    Without an ID or VERSION that is the one being filled, else the newest. Of pictures: how many of the 20
    photos most like one they have in common, and how often a photo is found by its own caption; of faces: how
    many named ones each takes for the right person. Generations of pictures keep their `cutoff`, the cosine
    from which a picture answers a sentence. What needs a model that is not to be had here is left out.
    """
    settings = resolved(read_target())
    with progress_bar() as bar:
        found = as_service(settings, lambda connection: _look(connection, settings, kind, other, sample, bar))
    if as_json:
        print_json(found.as_json())
    else:
        _show(found)


async def _look(
    connection: Connection, settings: Settings, kind: str | None, other: str | None, sample: int, bar: Bar
) -> Comparison:
    one, another = pair(await rows_of(connection), kind, other)
    async with RemoteModels(settings) as models:
        return await look(
            connection, models, Generation.of(one), Generation.of(another), sample=sample, on_step=bar.show
        )


def pair(rows: Sequence[Row], kind: str | None, other: str | None) -> tuple[Row, Row]:
    """The generation of a kind that answers, and the other one that is meant.

    Raises:
        NotFound: there is no such pair.
    """
    kept = [row for row in rows if row["state"] in ("filling", "former") and kind in (None, row["kind"])]
    if other is not None:
        another = named([row for row in rows if kind in (None, row["kind"])], other)
    elif kept:
        another = max(kept, key=lambda row: (row["state"] == "filling", row["id"]))
    else:
        raise NotFound(
            f"there is no other generation{f' of {kind}' if kind else ''} to compare with: "
            "`kizu models generations create` begins one"
        )
    active = next((row for row in rows if (row["kind"], row["state"]) == (another["kind"], "active")), None)
    if active is None or another not in kept:
        raise NotFound(
            f"{another['model_version']} is {another['state']}: name one that is filling or former"
        )
    return active, another


def _show(found: Comparison) -> None:
    sides = (found.one, found.other)
    heads = [f"{side.version} ({side.state})" for side in sides]

    def row(name: str, *cells: Any) -> dict[str, Any]:
        return dict(zip(("", *heads), (name, *cells), strict=True))

    if found.kind == "faces":
        rows = [
            row("right person", *(side.right for side in sides)),
            row("wrong person", *(side.wrong for side in sides)),
            row("nobody", *(side.unsure for side in sides)),
        ]
    else:
        rows = [
            row(f"own photo first, of {found.captions} captions", *(_percent(side.first) for side in sides)),
            row("own photo among the first 20", *(_percent(side.among) for side in sides)),
            row("cutoff", *(_cutoff(side) for side in sides)),
        ]
    print_table(rows, ("", *heads))
    for side in sides:
        if side.lacks:
            say(f"! {side.version} could not be asked: {side.lacks}")
    say(found.meaning)


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.0%}"


def _cutoff(side: Side) -> str | None:
    return None if side.cutoff is None else f"{side.cutoff:.3f}"
