"""Graphs exported from weights by torch, kept below the cache folder and made once."""

from __future__ import annotations

import ctypes
import hashlib
import mmap
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from models.machine.memory import is_out_of_memory
from models.spec import Loading
from models.weights.digests import digest_of

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

log = structlog.get_logger()

FOLDER: Final = "graphs"
_ABANDONED_SECONDS: Final = 3600.0
"""No export takes so long: what an older one left behind was left by a process that was killed."""
_OPSET: Final = 17
"""Of ONNX: the oldest with a node for layer normalisation."""
_LEAST_COSINE: Final = 0.9999
_LINE: Final = 500
"""Characters of the exporter's message that are kept: it quotes whole graphs."""


class NotExportable(Exception):
    """The model has no graph that answers as it does itself."""


def exported(loading: Loading, name: str, libraries: Sequence[str], write: Callable[[Path], None]) -> Path:
    """The folder of an exported graph, which `write` fills when it is asked for the first time.

    It is kept by the digest of the weights and the versions of this package and of the `libraries` that wrote
    it; the folders of older versions may be deleted. Two processes may write at once: the first to be done
    wins.

    Raises:
        OSError: the cache cannot be written.
    """
    folder = loading.settings.model_cache_dir.absolute() / FOLDER / f"{name}-{_key(loading, libraries)}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    started = time.monotonic()
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        write(part)
        part.chmod(0o755)
        _put(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    log.info("graph exported", model=loading.variant.version, seconds=round(time.monotonic() - started, 1))
    return folder


def write_onnx(
    model: Any,
    call: Callable[[Tensor], Any],
    example: Tensor,
    path: Path,
    outputs: Sequence[str],
    open_sides: Mapping[str, Mapping[int, str]],
) -> None:
    """Write as ONNX what `call` does with a tensor named `input`, the weights of `model` included.

    `open_sides` are those of the input and the outputs that vary, by name and dimension.

    Raises:
        NotExportable: the exporter cannot express it.
    """
    import torch

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, inputs: Tensor) -> Any:
            return call(inputs)

    try:
        with torch.no_grad(), _silent_exporter():
            torch.onnx.export(
                # As new it would be in training mode, which the exporter then gives to the model as well.
                Whole().eval(),
                (example,),
                str(path),
                dynamo=False,  # the newer exporter needs a package more
                opset_version=_OPSET,
                input_names=["input"],
                output_names=list(outputs),
                dynamic_axes={name: dict(sides) for name, sides in open_sides.items()},
            )
    except (RuntimeError, TypeError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        raise NotExportable(f"{type(error).__name__}: {error}"[:_LINE]) from error


@contextmanager
def _silent_exporter() -> Iterator[None]:
    """Keep the exporter from warning, and from torch's fused attention, which has no counterpart in ONNX."""
    import torch

    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def to_openvino(path: Path) -> None:
    """Turn an ONNX file into OpenVINO's own two, whose weights are mapped, not read: `release_file`.

    Raises:
        NotExportable: OpenVINO does not understand the graph.
    """
    import openvino

    try:
        model = openvino.Core().read_model(path)
        openvino.save_model(model, path.with_suffix(".xml"), compress_to_fp16=False)
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        raise NotExportable(f"{type(error).__name__}: {error}"[:_LINE]) from error
    path.unlink()


def release_file(path: Path) -> None:
    """Drop the pages of a mapped file from this process; whoever looks again gets them from the file.

    OpenVINO keeps a graph's weights mapped beside its own arrangement of them, and never looks again: a
    third of a gigabyte for Florence-2's tower. Does nothing where Linux' list of mappings is missing.
    """
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    name, madvise = f" {path.resolve()}", ctypes.CDLL(None).madvise
    for line in lines:
        if line.endswith(name) and line.split()[1].startswith("r--"):
            start, end = (int(side, 16) for side in line.split()[0].split("-"))
            madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)


def require_close(expected: Sequence[npt.NDArray[Any]], found: Sequence[npt.NDArray[Any]]) -> None:
    """Compare the vectors (inputs, dimension) of a model with those of its graph, row by row.

    Raises:
        NotExportable: they point elsewhere.
    """
    import numpy as np

    for theirs, ours in zip(expected, found, strict=True):
        one, other = (rows.reshape(len(rows), -1).astype(np.float64) for rows in (theirs, ours))
        lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
        least = float(((one * other).sum(axis=1) / lengths).min())
        if not least >= _LEAST_COSINE:
            raise NotExportable(f"its graph answers otherwise than it does itself: cosine {least:.6f}")


def _put(part: Path, folder: Path) -> None:
    for path in part.iterdir():  # or a power cut leaves a folder that is there, with nothing in its files
        with path.open("rb") as file:
            os.fsync(file.fileno())
    try:
        part.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was faster
            raise


def _key(loading: Loading, libraries: Sequence[str]) -> str:
    digests = loading.digest or "\n".join(digest_of(path) for path in loading.files.values())
    made_by = " ".join(f"{library} {_version(library)}" for library in ("kizu-worker", *libraries))
    return hashlib.sha256(f"{digests}\n{made_by}".encode()).hexdigest()[:16]


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def _sweep(folder: Path) -> None:
    for part in folder.glob(".*.part"):
        with suppress(OSError):
            if time.time() - part.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(part, ignore_errors=True)
