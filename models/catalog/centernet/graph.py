"""MobileNetV3-CenterNet from a graph of TensorFlow.js to one of ONNX.

Only the operators that this one graph has. TensorFlow keeps pictures as (N, height, width, channels), ONNX as
(N, channels, height, width): every constant and every axis is turned on the way, so that nothing needs to be
transposed when the graph runs. The sides of a picture, 512 in the original, may be any multiples of 32.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from models.backends.tfjs import read_json, read_weights
from models.backends.writing import GraphWriter
from models.errors import BadWeights

if TYPE_CHECKING:
    import numpy.typing as npt

INPUT: Final = "tower_0/images"
"""Pixels in RGB, 0 to 255."""
OUTPUTS: Final = {"tower_0/keypoints": 80, "tower_0/wh": 4}
"""How likely each class has its centre at a place, and the distances from there to the sides of its box."""
_AXES: Final = {0: 0, 1: 2, 2: 3, 3: 1}
"""Where an axis of TensorFlow's is in ONNX."""
_PLAIN: Final = {"Add": "Add", "Mul": "Mul", "Relu": "Relu", "Sigmoid": "Sigmoid", "Identity": "Identity"}
_CONVOLUTIONS: Final = ("Conv2D", "_FusedConv2D", "DepthwiseConv2dNative", "FusedDepthwiseConv2dNative")


def write_graph(model: Path, weights: Path, target: Path) -> None:
    """Write the network in a `model` of TensorFlow.js and its `weights` as an ONNX file.

    Raises:
        BadWeights: they are damaged, or are of another network than this.
    """
    described = read_json(model)
    try:
        nodes = {str(node["name"]): node for node in described["modelTopology"]["node"]}
        converter = Converter(nodes, read_weights(described["weightsManifest"], weights))
        tensors = {name: converter.convert(name) for name in ordered(nodes, tuple(OUTPUTS))}
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise BadWeights(f"{model.name} is not the graph of CenterNet: {error!r}") from error
    converter.graph.save(
        target,
        (INPUT, "float32", ("pictures", 3, "height", "width")),
        {
            name: (tensors[name], ("pictures", channels, "rows", "columns"))
            for name, channels in OUTPUTS.items()
        },
    )


def ordered(nodes: Mapping[str, Any], wanted: Sequence[str]) -> list[str]:
    """The names of the nodes that `wanted` ones need, each after those that it needs itself."""
    order: dict[str, None] = {}
    begun: set[str] = set()
    stack = list(wanted)
    while stack:
        name = stack[-1]
        lacking = [one for one in _inputs(nodes[name]) if one not in order]
        if not lacking or name in begun:
            order[stack.pop()] = None
        else:
            stack.extend(lacking)
        begun.add(name)
    return list(order)


def _inputs(node: Any) -> list[str]:
    return [str(name).removesuffix(":0") for name in node.get("input", ())]


class Converter:
    """Adds to an ONNX graph what nodes of TensorFlow's say."""

    def __init__(self, nodes: Mapping[str, Any], constants: Mapping[str, npt.NDArray[Any]]) -> None:
        self.graph = GraphWriter()
        self._nodes = nodes
        self._constants = constants
        self._tensors: dict[str, str] = {}
        """What was made of each node."""

    def convert(self, name: str) -> str:
        """Add a node, after those that it needs, and answer the name of the tensor that it makes."""
        node = self._nodes[name]
        kind = str(node["op"])
        if kind in ("Const", "Placeholder"):
            return name
        convert = self._method(kind)
        if convert is None:
            raise BadWeights(f"the graph has a node {name} of the kind {kind}, which is not known here")
        self._tensors[name] = convert(node, _inputs(node))
        return self._tensors[name]

    def _method(self, kind: str) -> Callable[[Any, list[str]], str] | None:
        if kind in _PLAIN:
            return self._plain
        if kind in _CONVOLUTIONS:
            return self._convolution
        return {
            "Relu6": self._relu6,
            "Mean": self._mean,
            "ConcatV2": self._concatenation,
            "ResizeBilinear": self._enlargement,
        }.get(kind)

    def _operand(self, name: str) -> str | npt.NDArray[Any]:
        """A tensor by name, or a constant: one number, or one per channel, for all places."""
        if name not in self._constants:
            return self._tensors.get(name, name)
        array = self._constants[name]
        return array.reshape(-1, 1, 1) if array.ndim else array

    def _plain(self, node: Any, inputs: list[str]) -> str:
        return self.graph.node(_PLAIN[node["op"]], *map(self._operand, inputs))

    def _relu6(self, _node: Any, inputs: list[str]) -> str:
        import numpy as np

        return self.graph.node("Clip", self._operand(inputs[0]), np.array(0, "f4"), np.array(6, "f4"))

    def _mean(self, _node: Any, inputs: list[str]) -> str:
        axes = sorted(_AXES[int(axis)] for axis in self._constants[inputs[1]].ravel())
        return self.graph.node("ReduceMean", self._operand(inputs[0]), axes=axes, keepdims=1)

    def _concatenation(self, _node: Any, inputs: list[str]) -> str:
        axis = _AXES[int(self._constants[inputs[-1]]) % len(_AXES)]
        return self.graph.node("Concat", *map(self._operand, inputs[:-1]), axis=axis)

    def _enlargement(self, _node: Any, inputs: list[str]) -> str:
        import numpy as np

        # All of this graph's double the sides; its constants with the sides of a square of 512 are left out.
        return self.graph.node(
            "Resize",
            self._operand(inputs[0]),
            "",
            np.array([1, 1, 2, 2], np.float32),
            mode="linear",
            coordinate_transformation_mode="asymmetric",
        )

    def _convolution(self, node: Any, inputs: list[str]) -> str:
        fused = [_text(word) for word in node["attr"].get("fused_ops", {}).get("list", {}).get("s", ())]
        strides = {int(one) for one in node["attr"]["strides"]["list"]["i"][1:3]}
        if not set(fused) <= {"BiasAdd", "Relu"} or len(strides) != 1:
            raise BadWeights(f"the convolution {node['name']} is of a kind that is not known here")
        [stride] = strides
        weights = self._constants[inputs[1]]
        height, width, channels, filters = weights.shape
        depthwise = "epthwise" in node["op"]
        if depthwise:
            weights = weights.reshape(height, width, 1, channels * filters)
        made = self.graph.node(
            "Conv",
            self._operand(inputs[0]),
            weights.transpose(3, 2, 0, 1),
            *([self._constants[inputs[2]]] if "BiasAdd" in fused else []),
            strides=[stride, stride],
            pads=_same(height, width, stride) if _text(node["attr"]["padding"]["s"]) == "SAME" else [0] * 4,
            group=channels if depthwise else 1,
        )
        return self.graph.node("Relu", made) if "Relu" in fused else made


def _same(height: int, width: int, stride: int) -> list[int]:
    """The padding that TensorFlow calls SAME: at the top, on the left, at the bottom, on the right.

    Sides are multiples of the stride here. Where the padding is odd, there is more of it at the end.
    """
    down, across = max(height - stride, 0), max(width - stride, 0)
    return [down // 2, across // 2, down - down // 2, across - across // 2]


def _text(word: str) -> str:
    """A word of TensorFlow.js, which writes them in base64."""
    return base64.b64decode(word).decode()
