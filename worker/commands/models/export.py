"""`kizu models export`: graphs are made before anybody waits for them."""

from __future__ import annotations

from dataclasses import replace

import click

from models.backends.exports import NotExportable
from models.backends.ways import is_installed
from models.errors import BadWeights, ModelError
from models.machine.quiet import silence
from models.serving.profile import resolved
from models.spec import Loading
from models.weights.store import Weights
from worker.commands.models.entry import Chosen, Entry, choose, describe, print_entries
from worker.output import as_json
from worker.settings import Settings, read_settings


@click.command()
@click.argument("wanted", metavar="[TASK|NAME|VERSION]…", nargs=-1)
@as_json
def export(wanted: tuple[str, ...], as_json: bool) -> None:
    """Make the graphs that ONNX Runtime and OpenVINO run, which the first use of a model would wait for.

    Of the models that the settings select, or of some. Weights are not fetched: `kizu models pull` does that.
    """
    settings = resolved(read_settings())
    weights = Weights(settings.model_copy(update={"model_downloads": False}))
    silence(settings.model_cache_dir, threads=settings.model_threads)
    entries = [
        _exported(chosen, settings, weights)
        for chosen in choose(wanted or ("all",), settings)
        if chosen.spec.export is not None
    ]
    print_entries(entries, as_json)


def _exported(chosen: Chosen, settings: Settings, weights: Weights) -> Entry:
    """Export a model's graphs in this process, which ends when they are made."""
    assert chosen.spec.export is not None
    entry = describe(chosen, settings, weights)
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
