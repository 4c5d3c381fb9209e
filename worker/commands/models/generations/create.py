"""`kizu models generations create`: another model is filled beside the one that answers."""

from __future__ import annotations

from typing import Any

import click

from models.serving.profile import resolved
from models.serving.remote import RemoteModels
from worker.commands.models.entry import check_names
from worker.commands.models.generations.service import Bar, as_service, progress_bar
from worker.generations import TASKS, Generations
from worker.library import changing
from worker.output import as_json, print_json, say
from worker.project.connection import Connection
from worker.project.tables import Row
from worker.settings import Settings
from worker.target import read_target


@click.command()
@click.argument("kind", type=click.Choice(list(TASKS)))
@click.option("--wait", is_flag=True, help="Until workers have filled it, or nothing moves any more.")
@as_json
def create(kind: str, wait: bool, as_json: bool) -> None:
    """Begin a generation of the model that the settings mean, and enqueue the jobs that fill it.

    The settings are a worker's: `EMBED_MODEL=open_clip CLIP_MODEL=ViT-L-14 CLIP_PRETRAINED=laion2b_s32b_b82k
    kizu models generations create pictures`. Vectors are made by workers, behind everything else they have to
    do, and no search knows of them before the flip. Run again, it goes on. Exit code 1 says that the model
    answers already, or is not to be had here; with --wait, also that photos are still missing.
    """
    settings = resolved(read_target())
    check_names(settings)
    try:
        with progress_bar() as bar:
            answer = as_service(settings, lambda connection: _create(connection, settings, kind, wait, bar))
    except KeyboardInterrupt:
        say(
            "stopped here; workers go on with what is enqueued, and with the rest when they have time",
            err=True,
        )
        raise SystemExit(1) from None
    if as_json:
        print_json(answer)
    else:
        _say(answer)
    if wait and answer["missing"]:
        raise SystemExit(1)


async def _create(
    connection: Connection, settings: Settings, kind: str, wait: bool, bar: Bar
) -> dict[str, Any]:
    bar.show("asking which model the settings mean", 0)
    async with RemoteModels(settings) as models:
        generations = Generations(connection.rpc, settings)
        row = await changing.begin(connection, models, generations, settings, kind)
    far = await changing.progress_of(connection, row["id"])
    looked_at = 0

    def on_page(photos: int) -> None:
        nonlocal looked_at
        looked_at += photos
        bar.show("enqueueing, photos", looked_at)

    filled = await changing.fill(connection, row["id"], on_page)
    if wait:

        def on_look(far: Row) -> None:
            bar.show("photos", far["photos"] - far["missing"], far["photos"])

        far = await changing.wait(connection, row["id"], on_look)
    return {"generation": row, **filled, **{name: far[name] for name in ("photos", "missing", "missed")}}


def _say(answer: dict[str, Any]) -> None:
    row, missing = answer["generation"], answer["missing"]
    version = row["model_version"]
    if row["state"] == "active":
        say(f"{version} answers: {row['kind']} had no generation yet")
        say("`kizu jobs missing --yes` enqueues what photos lack of it")
        return
    say(f"{row['id']} {version}: {row['state']}, {row['dimension']} numbers per vector")
    say(f"{answer['enqueued']} jobs enqueued; of {answer['photos']} photos {missing} are missing")
    if left := ", ".join(f"{count} {code}" for code, count in sorted(answer["missed"].items())):
        say(f"tried in vain: {left}")
    if missing:
        say(
            "workers that have the model fill it behind everything else, photos with another job under way "
            "after that: `kizu models generations list` says how far"
        )
    else:
        say(
            f"next: `kizu models generations compare {row['kind']}`, "
            f"`kizu models generations flip {row['id']}`"
        )
