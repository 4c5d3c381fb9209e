"""Each kind of node means in ONNX what it means in TensorFlow, whose rules are written out here in numpy."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.catalog.centernet.graph import INPUT, OUTPUTS, Converter, ordered, write_graph
from models.errors import BadWeights

np = pytest.importorskip("numpy")
pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

SHAPE = (1, 8, 12, 4)
"""Of the picture in TensorFlow's order."""


def text(word: str) -> dict[str, str]:
    return {"s": base64.b64encode(word.encode()).decode()}


def attributes(stride: int, padding: str, *fused: str) -> dict[str, Any]:
    return {
        "strides": {"list": {"i": ["1", str(stride), str(stride), "1"]}},
        "padding": text(padding),
        "fused_ops": {"list": {"s": [text(word)["s"] for word in fused]}},
    }


def ran(kind: str, picture: Any, tmp_path: Path, *constants: Any, more: int = 0, **attr: Any) -> Any:
    """What a node makes of the picture (`more` times over) and of constants, in TensorFlow's order."""
    named = {f"c{i}": np.asarray(value) for i, value in enumerate(constants)}
    inputs = [INPUT] * (1 + more) + list(named)
    nodes = {name: {"name": name, "op": "Const"} for name in named}
    nodes[INPUT] = {"name": INPUT, "op": "Placeholder"}
    nodes["made"] = {"name": "made", "op": kind, "input": inputs, "attr": attr}
    converter = Converter(nodes, named)
    made = [converter.convert(name) for name in ordered(nodes, ["made"])][-1]
    path = tmp_path / "graph.onnx"
    converter.graph.save(
        path, (INPUT, "float32", ("n", "c", "h", "w")), {"out": (made, ("n", "d", "i", "j"))}
    )
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    [found] = session.run(None, {INPUT: np.ascontiguousarray(picture.transpose(0, 3, 1, 2))})
    return found.transpose(0, 2, 3, 1)


def convolved(picture: Any, filters: Any, stride: int, padding: str) -> Any:
    """TensorFlow's Conv2D, as its documentation has it."""
    height, width = filters.shape[:2]
    if padding == "SAME":
        ends = []
        for side, kernel in zip(picture.shape[1:3], (height, width), strict=True):
            total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            ends.append((total // 2, total - total // 2))
        picture = np.pad(picture, ((0, 0), *ends, (0, 0)))
    rows = (picture.shape[1] - height) // stride + 1
    columns = (picture.shape[2] - width) // stride + 1
    out = np.zeros((len(picture), rows, columns, filters.shape[3]))
    for y in range(rows):
        for x in range(columns):
            part = picture[:, y * stride : y * stride + height, x * stride : x * stride + width]
            out[:, y, x] = np.einsum("nhwc,hwcf->nf", part, filters)
    return out


@pytest.fixture
def random() -> Any:
    return np.random.default_rng(1)


@pytest.fixture
def picture(random: Any) -> Any:
    return random.standard_normal(SHAPE).astype(np.float32)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (5, 1), (5, 2)])
def test_a_convolution(
    picture: Any, random: Any, tmp_path: Path, kernel: int, stride: int, padding: str
) -> None:
    filters = random.standard_normal((kernel, kernel, 4, 6)).astype(np.float32)
    bias = random.standard_normal(6).astype(np.float32)
    made = ran(
        "_FusedConv2D", picture, tmp_path, filters, bias, **attributes(stride, padding, "BiasAdd", "Relu")
    )
    expected = np.maximum(convolved(picture, filters, stride, padding) + bias, 0)
    np.testing.assert_allclose(made, expected, atol=1e-4)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 2)])
def test_a_convolution_of_each_channel_for_itself(
    picture: Any, random: Any, tmp_path: Path, kernel: int, stride: int
) -> None:
    filters = random.standard_normal((kernel, kernel, 4, 1)).astype(np.float32)
    made = ran("DepthwiseConv2dNative", picture, tmp_path, filters, **attributes(stride, "SAME"))
    for channel in range(4):
        alone = convolved(
            picture[..., channel : channel + 1], filters[:, :, channel : channel + 1], stride, "SAME"
        )
        np.testing.assert_allclose(made[..., channel : channel + 1], alone, atol=1e-4)


