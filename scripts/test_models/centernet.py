"""MobileNetV3-CenterNet: the true architecture as a graph of TensorFlow.js, seeded, that is sure of nothing.

The graph is as wide and as deep as the released one, with the same kinds of nodes.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

from scripts.test_models.files import SEED, write_new
from scripts.test_models.tfjs import pack, random_filters

BLOCKS = (  # kernel, channels inside and out, stride, of the squeezed ones (0: none), and whether it swishes
    (3, 16, 16, 1, 0, False),
    (3, 64, 24, 2, 0, False),
    (3, 72, 24, 1, 0, False),
    (5, 72, 32, 2, 24, False),
    (5, 96, 32, 1, 24, False),
    (5, 96, 32, 1, 24, False),
    (3, 192, 64, 2, 0, True),
    (3, 160, 64, 1, 0, True),
    (3, 144, 64, 1, 0, True),
    (3, 144, 64, 1, 0, True),
    (3, 384, 88, 1, 96, True),
    (3, 528, 88, 1, 136, True),
    (5, 528, 120, 2, 136, True),
    (5, 720, 120, 1, 184, True),
    (5, 720, 120, 1, 184, True),
)
LAST = 480
HEAD = ((11, False, 128, 32), (5, True, 96, 64), (3, True, 64, 128))
"""Of each step up: the block whose features are joined and whether as it widened them, the channels, and the
side in a picture of 512."""
HEAD_BIAS = -4.0
"""Of the class scores, before the sigmoid."""
HALF_BOX = 2.5
PIXEL = 128.0
"""Pixels are as they come, up to 255."""
CALM = 0.3
"""Of the last convolutions, lest what is random in them decides."""
WIDEST = 16.0
"""The boxes' sides are multiplied by it."""


def make_tiny(folder: Path) -> list[Path]:
    return _write(folder)


def make_full(folder: Path) -> list[Path]:
    if (folder / "centernet.bin").exists():
        return []
    return _write(folder)


def _write(folder: Path) -> list[Path]:
    graph = TensorFlowGraph()
    graph.centernet()
    entries, stored = pack(graph.constants, "float16")
    described = {
        "format": "graph-model",
        "modelTopology": {"node": graph.nodes},
        "weightsManifest": [{"paths": ["centernet.bin"], "weights": entries}],
    }
    contents = {"centernet.json": json.dumps(described).encode(), "centernet.bin": stored}
    made = []
    for name, content in contents.items():
        made += write_new(folder / name, lambda path, content=content: path.write_bytes(content))
    return made


