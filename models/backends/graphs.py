"""ONNX graphs, run by ONNX Runtime or OpenVINO.

Both look like a session of ONNX Runtime, so that a library's own pre- and postprocessing can drive either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

import structlog

from models.errors import BadWeights, PackageMissing
from models.machine.device import is_device_failure
from models.machine.memory import is_out_of_memory
from models.spec import Loading

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

GraphRuntime: TypeAlias = Literal["onnxruntime", "openvino"]
CUDA: Final = "CUDAExecutionProvider"
CPU: Final = "CPUExecutionProvider"
_ERRORS_ONLY: Final = 3

log = structlog.get_logger()


class Port(Protocol):
    """An input or output; a side that varies has no number in `shape`."""

    name: str
    shape: Sequence[int | str | None]


class Session(Protocol):
    """What is used of an `onnxruntime.InferenceSession`."""

    def get_inputs(self) -> Sequence[Port]: ...

    def get_outputs(self) -> Sequence[Port]: ...

    def get_providers(self) -> Sequence[str]: ...

    def run(self, names: Sequence[str] | None, feed: Mapping[str, Array]) -> list[Array]: ...


def open_graph(
    path: Path, backend: GraphRuntime, loading: Loading, precision: Literal["fp32", "bf16"] = "fp32"
) -> Session:
    """The graph in `path`, ready to run; in bf16 only by OpenVINO, on a processor that has it.

    Raises:
        BadWeights: the file is none, or is damaged.
        PackageMissing: MODEL_DEVICE=cuda, and ONNX Runtime cannot use it.
    """
    try:
        if backend == "openvino":
            return OpenVinoSession(path, loading.threads, precision)
        return _onnxruntime_session(path, loading)
    except (BadWeights, PackageMissing):
        raise
    except Exception as error:  # each runtime has a dozen classes for a file it does not like
        if is_out_of_memory(error) or is_device_failure(error):
            raise
        raise BadWeights(f"{path.name} is not an ONNX graph that {backend} can run: {error}") from error


def _onnxruntime_session(path: Path, loading: Loading) -> Session:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = loading.threads
    options.inter_op_num_threads = 1
    # Threads that spin for the next call take the cores from whatever runs in between (torch, decoding).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # An arena keeps the most that any picture ever needed.
    options.enable_cpu_mem_arena = False
    options.log_severity_level = _ERRORS_ONLY
    session: Session = onnxruntime.InferenceSession(
        str(path), sess_options=options, providers=_providers(loading)
    )
    if loading.device == "cuda" and CUDA not in session.get_providers():
        _complain_of_no_cuda(loading)
    return session


def _providers(loading: Loading) -> list[str | tuple[str, dict[str, str]]]:
    import onnxruntime

    if loading.device != "cuda" or CUDA not in onnxruntime.get_available_providers():
        return [CPU]
    onnxruntime.preload_dlls()  # CUDA and cuDNN as torch's wheels bring them
    # By default all algorithms are tried, for seconds, with each new size of picture, and numbers are rounded
    # to 10 bits.
    return [(CUDA, {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}), CPU]


def _complain_of_no_cuda(loading: Loading) -> None:
    """ONNX Runtime goes on with the processor and says nothing, e.g. where pip put its CPU wheel on top."""
    advice = "the package onnxruntime-gpu must be the only ONNX Runtime that is installed"
    if loading.settings.model_device == "cuda":
        raise PackageMissing(f"ONNX Runtime cannot use CUDA: {advice}")
    log.warning("model runs on the processor", model=loading.variant.version, reason=advice)


class _Port:
    def __init__(self, port: Any) -> None:
        self.name: str = port.get_any_name()
        self.shape: Sequence[int | str | None] = [
            side.get_length() if side.is_static else "?" for side in port.get_partial_shape()
        ]


class OpenVinoSession:
    """A graph on the processor; not for several threads at once."""

    def __init__(self, path: Path, threads: int, precision: Literal["fp32", "bf16"] = "fp32") -> None:
        import openvino

        core = openvino.Core()
        compiled = core.compile_model(
            core.read_model(path),
            "CPU",
            {
                # Its default is bf16 where the processor has that.
                "INFERENCE_PRECISION_HINT": "f32" if precision == "fp32" else precision,
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": 1,
                "PERFORMANCE_HINT": "LATENCY",
            },
        )
        self._inputs = [_Port(port) for port in compiled.inputs]
        self._outputs = [_Port(port) for port in compiled.outputs]
        self._index = {name: i for i, port in enumerate(compiled.outputs) for name in port.get_names()}
        self._compiled = compiled
        self._request = compiled.create_infer_request()

    def get_inputs(self) -> Sequence[Port]:
        return self._inputs

    def get_outputs(self) -> Sequence[Port]:
        return self._outputs

    def get_providers(self) -> Sequence[str]:
        return ["OpenVINO"]

    def run(self, names: Sequence[str] | None, feed: Mapping[str, Array]) -> list[Array]:
        self._request.infer(dict(feed), share_inputs=True)
        wanted = range(len(self._outputs)) if names is None else [self._index[name] for name in names]
        # A copy, because the next call overwrites it.
        found = [self._request.get_output_tensor(i).data.copy() for i in wanted]
        self._compiled.release_memory()  # else what is between layers stays: 126 MB of Florence-2's tower
        return found
