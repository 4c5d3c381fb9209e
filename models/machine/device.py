"""Where models run, and on how many threads."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from models.errors import DeviceUnavailable, PackageMissing
from models.spec import Device

NODES: Final = ("nvidia*", "nvhost*", "nvgpu*", "kfd", "dxg")
"""What Linux calls the devices that CUDA and ROCm use, on boards and under WSL too."""
FAILURES: Final = (
    "all cuda-capable devices are busy or unavailable",
    "cuda driver version is insufficient",
    "cuda error: initialization error",
    "cuda error: unknown error",
    "cuda error: unspecified launch failure",
    "cuda unknown error",
    "cudnn_status_not_initialized",
    "cublas_status_not_initialized",
    "device not ready",
    "driver shutting down",
    "driver/library version mismatch",
    "fallen off the bus",
    "forward compatibility was attempted",
    "found no nvidia driver",
    "cuda failure 999",  # ONNX Runtime's number for an unknown error
    "no hip gpus are available",
    "invalid device ordinal",
    "no cuda gpus are available",
    "no cuda-capable device is detected",
    "no kernel image is available",
    "system not yet initialized",
    "uncorrectable ecc error",
)
"""How torch and ONNX Runtime say that a device or its driver failed, in lower case; few have a class for it.

What a kernel was asked to do (a device-side assert, an illegal address) may be the picture's doing, and is
not among them. After some of them a process never gets the device back, even where the driver does.
"""


def is_device_failure(error: BaseException) -> bool:
    """Whether an error is the device's or its driver's, and says nothing of what was asked."""
    text = str(error).lower()
    return isinstance(error, DeviceUnavailable) or any(phrase in text for phrase in FAILURES)


def choose(wanted: Literal["auto", "cpu", "cuda", "mps"]) -> Device:
    """The device that `wanted` means on this machine; auto is CUDA, else MPS, else the processor.

    Imports torch unless the answer is plain without it: ONNX models on a processor then never pay for it.

    Raises:
        PackageMissing: `wanted` needs torch, which is not installed.
        DeviceUnavailable: torch sees no such device.
    """
    if wanted == "cpu" or (wanted == "auto" and not _promising()):
        return "cpu"
    if importlib.util.find_spec("torch") is None:
        if wanted == "auto":
            return "cpu"
        raise PackageMissing(f"MODEL_DEVICE={wanted} needs torch: install kizu-worker[gpu]")
    import torch

    if wanted in ("auto", "cuda") and torch.cuda.is_available():
        return "cuda"
    if wanted in ("auto", "mps") and torch.backends.mps.is_available():
        return "mps"
    if wanted == "auto":
        return "cpu"
    raise DeviceUnavailable(
        f"MODEL_DEVICE={wanted}, but torch {torch.__version__} sees no such device; "
        "MODEL_DEVICE=auto takes what there is"
    )


def _promising() -> bool:
    """Whether this machine may have a GPU, judged without importing torch."""
    if not sys.platform.startswith("linux"):
        return True
    return any(any(Path("/dev").glob(pattern)) for pattern in NODES)


@contextmanager
def keep_threads(threads: int) -> Iterator[None]:
    """Set torch and OpenCV to `threads` once more when the block ends, whatever happened in between.

    Ultralytics takes OpenCV's threads at import, and torch all but one core at its first predict, for the
    whole process. The registry sees to it after every load and every call; a model needs this only between
    steps of its own.
    """
    try:
        yield
    finally:
        set_threads(threads)


def set_threads(threads: int) -> None:
    """Set the threads of torch and OpenCV, where imported; torch needs it in each thread that runs models."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    cv2 = sys.modules.get("cv2")
    if cv2 is not None and cv2.getNumThreads() != threads:
        cv2.setNumThreads(threads)
