"""Clusters faces beside the worker, in a process that ends with the job."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from models.machine import memory
from models.people import child
from models.people.scale import Scale
from models.serving.process import environment
from worker.core.errors import MemoryShort, ModelFailed, OutOfMemory, PackageMissing

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

COPIES: Final = 4
"""How often the process holds the vectors at most, in single precision: as they came, and what it makes of
them."""
LONGEST_REASON: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Clustered:
    """What a clustering found; faces are numbered as they were given."""

    labels: npt.NDArray[np.int64]
    """Shape (n,): which cluster each face is in; -1 is none."""
    pairs: npt.NDArray[np.int64]
    """Shape (q, 2): faces of which it is worth asking whether they are one person."""
    likeness: npt.NDArray[np.float32]
    """Shape (q,): their cosines."""


async def cluster(faces: dict[str, Any], scale: Scale, engine: child.Engine, *, threads: int) -> Clustered:
    """Cluster faces, with `threads` threads; `faces` are as `models.people.child.question` takes them.

    Cancelled, it ends the process.

    Raises:
        MemoryShort: there is not the memory for it just now.
        OutOfMemory: it took more than there was.
        PackageMissing: the engine's package is not installed.
        ModelFailed: the process ended otherwise.
    """
    needed = COPIES * 4 * faces["vectors"].size // memory.MEGABYTE
    free = await asyncio.to_thread(memory.available)
    if free is not None and free < needed:
        raise MemoryShort(needed)
    question = await asyncio.to_thread(child.question, faces, scale, engine)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", child.__name__),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        env={
            **environment(),
            **{f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "OPENBLAS", "MKL")},
        },
    )
    try:
        answer, complaint = await process.communicate(question)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    reason = complaint.decode(errors="replace").strip()[-LONGEST_REASON:]
    match process.returncode:
        case 0:
            return Clustered(**await asyncio.to_thread(child.unpack, answer))
        case child.NO_PACKAGE:
            raise PackageMissing(f"PEOPLE_ENGINE={engine}: {reason}")
        case child.NO_MEMORY:
            raise OutOfMemory
        case code if code == -signal.SIGKILL:
            raise OutOfMemory("the process that clustered faces was killed")
        case code:
            raise ModelFailed(f"the process that clustered faces ended with {code}: {reason}")
