"""What this machine has for models to run on.

`python -m models.machine.report CACHE DEVICE [BACKEND]` prints it as JSON: finding out imports torch and ONNX
Runtime, which whoever asks may not want to hold.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from models.errors import ModelError, PackageMissing
from models.machine import device as devices
from models.machine.quiet import silence
from models.spec import Device

BACKENDS: Final = ("torch", "onnxruntime", "openvino")
ACCELERATED: Final = ("CUDA", "Tensorrt", "NvTensorRTRTX")
"""Beginnings of the names of providers that the GPU build lists whether or not there is a GPU."""
ELSEWHERE: Final = ("Azure",)
"""Of one that runs nothing here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    device: Device | None
    """Where models run; None if MODEL_DEVICE asks for what is not there."""
    problem: str
    """Of MODEL_DEVICE or MODEL_BACKEND, if what it asks for is not there."""
    backends: tuple[str, ...]
    """Installed, of torch, onnxruntime and openvino."""
    providers: tuple[str, ...]
    """Of ONNX Runtime, as far as they can be used here."""
    cores: int


def look(wanted: Literal["auto", "cpu", "cuda", "mps"], backend: str = "auto") -> Machine:
    """What this machine has for models; imports torch and ONNX Runtime where they are installed."""
    device, problem = None, ""
    try:
        device = devices.choose(wanted)
        _try_backend(backend)
    except ModelError as error:
        problem = str(error)
    backends = tuple(name for name in BACKENDS if importlib.util.find_spec(name))
    providers: tuple[str, ...] = ()
    if "onnxruntime" in backends:
        import onnxruntime

        providers = tuple(onnxruntime.get_available_providers())
    unusable = ELSEWHERE if device == "cuda" else (*ELSEWHERE, *ACCELERATED)
    providers = tuple(name for name in providers if not name.startswith(unusable))
    return Machine(
        device=device, problem=problem, backends=backends, providers=providers, cores=os.cpu_count() or 1
    )


def _try_backend(backend: str) -> None:
    """Raises `PackageMissing` where MODEL_BACKEND is not installed, or does not start."""
    if backend != "auto":
        try:
            importlib.import_module(backend)
        except (ImportError, OSError) as error:  # a library of the system that it needs is not there
            raise PackageMissing(f"MODEL_BACKEND={backend} cannot be used here: {error}") from error


if __name__ == "__main__":
    silence(Path(sys.argv[1]))
    print(json.dumps(asdict(look(*sys.argv[2:4]))))  # type: ignore[arg-type]  # noqa: T201
