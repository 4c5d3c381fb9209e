"""Models as commands speak of them: which there are, which are meant, and what is known of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

import click

from models.catalog import discover
from models.errors import LicenceRefused, ModelError, UnknownModel
from models.people.scale import Scale
from models.selection import check_licence, check_name, check_packages, select
from models.spec import AnySpec, Variant
from models.weights.store import Weights
from worker.output import print_json, say
from worker.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One model of the catalog, as the settings configure it."""

    task: str
    name: str
    version: str | None = None
    """None: the settings do not fit it."""
    selected: bool = False
    """Whether jobs use it."""
    licence: str = ""
    use: str = ""
    """Of its licence: free, copyleft, non_commercial."""
    allowed: bool = True
    """By MODEL_LICENCES."""
    installed: bool = True
    """Its packages."""
    weights: str = "missing"
    """present, missing or bad; or package, where they come with one."""
    bytes: int | None = None
    """Of its files, as far as known."""
    scale: Scale | None = None
    """How it measures the likeness of faces, if it does."""
    files: tuple[str, ...] = ()
    graphs: str | None = None
    """The folder of those exported from its weights, where a command has just made or found them."""
    problem: str = ""
    """Why it cannot be used now, and what helps."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A model that a command is about."""

    spec: AnySpec
    variant: Variant
    selected: bool


def choose(wanted: Iterable[str], settings: Settings) -> list[Chosen]:
    """The models that a person means by task, name or version; `all` are those that the settings select.

    Raises:
        click.UsageError: nothing is called so, or a setting names a model that nobody knows.
    """
    check_names(settings)
    everything = _everything(settings)
    chosen: list[Chosen] = []
    for name in wanted:
        found = [
            model
            for model in everything
            if (model.selected and name in ("all", model.spec.task.name))
            or name in (model.spec.name, model.variant.version)
        ]
        if not found and name != "all":
            known = {name for model in everything for name in (model.spec.task.name, model.spec.name)}
            raise click.UsageError(f"{name!r} is no model here; there are {', '.join(sorted(known))}")
        chosen += [model for model in found if model not in chosen]
    return chosen


def check_names(settings: Settings) -> None:
    """Raises `click.UsageError` where a setting names a model that nobody knows."""
    specs = discover()
    try:
        for task in {spec.task.name for spec in specs}:
            check_name(specs, task, settings)
    except UnknownModel as error:
        raise click.UsageError(str(error)) from None


def _everything(settings: Settings) -> list[Chosen]:
    """Every model of the catalog that the settings fit."""
    found = []
    for spec in discover():
        with suppress(UnknownModel):
            found.append(Chosen(spec, spec.select(settings), _is_selected(spec, settings)))
    return found


def _is_selected(spec: AnySpec, settings: Settings) -> bool:
    with suppress(UnknownModel):
        return select(discover(), spec.task.name, settings)[0].name == spec.name
    return False


def all_entries(settings: Settings) -> list[Entry]:
    """Every model of the catalog, without reading a file for it."""
    weights = Weights(settings)
    return [_entry(spec, settings, weights) for spec in discover()]


def problems_of(entries: Sequence[Entry]) -> list[str]:
    """What keeps a task from being done: its selected model's problem; those of all where none fits."""
    served = {entry.task for entry in entries if entry.selected}
    return [
        f"{entry.task}: {entry.problem}"
        for entry in entries
        if entry.problem and (entry.selected or entry.task not in served)
    ]


def _entry(spec: AnySpec, settings: Settings, weights: Weights) -> Entry:
    try:
        variant = spec.select(settings)
    except UnknownModel as error:
        return Entry(task=spec.task.name, name=spec.name, problem=str(error))
    return describe(Chosen(spec, variant, _is_selected(spec, settings)), settings, weights)


def describe(chosen: Chosen, settings: Settings, weights: Weights, *, thorough: bool = False) -> Entry:
    """What is known of a model; `thorough` reads its files for their digests."""
    variant = chosen.variant
    states = weights.states(variant, thorough=thorough)
    worst = next((state for state in states if state.state == "bad"), None)
    worst = worst or next((state for state in states if state.state == "missing"), None)
    sizes = [
        state.path.stat().st_size if state.state == "present" else state.file.size or 0 for state in states
    ]
    entry = Entry(
        task=chosen.spec.task.name,
        name=chosen.spec.name,
        version=variant.version,
        selected=chosen.selected,
        licence=variant.licence.name,
        use=variant.licence.use,
        weights=worst.state if worst else "present" if states else "package",
        bytes=sum(sizes) or None,
        scale=variant.scale,
        files=tuple(str(state.path) for state in states),
        problem=worst.problem if worst else "",
    )
    try:
        check_licence(variant, settings)
    except LicenceRefused as error:
        entry = replace(entry, allowed=False, problem=str(error))
    try:
        check_packages(variant)
    except ModelError as error:
        entry = replace(entry, installed=False, problem=str(error))
    return entry


def print_entries(entries: list[Entry], as_json: bool) -> None:
    """Print entries for a person or a program; ends with exit code 1 if any has a problem."""
    if as_json:
        print_json([asdict(entry) for entry in entries])
    else:
        for entry in entries:
            size = f", {entry.bytes / 1e6:.1f} MB" if entry.bytes else ""
            said = "come with its package" if entry.weights == "package" else entry.weights
            say(f"{entry.version}: weights {said}{size}")
            if entry.scale:
                say(f"  {entry.scale}")
            if entry.graphs:
                say(f"  graphs in {entry.graphs}")
            if entry.problem:
                say(f"  {entry.problem}", err=True)
    if any(entry.problem and entry.weights != "skipped" for entry in entries):
        raise SystemExit(1)