def test_doubled_sides(picture: Any, tmp_path: Path) -> None:
    """Bilinear with neither aligned corners nor half pixels: a new pixel in between is the mean of two."""
    made = ran("ResizeBilinear", picture, tmp_path, np.array([16, 24], np.int32))
    assert made.shape == (1, 16, 24, 4)
    np.testing.assert_allclose(made[:, ::2, ::2], picture, atol=1e-5)
    np.testing.assert_allclose(made[:, ::2, 1:-1:2], (picture[:, :, :-1] + picture[:, :, 1:]) / 2, atol=1e-5)
    np.testing.assert_allclose(made[:, -1, ::2], picture[:, -1], atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "constants", "more", "expected"),
    [
        ("Add", [np.float32(3)], 0, lambda x: x + 3),
        ("Mul", [np.arange(4, dtype=np.float32)], 0, lambda x: x * np.arange(4)),
        ("Mul", [], 1, lambda x: x * x),
        ("Relu", [], 0, lambda x: np.maximum(x, 0)),
        ("Relu6", [], 0, lambda x: x.clip(0, 6)),
        ("Sigmoid", [], 0, lambda x: 1 / (1 + np.exp(-x))),
        ("Identity", [], 0, lambda x: x),
        ("Mean", [np.array([1, 2], np.int32)], 0, lambda x: x.mean(axis=(1, 2), keepdims=True)),
        ("ConcatV2", [np.array(3, np.int32)], 1, lambda x: np.concatenate([x, x], axis=3)),
        ("ConcatV2", [np.array(-1, np.int32)], 1, lambda x: np.concatenate([x, x], axis=3)),
        ("ConcatV2", [np.array(2, np.int32)], 1, lambda x: np.concatenate([x, x], axis=2)),
    ],
)
def test_the_other_nodes(
    picture: Any,
    tmp_path: Path,
    kind: str,
    constants: list[Any],
    more: int,
    expected: Callable[[Any], Any],
) -> None:
    made = ran(kind, 4 * picture, tmp_path, *constants, more=more)
    np.testing.assert_allclose(made, expected(4 * picture), atol=1e-5)


def test_a_node_that_is_not_known_is_named(picture: Any, tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match="made of the kind Conv3D, which is not known"):
        ran("Conv3D", picture, tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda graph: graph.clear(),
        lambda graph: graph["modelTopology"]["node"].pop(),  # an output
        lambda graph: (
            graph["modelTopology"]["node"][5]["attr"].pop("strides", None)
            or graph["weightsManifest"][0]["weights"].pop()
        ),
        lambda graph: graph.update(modelTopology=[]),
    ],
)
def test_another_or_a_damaged_graph_is_refused(
    tiny_models: Path, tmp_path: Path, damage: Callable[[Any], Any]
) -> None:
    folder = tiny_models / "tiny/centernet"
    graph = json.loads((folder / "centernet.json").read_bytes())
    damage(graph)
    broken = tmp_path / "centernet.json"
    broken.write_text(json.dumps(graph))
    with pytest.raises(BadWeights, match="centernet"):
        write_graph(broken, folder / "centernet.bin", tmp_path / "out.onnx")


def test_the_whole_graph_takes_pictures_of_any_shape(tiny_models: Path, tmp_path: Path) -> None:
    folder, path = tiny_models / "tiny/centernet", tmp_path / "out.onnx"
    write_graph(folder / "centernet.json", folder / "centernet.bin", path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    random = np.random.default_rng(1)
    for height, width in ((32, 64), (512, 512), (96, 32)):
        picture = (255 * random.random((1, 3, height, width))).astype(np.float32)
        scores, sides = session.run(list(OUTPUTS), {INPUT: picture})
        assert scores.shape == (1, 80, height // 4, width // 4)
        assert sides.shape == (1, 4, height // 4, width // 4)
        assert 0 < scores.min() < scores.max() < 1
