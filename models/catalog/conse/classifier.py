"""EfficientNet-Lite2 as a graph: a picture to the logits of ImageNet's 1000 classes.

Tan and Le 2019 (arXiv 1905.11946) without squeeze-and-excitation, and with ReLU6, as Google published it for
telephones. The padding is TensorFlow's "same", which is uneven where a stride is 2; batch normalisation is
part of the weights here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from models.backends.writing import GraphWriter

if TYPE_CHECKING:
    import numpy.typing as npt

    Weights: TypeAlias = Mapping[str, npt.NDArray[Any]]

SIDE: Final = 260
"""Pixels of the square that it was trained on."""
CLASSES: Final = 1000
STAGES: Final = ((1, 3, 1), (3, 3, 2), (3, 5, 2), (4, 3, 2), (4, 5, 1), (5, 5, 2), (1, 3, 1))
"""Blocks, kernel, and stride of the first block."""
_EPSILON: Final = 1e-3


def write_classifier(weights: Weights, path: Path) -> None:
    """Write the graph from `pixels` (pictures, 3, SIDE, SIDE), -1 to 1, to `logits` (pictures, CLASSES).

    Raises:
        KeyError: a tensor is missing.
    """
    import numpy as np

    writer = GraphWriter()
    network = _Network(writer, weights)
    x = network.convolve("pixels", "_conv_stem", "_bn0", 3, 2)
    number = 0
    for blocks, kernel, stride in STAGES:
        for block in range(blocks):
            x = network.block(x, f"_blocks.{number}", kernel, stride if block == 0 else 1)
            number += 1
    x = network.convolve(x, "_conv_head", "_bn1", 1, 1)
    x = writer.node("Flatten", writer.node("GlobalAveragePool", x))
    logits = writer.node("Gemm", x, np.array(weights["_fc.weight"]), np.array(weights["_fc.bias"]), transB=1)
    source = ("pixels", np.float32, ("pictures", 3, SIDE, SIDE))
    writer.save(path, source, {"logits": (logits, ("pictures", CLASSES))})


class _Network:
    """Writes the layers, and keeps count of how large their pictures are."""

    def __init__(self, writer: GraphWriter, weights: Weights) -> None:
        import numpy as np

        self._writer, self._weights = writer, weights
        self._side = SIDE
        self._bounds = [writer.constant(np.array(bound, np.float32)) for bound in (0, 6)]

    def block(self, x: str, name: str, kernel: int, stride: int) -> str:
        """An inverted bottleneck: widen (but for the first block), convolve each channel, narrow."""
        start = x
        if f"{name}._expand_conv.weight" in self._weights:
            x = self.convolve(x, f"{name}._expand_conv", f"{name}._bn0", 1, 1)
        x = self.convolve(x, f"{name}._depthwise_conv", f"{name}._bn1", kernel, stride)
        x = self.convolve(x, f"{name}._project_conv", f"{name}._bn2", 1, 1, bounded=False)
        wide = self._weights[f"{name}._project_conv.weight"].shape[0]
        first = self._weights.get(f"{name}._expand_conv.weight")
        if stride == 1 and first is not None and first.shape[1] == wide:
            return self._writer.node("Add", x, start)
        return x

    def convolve(self, x: str, name: str, norm: str, kernel: int, stride: int, bounded: bool = True) -> str:
        """A convolution with its normalisation, and ReLU6 where it is `bounded`."""
        kernels, bias = self._folded(name, norm)
        across = -(-self._side // stride)
        padding = max(0, (across - 1) * stride + kernel - self._side)
        self._side = across
        x = self._writer.node(
            "Conv",
            x,
            kernels,
            bias,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[padding // 2, padding // 2, padding - padding // 2, padding - padding // 2],
            group=len(kernels) if kernels.shape[1] == 1 else 1,
        )
        return self._writer.node("Clip", x, *self._bounds) if bounded else x

    def _folded(self, name: str, norm: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """The kernels and the bias of a convolution, its normalisation included."""
        import numpy as np

        gain, shift, mean, variance = (
            self._weights[f"{norm}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = gain / np.sqrt(variance + _EPSILON)
        kernels = self._weights[f"{name}.weight"] * factor[:, None, None, None]
        return kernels.astype(np.float32), (shift - mean * factor).astype(np.float32)
