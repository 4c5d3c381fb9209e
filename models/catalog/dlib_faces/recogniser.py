"""dlib's face recognition network: a ResNet from an aligned face of 150 by 150 pixels to 128 numbers.

The graph is that of dlib's `dnn_face_recognition_ex.cpp`, with the weights that face-api took from
`dlib_face_recognition_resnet_model_v1.dat` and stored for TensorFlow.js, as uint8 with a scale per array.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from models.backends.tfjs import read_json, read_weights
from models.backends.writing import GraphWriter
from models.errors import BadWeights

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

INPUT: Final = "faces"
"""In RGB, 0 to 255, (N, 3, 150, 150)."""
OUTPUT: Final = "vectors"
SIDE: Final = 150
NUMBERS: Final = 128
_MEAN: Final = (122.782, 117.001, 104.298)
"""Of red, green and blue in what the network was trained with."""
_SCALE: Final = 256
BLOCKS: Final[Mapping[str, tuple[int, int]]] = {
    "conv32_1": (32, 32),
    "conv32_2": (32, 32),
    "conv32_3": (32, 32),
    "conv64_down": (32, 64),
    "conv64_1": (64, 64),
    "conv64_2": (64, 64),
    "conv64_3": (64, 64),
    "conv128_down": (64, 128),
    "conv128_1": (128, 128),
    "conv128_2": (128, 128),
    "conv256_down": (128, 256),
    "conv256_1": (256, 256),
    "conv256_2": (256, 256),
    "conv256_down_out": (256, 256),
}
"""The residual blocks in order, with their channels in and out; those called `down` halve the sides."""


def shapes() -> dict[str, tuple[int, ...]]:
    """The shape of every array in the file."""
    found: dict[str, tuple[int, ...]] = {}

    def add(layer: str, side: int, before: int, after: int) -> None:
        found[f"{layer}/conv/filters"] = (side, side, before, after)
        for name in ("conv/bias", "scale/weights", "scale/biases"):
            found[f"{layer}/{name}"] = (after,)

    add("conv32_down", 7, 3, 32)
    for block, (before, after) in BLOCKS.items():
        add(f"{block}/conv1", 3, before, after)
        add(f"{block}/conv2", 3, after, after)
    found["fc"] = (256, NUMBERS)
    return found


def write_recogniser(manifest: Path, weights: Path, target: Path) -> None:
    """Write the graph with the weights that face-api ships as ONNX.

    Raises:
        BadWeights: the files are damaged, or of another network.
    """
    found = read_weights(read_json(manifest), weights)
    for name, shape in shapes().items():
        if name not in found or found[name].shape != shape:
            raise BadWeights(f"{weights.name} has no {name} as dlib's network has it")
    _Network(found).save(target)


class _Network:
    def __init__(self, arrays: Mapping[str, Floats]) -> None:
        self._arrays = arrays
        self._graph = GraphWriter()

    def save(self, target: Path) -> None:
        import numpy as np

        graph = self._graph
        mean = np.array(_MEAN, np.float32).reshape(3, 1, 1)
        pixels = graph.node("Div", graph.node("Sub", INPUT, mean), np.array(_SCALE, np.float32))
        features = self._convolve(pixels, "conv32_down", stride=2)
        features = graph.node("MaxPool", features, kernel_shape=[3, 3], strides=[2, 2])
        side = _halved(_halved(SIDE, 7), 3)
        for block, (before, after) in BLOCKS.items():
            if "down" in block:
                features, side = self._down(features, block, before, after, side)
            else:
                features = self._block(features, block)
        pooled = graph.node("Flatten", graph.node("GlobalAveragePool", features), axis=1)
        vectors = graph.node("MatMul", pooled, self._arrays["fc"])
        graph.save(
            target, (INPUT, "float32", ("faces", 3, SIDE, SIDE)), {OUTPUT: (vectors, ("faces", NUMBERS))}
        )

    def _block(self, features: str, block: str) -> str:
        made = self._convolve(features, f"{block}/conv1")
        made = self._convolve(made, f"{block}/conv2", relu=False)
        return self._graph.node("Relu", self._graph.node("Add", made, features))

    def _down(self, features: str, block: str, before: int, after: int, side: int) -> tuple[str, int]:
        """A block that halves the sides. What it adds is smaller or larger: both are filled up with zeros."""
        graph = self._graph
        made = self._convolve(features, f"{block}/conv1", stride=2)
        made = self._convolve(made, f"{block}/conv2", relu=False)
        pooled = graph.node("AveragePool", features, kernel_shape=[2, 2], strides=[2, 2])
        sides = _halved(side, 3), side // 2
        largest = max(sides)
        made = self._filled(made, 0, largest - sides[0])
        pooled = self._filled(pooled, after - before, largest - sides[1])
        return graph.node("Relu", graph.node("Add", made, pooled)), largest

    def _filled(self, features: str, channels: int, pixels: int) -> str:
        import numpy as np

        if not channels and not pixels:
            return features
        ends = np.array([0, 0, 0, 0, 0, channels, pixels, pixels], np.int64)
        return self._graph.node("Pad", features, ends)

    def _convolve(self, features: str, layer: str, *, stride: int = 1, relu: bool = True) -> str:
        """A convolution, whose filters and bias take in the scaling that follows."""
        arrays = self._arrays
        filters, bias = arrays[f"{layer}/conv/filters"], arrays[f"{layer}/conv/bias"]
        scale, shift = arrays[f"{layer}/scale/weights"], arrays[f"{layer}/scale/biases"]
        edge = 0 if stride > 1 else filters.shape[0] // 2
        made = self._graph.node(
            "Conv",
            features,
            (filters * scale).transpose(3, 2, 0, 1),
            bias * scale + shift,
            strides=[stride, stride],
            pads=[edge] * 4,
        )
        return self._graph.node("Relu", made) if relu else made


def _halved(side: int, kernel: int) -> int:
    return (side - kernel) // 2 + 1
