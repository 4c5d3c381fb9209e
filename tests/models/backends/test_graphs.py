from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.backends.graphs import CUDA, open_graph
from models.errors import BadWeights, PackageMissing
from models.settings import ModelSettings
from models.spec import Device, Licence, Loading, Variant

onnx = pytest.importorskip("onnx")
np = pytest.importorskip("numpy")
onnxruntime = pytest.importorskip("onnxruntime")


def loading_on(device: Device, **values: Any) -> Loading:
    return Loading(
        variant=Variant(version="test", licence=Licence(name="Apache-2.0", use="free")),
        files={},
        device=device,
        threads=1,
        settings=ModelSettings(_env_file=None, **values),
    )


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """Doubles pictures of any size, and halves them."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    constants = [
        onnx.numpy_helper.from_array(np.array(v, np.float32), n) for n, v in (("two", 2), ("half", 0.5))
    ]
    ports = [helper.make_tensor_value_info(name, kind, ["n", 3, "h", "w"]) for name in ("x", "7", "8")]
    nodes = [helper.make_node("Mul", ["x", "two"], ["7"]), helper.make_node("Mul", ["x", "half"], ["8"])]
    body = helper.make_graph(nodes, "g", ports[:1], ports[1:], constants)
    path = tmp_path / "graph.onnx"
    onnx.save(helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_both_runtimes_answer_as_a_session_does(backend: Any, graph: Path) -> None:
    pytest.importorskip(backend)
    session = open_graph(graph, backend, loading_on("cpu"))
    [port] = session.get_inputs()
    assert port.name == "x"
    assert port.shape[1] == 3
    assert not isinstance(port.shape[2], int)
    assert [out.name for out in session.get_outputs()] == ["7", "8"]
    first = np.full((2, 3, 4, 5), 3, np.float32)
    [halves] = session.run(["8"], {"x": first})
    doubles, _ = session.run(None, {"x": np.ones((1, 3, 2, 2), np.float32)})
    assert (halves == 1.5).all()  # also after another call
    assert doubles.shape == (1, 3, 2, 2)
    assert (doubles == 2).all()


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("content", [b"", b"<html>", bytes(range(256))])
def test_a_file_that_is_no_graph_is_bad_weights(backend: Any, content: bytes, tmp_path: Path) -> None:
    pytest.importorskip(backend)
    path = tmp_path / "graph.onnx"
    path.write_bytes(content)
    with pytest.raises(BadWeights, match=r"graph\.onnx"):
        open_graph(path, backend, loading_on("cpu"))


@pytest.mark.skipif(CUDA in onnxruntime.get_available_providers(), reason="ONNX Runtime may know CUDA here")
def test_onnx_runtime_without_cuda_is_refused_if_cuda_was_asked_for(graph: Path) -> None:
    with pytest.raises(PackageMissing, match="onnxruntime-gpu"):
        open_graph(graph, "onnxruntime", loading_on("cuda", model_device="cuda"))
    session = open_graph(graph, "onnxruntime", loading_on("cuda"))
    assert list(session.get_providers()) == ["CPUExecutionProvider"]


@pytest.mark.skipif(
    CUDA not in onnxruntime.get_available_providers(), reason="needs onnxruntime-gpu and a GPU"
)
def test_with_cuda_the_session_is_on_it(graph: Path) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    session = open_graph(graph, "onnxruntime", loading_on("cuda", model_device="cuda"))
    assert session.get_providers()[0] == CUDA
    assert (session.run(["7"], {"x": np.ones((1, 3, 2, 2), np.float32)})[0] == 2).all()
