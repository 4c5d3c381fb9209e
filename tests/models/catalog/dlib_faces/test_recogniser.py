from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.backends.tfjs import read_json, read_weights
from models.catalog.dlib_faces.recogniser import BLOCKS, INPUT, write_recogniser
from models.errors import BadWeights
from scripts.test_models.dlib import MANIFEST, WEIGHTS

np = pytest.importorskip("numpy")
pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def test_the_graph_computes_what_dlib_does(tiny_models: Path, tmp_path: Path) -> None:
    """The network of `dnn_face_recognition_ex.cpp`, written out in torch."""
    torch = pytest.importorskip("torch")
    fn = torch.nn.functional
    folder = tiny_models / "tiny/dlib"
    write_recogniser(folder / MANIFEST, folder / WEIGHTS, tmp_path / "out.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "out.onnx"), providers=["CPUExecutionProvider"])
    faces = (255 * np.random.default_rng(1).random((2, 3, 150, 150))).astype(np.float32)
    [found] = session.run(None, {INPUT: faces})
    stored = read_weights(read_json(folder / MANIFEST), folder / WEIGHTS)
    arrays = {name: torch.from_numpy(np.array(value)) for name, value in stored.items()}

    def layer(x: Any, name: str, stride: int = 1) -> Any:
        filters = arrays[f"{name}/conv/filters"].permute(3, 2, 0, 1)
        padding = 0 if stride == 2 else 1  # dlib's default: none where it strides
        x = fn.conv2d(x, filters, arrays[f"{name}/conv/bias"], stride=stride, padding=padding)
        weights, biases = (arrays[f"{name}/scale/{one}"] for one in ("weights", "biases"))
        return x * weights[:, None, None] + biases[:, None, None]

    def added(one: Any, other: Any) -> Any:
        """dlib's `add_prev`: where one is smaller, zeros stand in."""
        most = [max(sides) for sides in zip(one.shape[1:], other.shape[1:], strict=True)]
        ends = [
            [end for side, want in zip(x.shape[:0:-1], most[::-1], strict=True) for end in (0, want - side)]
            for x in (one, other)
        ]
        return fn.pad(one, ends[0]) + fn.pad(other, ends[1])

    mean = torch.tensor([122.782, 117.001, 104.298])[:, None, None]
    x = fn.max_pool2d(layer((torch.from_numpy(faces) - mean) / 256, "conv32_down", 2).relu(), 3, 2)
    for block in BLOCKS:
        down = "down" in block
        made = layer(layer(x, f"{block}/conv1", 2 if down else 1).relu(), f"{block}/conv2")
        x = added(made, fn.avg_pool2d(x, 2) if down else x).relu()
    expected = x.mean(dim=(2, 3)) @ arrays["fc"]
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-3, atol=1e-4)
    assert np.abs(found).mean() > 0.1


def test_weights_of_another_network_are_refused(tiny_models: Path, tmp_path: Path) -> None:
    folder = tiny_models / "tiny/dlib"
    manifest = tmp_path / MANIFEST
    manifest.write_text((folder / MANIFEST).read_text().replace("conv128_1/conv2", "conv128_1/conv3"))
    with pytest.raises(BadWeights, match="has no conv128_1/conv2/conv/filters"):
        write_recogniser(manifest, folder / WEIGHTS, tmp_path / "out.onnx")
