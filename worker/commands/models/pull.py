"""`kizu models pull`: weights are downloaded before anybody waits for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from models.errors import BadWeights, WeightsMissing
from models.serving.profile import resolved
from models.weights.store import Weights
from worker.commands.models.entry import Chosen, Entry, choose, describe, print_entries
from worker.output import as_json
from worker.settings import Settings, read_settings


@click.command()
@click.argument("wanted", metavar="all|TASK|NAME|VERSION…", nargs=-1, required=True)
@as_json
def pull(wanted: tuple[str, ...], as_json: bool) -> None:
    """Fetch weights: of all the models that the settings select, or of some.

    A model may be called by its task, its name or its version, as `kizu models list` has them.
    """
    settings = resolved(read_settings())
    weights = Weights(settings)
    with _progress_bars(quiet=as_json) as progress:
        entries = [
            _pulled(chosen, settings, weights, progress, named="all" not in wanted)
            for chosen in choose(wanted, settings)
        ]
    print_entries(entries, as_json)


def _pulled(chosen: Chosen, settings: Settings, weights: Weights, progress: _Bars, *, named: bool) -> Entry:
    """Fetch what is missing, unless its licence is refused: that is a failure only if it was `named`."""
    entry = describe(chosen, settings, weights)
    if not entry.allowed:
        return entry if named else replace(entry, weights="skipped")
    try:
        weights.pull(chosen.variant, progress)
    except (WeightsMissing, BadWeights) as error:
        state = "bad" if isinstance(error, BadWeights) else "missing"
        return replace(entry, weights=state, problem=str(error))
    return describe(chosen, settings, weights)


class _Bars:
    """A progress bar per file that is downloaded."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._known: dict[str, Any] = {}

    def __call__(self, name: str, done: int, total: int | None) -> None:
        if name not in self._known:
            self._known[name] = self._bars.add_task(name, total=total)
        self._bars.update(self._known[name], completed=done, total=total)


@contextmanager
def _progress_bars(*, quiet: bool) -> Iterator[_Bars]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as bars:
        yield _Bars(bars)
