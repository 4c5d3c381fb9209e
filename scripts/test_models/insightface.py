"""InsightFace: graphs with buffalo_l's signatures that find magenta squares and tell them by their frames.
The full-size ones find the same squares, and anything may come of their frames.

A square of 64 to 80 pixels, in a picture whose long side is scaled to 640, is a face; the colours within 40
pixels or so around it are whose face it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

from scripts.test_models.files import SEED, write_new

STRIDES = (8, 16, 32)
SCORES, BOXES, LANDMARKS = ("448", "471", "494"), ("451", "474", "497"), ("454", "477", "500")
"""Names of det_10g's outputs, one of each per stride."""
ANCHORS = 2
"""Per cell, of which only the first finds anything."""
DIMENSION = 512

MAGENTA = np.array([1, -1, 1], np.float32)
"""As the detector sees it: red, green, blue from -1 to 1."""
FIRING_STRIDE = 16
FIRING_SHARE = 0.9
"""How magenta 3 by 3 cells have to be: the middle of a square of 4 by 4 cells is, its corners are not."""
STEEPNESS = 20.0
NEVER = -90.0
"""Before the sigmoid."""
HALF_BOX = 2.5
"""In cells: boxes of neighbouring cells overlap by more than 0.4, so that one is left of them."""
FACE = ((-1.5, -0.9), (1.5, -0.9), (0.0, 0.6), (-1.25, 2.2), (1.25, 2.2))
"""Eyes, nose, corners of the mouth, in cells from a cell: aligned by them, square and frame fill the crop."""
POOLED = 8
"""The recogniser sees this many by this many places of its crop of 112 by 112."""


def make_tiny(folder: Path) -> list[Path]:
    pack = folder / "models" / "buffalo_l"
    pack.mkdir(parents=True, exist_ok=True)
    detector, recogniser = pack / "det_10g.onnx", pack / "w600k_r50.onnx"
    onnx.save(_detector(), detector)
    onnx.save(_recogniser(), recogniser)
    return [detector, recogniser]


def make_full(folder: Path) -> list[Path]:
    from scripts.test_models.face_networks import save_detector, save_recogniser

    def write(path: Path) -> None:
        save_detector(path, (*SCORES, *BOXES, *LANDMARKS))
        onnx.save(_with_sight(onnx.load(path)), path)

    pack = folder / "models" / "buffalo_l"
    pack.mkdir(parents=True, exist_ok=True)
    return [
        *write_new(pack / "det_10g.onnx", write),
        *write_new(pack / "w600k_r50.onnx", save_recogniser),
    ]


class _Graph:
    """Nodes and constants, as they are added."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, *inputs: str | np.ndarray, output: str | None = None, **attributes: Any) -> str:
        names = [given if isinstance(given, str) else self._constant(given) for given in inputs]
        output = output or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, names, [output], **attributes))
        return output

    def model(self, inputs: dict[str, list[Any]], outputs: dict[str, list[Any]]) -> Any:
        graph = helper.make_graph(
            self.nodes,
            "tiny",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                for name, shape in outputs.items()
            ],
            self.constants,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    def _constant(self, value: np.ndarray) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name


def _detector() -> Any:
    graph = _Graph()
    box = np.full(4, HALF_BOX, np.float32)
    landmarks = np.array(FACE, np.float32).ravel()
    for stride, score, box_name, landmarks_name in zip(STRIDES, SCORES, BOXES, LANDMARKS, strict=True):
        cells = graph.add("AveragePool", "input.1", kernel_shape=[stride] * 2, strides=[stride] * 2)
        logits = graph.add("Conv", cells, *_magenta(fires=stride == FIRING_STRIDE), pads=[1] * 4)
        _per_anchor(graph, graph.add("Sigmoid", logits), 1, score)
        for constant, name in ((box, box_name), (landmarks, landmarks_name)):
            weights = np.zeros((ANCHORS * constant.size, 3, 1, 1), np.float32)
            _per_anchor(
                graph, graph.add("Conv", cells, weights, np.tile(constant, ANCHORS)), constant.size, name
            )
    widths = ((SCORES, 1), (BOXES, 4), (LANDMARKS, 10))
    outputs = {name: [None, width] for names, width in widths for name in names}
    return graph.model({"input.1": [1, 3, "?", "?"]}, outputs)


def _with_sight(blind: Any) -> Any:
    """`blind`, which finds nothing, with what the tiny detector finds."""
    seeing = compose.add_prefix(_detector(), "seeing_")
    graph = blind.graph
    outputs = {output.name for output in graph.output}
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [f"blind_{name}" if name in outputs else name for name in names]
    for node in seeing.graph.node:
        node.input[:] = ["input.1" if name == "seeing_input.1" else name for name in node.input]
    graph.node.extend(seeing.graph.node)
    graph.initializer.extend(seeing.graph.initializer)
    graph.initializer.append(numpy_helper.from_array(np.array(0.5, np.float32), "half"))
    for scores, *others in zip(SCORES, BOXES, LANDMARKS, strict=True):
        graph.node.append(helper.make_node("Greater", [f"seeing_{scores}", "half"], [f"found_{scores}"]))
        for name in (scores, *others):
            either = [f"found_{scores}", f"seeing_{name}", f"blind_{name}"]
            graph.node.append(helper.make_node("Where", either, [name]))
    return blind


def _magenta(*, fires: bool) -> tuple[np.ndarray, np.ndarray]:
    """Weights and biases of a convolution over 3 by 3 cells that is positive where they are magenta."""
    weights = np.zeros((ANCHORS, 3, 3, 3), np.float32)
    biases = np.full(ANCHORS, NEVER, np.float32)
    if fires:
        weights[0] = STEEPNESS * MAGENTA[:, None, None] / 9
        biases[0] = -STEEPNESS * FIRING_SHARE * np.abs(MAGENTA).sum()
    return weights, biases


def _per_anchor(graph: _Graph, maps: str, width: int, name: str) -> None:
    """From (1, anchors x width, rows, columns) to one row per anchor."""
    last = graph.add("Transpose", maps, perm=[2, 3, 0, 1])
    graph.add("Reshape", last, np.array([-1, width], np.int64), output=name)


def _recogniser() -> Any:
    graph = _Graph()
    places = graph.add(
        "AveragePool", "input.1", kernel_shape=[112 // POOLED] * 2, strides=[112 // POOLED] * 2
    )
    projection = np.random.default_rng(SEED).standard_normal((3 * POOLED**2, DIMENSION)).astype(np.float32)
    graph.add("MatMul", graph.add("Flatten", places, axis=1), projection, output="683")
    return graph.model({"input.1": ["None", 3, 112, 112]}, {"683": ["None", DIMENSION]})
