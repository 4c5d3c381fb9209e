"""How much memory there is and is taken, and giving it back. Megabytes are 2**20 bytes."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

from models.errors import OutOfMemory
from models.spec import Device

MEGABYTE: Final = 2**20
_M_ARENA_MAX: Final = -8
"""As malloc.h has it."""

PHRASES: Final = (
    "out of memory",  # torch on CUDA and MPS, ONNX Runtime on CUDA
    "can't allocate memory",  # torch's processor allocator
    "cannot allocate memory",  # the system, by way of torch: a file could not be mapped
    "not enough memory: you tried to allocate",  # the same on Windows and macOS
    "failed to allocate memory",  # ONNX Runtime's arena
    "cudaerrormemoryallocation",
    "alloc_failed",  # cuBLAS and cuDNN
    "bad_alloc",  # C++: OpenVINO, ONNX Runtime
    "bad allocation",
    "insufficient memory",  # OpenCV
)
"""How libraries say that memory did not suffice, in lower case; few have a class for it."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, so that fewer inputs at a time might do."""
    if isinstance(error, OutOfMemory | MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return any(phrase in text for phrase in PHRASES)


def taken(device: Device) -> int:
    """The megabytes in use where models of `device` live: resident in this process, or on the whole GPU."""
    torch = sys.modules.get("torch")
    if device == "cuda" and torch is not None:
        free, total = torch.cuda.mem_get_info()
        return int(total - free) // MEGABYTE
    return resident()


def machine(device: Device) -> int:
    """The megabytes there are in all: of the GPU, or of the machine or the container."""
    torch = sys.modules.get("torch")
    if device == "cuda" and torch is not None:
        return int(torch.cuda.mem_get_info()[1]) // MEGABYTE
    return _machine()


@cache
def _machine() -> int:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # absent, or "max"
            total = min(total, int(Path(file).read_text()))
    return total // MEGABYTE


def available() -> int | None:
    """The megabytes that could be taken now without swapping; None where the system does not tell."""
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None
    for folder, limit, used in _CONTROL_GROUPS:
        with suppress(OSError, ValueError):  # absent, or "max"
            group = Path(folder)
            stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            taken = int((group / used).read_text()) - int(stat.get("inactive_file", 0))
            free = min(free, int((group / limit).read_text()) - taken)
    return max(0, free) // MEGABYTE


_CONTROL_GROUPS: Final = (
    ("/sys/fs/cgroup", "memory.max", "memory.current"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
)
"""Versions 2 and 1, as a container sees its own. Cached files count as used there, though they yield."""


def resident() -> int:
    """The resident megabytes of this process."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return _resident_elsewhere() // MEGABYTE
    return pages * os.sysconf("SC_PAGE_SIZE") // MEGABYTE


def _resident_elsewhere() -> int:
    """Resident bytes elsewhere than on Linux: now, if psutil is there, else the most there ever was."""
    try:
        import psutil
    except ImportError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return int(psutil.Process().memory_info().rss)


def return_memory() -> None:
    """Return memory that nothing uses to the system.

    After a model is forgotten its memory stays with the process otherwise: in cycles, in the C library's free
    lists (all of 679 MB of a YOLOv8m; 250 MB less after this), in CUDA's cache.
    """
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None:
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
        if sys.platform == "darwin" and torch.backends.mps.is_available():
            torch.mps.empty_cache()
    trim()


def trim() -> None:
    """Return what the C library holds free to the system: some ten milliseconds, and whatever is taken again.

    Calls of other models leave a fifth of a gigabyte there.
    """
    malloc_trim = _of_glibc("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def use_one_arena() -> None:
    """Let all threads take memory from glibc's main arena; to be called before there are threads.

    Of the other arenas `trim` leaves what is free at their end: a picture or two per thread that decodes.
    Whoever sets glibc's own MALLOC_ARENA_MAX has their way.
    """
    mallopt = _of_glibc("mallopt")
    if mallopt is not None and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(_M_ARENA_MAX, 1)


@cache
def _of_glibc(name: str) -> Any:
    """A function of glibc; None where the C library is another."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None
