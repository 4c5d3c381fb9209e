"""Keeps the models' libraries from talking to anyone, installing anything, and writing into the home."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

SWITCHES: Final[Mapping[str, str]] = {
    # ONNX Runtime reports from native code, as soon as it is imported.
    "ORT_DISABLE_TELEMETRY": "1",
    # Ultralytics resolves names at import, reports usage, and installs packages it misses with pip.
    "YOLO_OFFLINE": "true",
    "YOLO_AUTOINSTALL": "false",
    "YOLO_VERBOSE": "false",
    "NO_ALBUMENTATIONS_UPDATE": "1",
    # It then builds only its own classes from a checkpoint, and runs nothing else that is in it.
    "ULTRALYTICS_SAFE_LOAD": "true",
    # Without them, a load with no network retries for 23 to 46 seconds; with one, it asks the hub each time.
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "DO_NOT_TRACK": "1",
    # Tokenizers fork-warn otherwise; sentences come one or a few at a time.
    "TOKENIZERS_PARALLELISM": "false",
}
FOLDERS: Final[Mapping[str, str]] = {
    "YOLO_CONFIG_DIR": "ultralytics",
    "ORT_MIGRAPHX_CACHE_DIR": "migraphx",
    "HF_HOME": "huggingface",
    "EASYOCR_MODULE_PATH": "easyocr",
    "TORCH_HOME": "torch",
    "TORCHINDUCTOR_CACHE_DIR": "torchinductor",
    "TRITON_CACHE_DIR": "triton",
    "MPLCONFIGDIR": "matplotlib",
    "SKIMAGE_DATADIR": "skimage",
}
"""Variables that name folders, which libraries fill with settings and caches, and the folder for each."""
LISTENERS: Final = ("huggingface_hub", "onnxruntime", "transformers", "ultralytics")
"""They read the switches while they are imported, and never again."""


def silence(cache: Path, *, threads: int | None = None) -> None:
    """Set what the libraries read, whatever the environment said; their own folders go below `cache`.

    Call it before any of them is imported. `threads` is how many one call may use (default: all cores);
    unless OMP_NUM_THREADS says so, importing ultralytics leaves every library a single one.

    Raises:
        RuntimeError: a library that should have been told was imported before.
    """
    late = [name for name in LISTENERS if name in sys.modules]
    if late and any(os.environ.get(name) != value for name, value in SWITCHES.items()):
        raise RuntimeError(f"{', '.join(late)} was imported before it was told to be silent")
    os.environ.update(SWITCHES)
    if importlib.util.find_spec("openvino_telemetry"):  # where pip installed it; in CI it reports nothing
        os.environ["CI"] = "true"
    libraries = cache.absolute() / "libraries"
    os.environ.update({name: str(libraries / folder) for name, folder in FOLDERS.items()})
    os.environ["OMP_NUM_THREADS"] = str(threads or os.cpu_count() or 1)
