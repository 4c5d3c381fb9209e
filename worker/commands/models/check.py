"""`kizu models check`: are the weights right, and do the models load and answer?"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

import click
from PIL import Image

from models.catalog import discover
from models.errors import BadWeights, ModelError
from models.frame import Frame
from models.serving.profile import resolved
from models.serving.remote import RemoteModels
from models.tasks import Task
from models.weights.store import Weights
from worker.commands.models.entry import Entry, choose, describe, print_entries
from worker.output import as_json, say
from worker.settings import Settings, read_settings


@click.command()
@click.argument("wanted", metavar="[TASK|NAME|VERSION]…", nargs=-1)
@click.option("--load", is_flag=True, help="Load each, too, and let it look at a small picture.")
@as_json
def check(wanted: tuple[str, ...], load: bool, as_json: bool) -> None:
    """Verify the weights of the models that the settings select, or of some; exit code 1 if any is not right.

    Only a model that the settings select can be loaded.
    """
    settings = resolved(read_settings())
    weights = Weights(settings)
    entries = [
        describe(chosen, settings, weights, thorough=True) for chosen in choose(wanted or ("all",), settings)
    ]
    if load:
        entries = asyncio.run(_loaded(entries, settings))
    print_entries(entries, as_json)


async def _loaded(entries: list[Entry], settings: Settings) -> list[Entry]:
    """The entries after each model has been tried, in the process where jobs have it run."""
    remote = RemoteModels(settings.model_copy(update={"model_downloads": False}))
    try:
        return [await _tried(entry, remote) for entry in entries]
    finally:
        await remote.close()


async def _tried(entry: Entry, remote: RemoteModels) -> Entry:
    if entry.problem or not entry.selected:
        return entry
    task = _task(entry.task)
    if task.trial is None:
        return entry
    started = time.perf_counter()
    try:
        answer = await remote.run(task, *task.trial(_picture()))
    except ModelError as error:
        state = "bad" if isinstance(error, BadWeights) else entry.weights
        return replace(entry, weights=state, problem=f"{error.code}: {error}")
    finally:
        with suppress(ModelError):
            await remote.unload(task)
    identity = answer.model
    seconds = time.perf_counter() - started
    say(
        f"{identity.version}: loaded and tried in {seconds:.1f} s,"
        f" {identity.backend} {identity.precision} on {identity.device}",
        err=True,
    )
    return entry


def _task(name: str) -> Task[Any]:
    return next(spec.task for spec in discover() if spec.task.name == name)


def _picture() -> Frame:
    """A small picture to try any model with."""
    return Frame.of(Image.linear_gradient("L").resize((320, 240)))
