"""`kizu models`: The models that look at pictures: list them, get their weights, check them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from models.backends.exports import NotExportable
from models.backends.ways import is_installed
from models.catalog import discover
from models.errors import BadWeights, LicenceRefused, ModelError, UnknownModel, WeightsMissing
from models.frame import Frame
from models.machine.quiet import silence
from models.selection import check_licence, check_packages, select
from models.serving.remote import RemoteModels
from models.spec import AnySpec, Loading, Variant
from models.tasks import (
    CAPTION,
    EMBED,
    FACES,
    OBJECTS,
    OCR,
    TASKS,
    Captioner,
    CaptionRequest,
    Embedder,
    FaceFinder,
    ObjectDetector,
    TextReader,
)
from models.weights.store import Weights
from worker.output import as_json, print_json, print_table
from worker.settings import Settings, read_settings

LOOK_SECONDS = 120
"""The most that importing torch and ONNX Runtime takes on a slow disk."""
COLUMNS = ("task", "name", "version", "selected", "weights", "MB", "licence")


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


@click.group()
def models() -> None:
    """The models that look at pictures: list them, get their weights, check them."""


@models.command("list")
@as_json
def list_models(as_json: bool) -> None:
    """Every model with its licence and weights, and what this machine has to run them on."""
    settings = read_settings()
    entries = all_entries(settings)
    entries.sort(key=lambda entry: ([task.name for task in TASKS].index(entry.task), not entry.selected))
    machine = _look_at_machine(settings)
    if as_json:
        print_json({"machine": machine, "models": [asdict(entry) for entry in entries]})
        return
    print_table((_row(entry) for entry in entries), COLUMNS)
    for problem in problems_of(entries):
        click.echo(f"! {problem}")
    click.echo(
        f"device {machine['device'] or machine['problem']}, {machine['cores']} cores;"
        f" installed {', '.join(machine['backends']) or 'nothing to run models with'};"
        f" ONNX Runtime on {', '.join(machine['providers']) or 'nothing'}"
    )


@models.command()
@click.argument("wanted", metavar="all|TASK|NAME|VERSION…", nargs=-1, required=True)
@as_json
def pull(wanted: tuple[str, ...], as_json: bool) -> None:
    """Fetch weights: of all the models that the settings select, or of some.

    A model may be called by its task, its name or its version, as `kizu models list` has them.
    """
    settings = read_settings()
    weights = Weights(settings)
    with _shown(quiet=as_json) as progress:
        entries = [
            _pulled(chosen, settings, weights, progress, named="all" not in wanted)
            for chosen in _choose(wanted, settings)
        ]
    _tell(entries, as_json)


@models.command()
@click.argument("wanted", metavar="[TASK|NAME|VERSION]…", nargs=-1)
@click.option("--load", is_flag=True, help="Load each, too, and let it look at a small picture.")
@as_json
def check(wanted: tuple[str, ...], load: bool, as_json: bool) -> None:
    """Verify the weights of the models that the settings select, or of some; exit code 1 if any is not right.

    Only a model that the settings select can be loaded.
    """
    settings = read_settings()
    weights = Weights(settings)
    entries = [
        _described(chosen, settings, weights, thorough=True)
        for chosen in _choose(wanted or ("all",), settings)
    ]
    if load:
        entries = asyncio.run(_loaded(entries, settings))
    _tell(entries, as_json)


@models.command()
@click.argument("wanted", metavar="[TASK|NAME|VERSION]…", nargs=-1)
@as_json
def export(wanted: tuple[str, ...], as_json: bool) -> None:
    """Make the graphs that ONNX Runtime and OpenVINO run, which the first use of a model would wait for.

    Of the models that the settings select, or of some. Weights are not fetched: `kizu models pull` does that.
    """
    settings = read_settings()
    weights = Weights(settings.model_copy(update={"model_downloads": False}))
    silence(settings.model_cache_dir, threads=settings.model_threads)
    entries = [
        _exported(chosen, settings, weights)
        for chosen in _choose(wanted or ("all",), settings)
        if chosen.spec.export is not None
    ]
    _tell(entries, as_json)


@models.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path))
@as_json
def trust(file: Path, as_json: bool) -> None:
    """Vouch for a file of weights, so that it is used although nobody else knows what is in it.

    A pickled file runs code when it is loaded: vouch for what you made, or got from someone you trust.
    """
    if not file.is_file():
        raise click.UsageError(f"{file} is no regular file")
    try:
        digest = Weights(read_settings()).trust(file)
    except OSError as error:
        raise click.UsageError(f"{file} cannot be vouched for: {error.strerror or error}") from error
    if as_json:
        print_json({"file": str(file), "sha256": digest})
    else:
        click.echo(f"{file} is trusted as long as its SHA-256 is {digest}")


def _choose(wanted: Iterable[str], settings: Settings) -> list[Chosen]:
    """The models called so; `all` are those that the settings select.

    Raises:
        click.UsageError: nothing is called so.
    """
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
            known = {task.name for task in TASKS} | {model.spec.name for model in everything}
            raise click.UsageError(f"{name!r} is no model here; there are {', '.join(sorted(known))}")
        chosen += [model for model in found if model not in chosen]
    return chosen


def _everything(settings: Settings) -> list[Chosen]:
    """Every model that the settings fit."""
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
    """The whole catalog; no file is read for it."""
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
    return _described(Chosen(spec, variant, _is_selected(spec, settings)), settings, weights)


def _described(chosen: Chosen, settings: Settings, weights: Weights, *, thorough: bool = False) -> Entry:
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


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "task": entry.task,
        "name": entry.name,
        "version": entry.version or "does not fit the settings",
        "selected": "yes" if entry.selected else None,
        "weights": entry.weights,
        "MB": f"{entry.bytes / 1e6:.0f}" if entry.bytes else None,
        "licence": f"{entry.licence} ({entry.use}{'' if entry.allowed else ', not allowed'})"
        if entry.licence
        else None,
    }


def _look_at_machine(settings: Settings) -> dict[str, Any]:
    """In another process, which alone imports torch."""
    command = [
        *(sys.executable, "-P", "-m", "models.machine.report"),
        *(str(settings.model_cache_dir), settings.model_device),
    ]
    try:
        said = subprocess.run(
            command, capture_output=True, text=True, timeout=LOOK_SECONDS, check=True
        ).stdout
        found: dict[str, Any] = json.loads(said.splitlines()[-1])
    except (subprocess.SubprocessError, ValueError, IndexError) as error:
        problem = f"not known: looking failed ({type(error).__name__})"
        return {"device": None, "problem": problem, "backends": [], "providers": [], "cores": 0}
    return found


def _pulled(chosen: Chosen, settings: Settings, weights: Weights, progress: _Bars, *, named: bool) -> Entry:
    """Fetch what is missing, unless its licence is refused: that is a failure only if it was `named`."""
    entry = _described(chosen, settings, weights)
    if not entry.allowed:
        return entry if named else replace(entry, weights="skipped")
    try:
        weights.pull(chosen.variant, progress)
    except (WeightsMissing, BadWeights) as error:
        state = "bad" if isinstance(error, BadWeights) else "missing"
        return replace(entry, weights=state, problem=str(error))
    return _described(chosen, settings, weights)


def _exported(chosen: Chosen, settings: Settings, weights: Weights) -> Entry:
    """Make its graphs in this process, which ends when they are made."""
    assert chosen.spec.export is not None
    entry = _described(chosen, settings, weights)
    backend = settings.model_backend
    if entry.problem or backend == "torch":
        return entry
    if backend == "auto":
        backend = "onnxruntime" if is_installed("onnxruntime") else "openvino"
    try:
        loading = Loading(
            variant=chosen.variant,
            files=weights.paths(chosen.variant),
            digest=weights.digest(chosen.variant),
            device="cpu",
            threads=settings.model_threads,
            settings=settings,
        )
        folder = chosen.spec.export(loading, backend)
    except ModelError as error:
        state = "bad" if isinstance(error, BadWeights) else entry.weights
        return replace(entry, weights=state, problem=f"{error.code}: {error}")
    except (NotExportable, OSError) as error:
        return replace(entry, problem=f"no graph: {error}")
    return replace(entry, graphs=str(folder))


async def _loaded(entries: list[Entry], settings: Settings) -> list[Entry]:
    """Let each model look at something, in the process where jobs have it do so."""
    remote = RemoteModels(settings.model_copy(update={"model_downloads": False}))
    try:
        return [await _tried(entry, remote) for entry in entries]
    finally:
        await remote.close()


async def _tried(entry: Entry, remote: RemoteModels) -> Entry:
    if entry.problem or not entry.selected:
        return entry
    started = time.perf_counter()
    try:
        answer = await TRIALS[entry.task](remote)
    except ModelError as error:
        state = "bad" if isinstance(error, BadWeights) else entry.weights
        return replace(entry, weights=state, problem=f"{error.code}: {error}")
    finally:
        task = next(task for task in TASKS if task.name == entry.task)
        with suppress(ModelError):
            await remote.unload(task)
    identity = answer.model
    seconds = time.perf_counter() - started
    click.echo(
        f"{identity.version}: loaded and tried in {seconds:.1f} s,"
        f" {identity.backend} {identity.precision} on {identity.device}",
        err=True,
    )
    return entry


def _picture() -> Frame:
    return Frame.of(Image.linear_gradient("L").resize((320, 240)))


TRIALS: dict[str, Callable[[RemoteModels], Any]] = {
    EMBED.name: lambda remote: remote.run(EMBED, Embedder.embed_images, _picture()),
    FACES.name: lambda remote: remote.run(FACES, FaceFinder.find_faces, _picture()),
    OBJECTS.name: lambda remote: remote.run(OBJECTS, ObjectDetector.detect, _picture()),
    OCR.name: lambda remote: remote.run(OCR, TextReader.read, _picture()),
    CAPTION.name: lambda remote: remote.run(
        CAPTION, Captioner.describe, CaptionRequest(frame=_picture(), level="brief")
    ),
}


def _tell(entries: list[Entry], as_json: bool) -> None:
    if as_json:
        print_json([asdict(entry) for entry in entries])
    else:
        for entry in entries:
            size = f", {entry.bytes / 1e6:.1f} MB" if entry.bytes else ""
            said = "come with its package" if entry.weights == "package" else entry.weights
            click.echo(f"{entry.version}: weights {said}{size}")
            if entry.graphs:
                click.echo(f"  graphs in {entry.graphs}")
            if entry.problem:
                click.echo(f"  {entry.problem}", err=True)
    if any(entry.problem and entry.weights != "skipped" for entry in entries):
        raise SystemExit(1)


class _Bars:
    """A progress bar per file."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._known: dict[str, Any] = {}

    def __call__(self, name: str, done: int, total: int | None) -> None:
        if name not in self._known:
            self._known[name] = self._bars.add_task(name, total=total)
        self._bars.update(self._known[name], completed=done, total=total)


@contextmanager
def _shown(*, quiet: bool) -> Iterator[_Bars]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as bars:
        yield _Bars(bars)


COMMAND = models