class TensorFlowGraph:
    """Nodes as TensorFlow.js describes them, and their constants."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.constants: dict[str, np.ndarray] = {}
        self._random = np.random.default_rng(SEED)
        self._channels: dict[str, int] = {}
        self._kept: dict[tuple[int, bool], str] = {}

    def add(self, kind: str, *inputs: str, name: str = "", channels: int = 0, **attributes: Any) -> str:
        name = name or f"tower_0/{kind}_{len(self.nodes)}"
        self.nodes.append({"name": name, "op": kind, "input": list(inputs), "attr": attributes})
        self._channels[name] = channels or (self._channels[inputs[0]] if inputs else 0)
        return name

    def constant(self, value: Any) -> str:
        array = np.asarray(value)
        name = self.add("Const", name=f"constant_{len(self.constants)}")
        self.constants[name] = array.astype(np.int32 if array.dtype.kind == "i" else np.float32)
        return name

    def convolve(
        self,
        source: str,
        after: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        relu: bool = False,
        bias: float = 0,
        gain: float = 1,
    ) -> str:
        filters = random_filters(self._random, (kernel, kernel, self._channels[source], after), gain)
        fused = ["BiasAdd", "Relu"] if relu else ["BiasAdd"]
        weights, biases = self.constant(filters), self.constant(np.full(after, bias, np.float32))
        attributes = _attributes(stride, fused)
        return self.add("_FusedConv2D", source, weights, biases, channels=after, **attributes)

    def depthwise(self, source: str, kernel: int, stride: int = 1, fused: tuple[str, ...] = ()) -> str:
        channels = self._channels[source]
        filters = random_filters(self._random, (kernel, kernel, 1, channels))
        inputs = [source, self.constant(filters.reshape(kernel, kernel, channels, 1))]
        if fused:
            inputs.append(self.constant(np.zeros(channels, np.float32)))
        kind = "FusedDepthwiseConv2dNative" if fused else "DepthwiseConv2dNative"
        return self.add(kind, *inputs, **_attributes(stride, fused))

    def hard_swish(self, source: str) -> str:
        risen = self.add("Relu6", self.add("Add", source, self.constant(3.0)))
        return self.add("Mul", self.add("Mul", source, self.constant(1 / 6)), risen)

    def squeeze(self, source: str, inside: int) -> str:
        mean = self.add("Mean", source, self.constant([1, 2]), keep_dims={"b": True})
        asked = self.convolve(self.convolve(mean, inside, relu=True), self._channels[source])
        shares = self.add("Relu6", self.add("Add", asked, self.constant(3.0)))
        return self.add("Mul", source, self.add("Mul", shares, self.constant(1 / 6)))

    def centernet(self) -> None:
        source = self.add("Placeholder", name="tower_0/images", channels=3)
        features = self.hard_swish(self.convolve(source, 16, 3, 2, gain=1 / PIXEL))
        for number in range(len(BLOCKS)):
            features = self._block(features, number)
        features = self.hard_swish(self.convolve(features, LAST))
        for block, widened, channels, side in HEAD:
            risen = self._separable(features, 5, channels), self._separable(features, 3, channels)
            larger = self.add("ResizeBilinear", self.add("Add", *risen), self.constant([side, side]))
            beside = self._kept[block, widened]
            beside = self.convolve(beside, self._channels[beside] // 4, relu=True)
            joined = [self._separable(beside, 5, channels), larger, self.constant(3)]
            features = self.add("Relu", self.add("ConcatV2", *joined, channels=2 * channels))
        features = self._weighed(features)
        sides = self.add("Mul", self._separable(features, 3, 4, bias=HALF_BOX), self.constant(WIDEST))
        self.add("Identity", sides, name="tower_0/wh")
        scores = self._separable(features, 3, 80, bias=HEAD_BIAS)
        self.add("Identity", self.add("Sigmoid", scores), name="tower_0/keypoints")

    def _block(self, source: str, number: int) -> str:
        kernel, inside, after, stride, squeezed, swishes = BLOCKS[number]
        features = source
        if inside != self._channels[source]:
            features = self.convolve(features, inside, relu=not swishes)
            features = self.hard_swish(features) if swishes else features
            self._kept[number, True] = features
        fused = ("BiasAdd",) if swishes else ("BiasAdd", "Relu")
        features = self.depthwise(features, kernel, stride, fused)
        features = self.hard_swish(features) if swishes else features
        features = self.squeeze(features, squeezed) if squeezed else features
        features = self.convolve(features, after)
        same = stride == 1 and after == self._channels[source]
        self._kept[number, False] = self.add("Add", features, source) if same else features
        return self._kept[number, False]

    def _separable(self, source: str, kernel: int, after: int, *, bias: float = 0) -> str:
        return self.convolve(self.depthwise(source, kernel), after, bias=bias, gain=CALM if bias else 1)

    def _weighed(self, source: str) -> str:
        channels = self._channels[source]
        mean = self.add("Mean", source, self.constant([1, 2]), keep_dims={"b": True})
        inside = self.convolve(mean, channels // 4, relu=True)
        filters = self.constant(random_filters(self._random, (1, 1, channels // 4, channels)))
        shares = self.add("Conv2D", inside, filters, channels=channels, **_attributes(1, ()))
        return self.add("Mul", source, self.add("Sigmoid", shares))


def _attributes(stride: int, fused: Any) -> dict[str, Any]:
    return {
        "strides": {"list": {"i": ["1", str(stride), str(stride), "1"]}},
        "padding": {"s": _text("SAME")},
        "fused_ops": {"list": {"s": [_text(word) for word in fused]}},
    }


def _text(word: str) -> str:
    return base64.b64encode(word.encode()).decode()
