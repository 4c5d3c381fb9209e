"""Models made ready before anybody waits for them: weights fetched, graphs written, once per machine."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable

from rich.progress import Progress, TaskID

from models.errors import ModelError
from models.spec import Variant
from models.weights.store import Weights
from worker.commands.models.entry import choose
from worker.settings import Settings

EXPORT_SECONDS = 600
"""The most that writing all graphs takes on a slow machine."""


def selected(settings: Settings) -> list[Variant]:
    """The models that the settings select, one for each task."""
    return [model.variant for model in choose(["all"], settings)]


def chosen_models(settings: Settings) -> dict[str, str]:
    """The variables with which another process selects the same models."""
    names = ("model_profile", "embed_model", "faces_model", "objects_model", "caption_model")
    return {name.upper(): value for name in names if (value := getattr(settings, name))}


async def prepare(settings: Settings, progress: Progress) -> None:
    """Fetch the weights that are missing and may be fetched, and write the graphs that are made of them.

    What cannot be had is left to the worker to say.
    """
    weights = Weights(settings)
    lacking = [variant for variant in selected(settings) if weights.missing(variant)]
    if not lacking or not settings.model_downloads:
        return
    for variant in lacking:
        try:
            await asyncio.to_thread(weights.pull, variant, bars_in(progress))
        except ModelError as error:
            progress.console.print(f"{variant.version}: {error}", markup=False)
    task = progress.add_task("models prepared, once", total=None)
    await asyncio.to_thread(write_graphs, settings)
    progress.update(task, total=1, completed=1)


def bars_in(progress: Progress) -> Callable[[str, int, int | None], None]:
    """What shows each download as a bar, in megabytes."""
    bars: dict[str, TaskID] = {}

    def show(name: str, done: int, total: int | None) -> None:
        if name not in bars:
            bars[name] = progress.add_task(f"{name} (MB)", total=None)
        megabytes = None if total is None else round(total / 1e6)
        progress.update(bars[name], completed=round(done / 1e6), total=megabytes)

    return show


def write_graphs(settings: Settings) -> None:
    """Run `kizu models export` in a process whose memory is then free again; what fails is said later."""
    command = [sys.executable, "-m", "worker", "models", "export", "--json"]
    try:
        subprocess.run(
            command,
            env={**os.environ, **chosen_models(settings)},
            capture_output=True,
            timeout=EXPORT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return
