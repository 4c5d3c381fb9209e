"""Which backend runs a model, and in which precision."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

import structlog

from models.backends.exports import NotExportable
from models.errors import ModelFailed, PackageMissing
from models.spec import Loading

Backend: TypeAlias = Literal["torch", "onnxruntime", "openvino"]
Precision: TypeAlias = Literal["fp32", "bf16", "fp16"]
T = TypeVar("T")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run a model: a backend and a precision."""

    backend: Backend
    precision: Precision


def is_installed(backend: Backend) -> bool:
    return importlib.util.find_spec(backend) is not None


def choose(
    ways: Sequence[Way],
    wanted: Literal["auto", "torch", "onnxruntime", "openvino"],
    *,
    installed: Callable[[Backend], bool] = is_installed,
) -> Way:
    """The first way to run a model that is installed and, unless `wanted` is auto, of the backend wanted.

    `ways` come fastest first. MODEL_BACKEND speaks to all models: one that has no such way runs as with auto.

    Raises:
        PackageMissing: the backend is not installed; the message names the extra that brings it.
    """
    asked = [way for way in ways if way.backend == wanted] or list(ways)
    for way in asked:
        if installed(way.backend):
            return way
    backend = asked[0].backend
    raise PackageMissing(
        f"MODEL_BACKEND={wanted} needs {backend}: install kizu-worker[{_EXTRAS.get(backend, 'cpu')}]"
    )


_EXTRAS = {"openvino": "openvino"}


def build_first(loading: Loading, ways: Sequence[Way], build: Callable[[Way], T]) -> T:
    """The model as `build` makes it in the first way that fits; on torch where auto finds no graph.

    Raises:
        ModelFailed: the backend that was asked for cannot run the model.
        PackageMissing: it is not installed.
    """
    wanted = loading.settings.model_backend
    way = choose(ways, wanted)
    try:
        return build(way)
    except (NotExportable, OSError) as error:
        reference = next(one for one in reversed(ways) if one.backend == "torch")
        if wanted != "auto" or way == reference:
            raise ModelFailed(f"{loading.variant.version} cannot run on {way.backend}: {error}") from error
        log.warning("model runs on torch", model=loading.variant.version, reason=str(error))
    return build(reference)
