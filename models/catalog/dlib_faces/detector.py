"""YuNet, the detector of libfacedetection: its graph, and from its numbers to faces.

The graph is that of `facedetectcnn-model.cpp`, whose weights lie in the library's shared object under the
names of their layers. A layer is a convolution of 1 by 1, then one of 3 by 3 within each channel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from models.backends.writing import GraphWriter
from models.catalog.dlib_faces.shared_object import read_arrays
from models.errors import BadWeights
from models.suppression import distinct

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

INPUT: Final = "pixels"
"""In BGR, 0 to 255, (1, 3, height, width); sides are multiples of `STRIDES[-1]`."""
STRIDES: Final = (8, 16, 32)
HEADS: Final[Mapping[str, int]] = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
"""By name, the numbers at each place: how like a face, how like anything, the box, the landmarks."""
OVERLAP: Final = 0.45
"""Boxes that share more (IoU) are one face, as in the library."""
POINTS: Final = 5
BACKBONE: Final[tuple[tuple[int, int], ...]] = ((16, 16), (16, 32), (32, 64), (64, 64), (64, 64), (64, 64))
"""Channels into and out of each stage."""
_STEM: Final = 16
_POOLED: Final = (0, 2, 3, 4)
"""The stages after which the sides are halved."""
_FIRST_KEPT: Final = 3
"""The stage from which on the features are looked at for faces."""
_WIDTH: Final = 64
_SEEN: Final = 27
"""Numbers in 3 by 3 pixels. The library fills them up to 32."""


@dataclass(frozen=True, slots=True)
class FoundFaces:
    """The faces in a picture, best first, in pixels of what the detector saw."""

    boxes: Floats
    """(faces, 4): left, top, right, bottom."""
    scores: Floats
    points: Floats
    """(faces, 5, 2)."""


def layers() -> dict[str, tuple[int, int]]:
    """Channels into and out of every layer, by the name that its arrays begin with."""
    found = {"backbone__model0_dp": BACKBONE[0]}
    for stage, (before, after) in enumerate(BACKBONE[1:], start=1):
        found[f"backbone__model{stage}_dp1"] = (before, before)
        found[f"backbone__model{stage}_dp2"] = (before, after)
    found.update({f"neck__lateral_convs__{level}": (_WIDTH, _WIDTH) for level in range(len(STRIDES))})
    for head, numbers in HEADS.items():
        for level in range(len(STRIDES)):
            found[f"bbox_head__multi_level_{head}__{level}"] = (_WIDTH, numbers)
    return found


def shapes() -> dict[str, tuple[int, ...]]:
    """The shape of every array in the shared object."""
    found: dict[str, tuple[int, ...]] = {
        "backbone__model0_pw_weight": (_STEM, 32),
        "backbone__model0_pw_bias": (_STEM,),
    }
    for name, (before, after) in layers().items():
        found[f"{name}_pw_weight"] = (after, before, 1, 1)
        found[f"{name}_dw_weight"] = (3, 3, after, 1)
        found[f"{name}_pw_bias"] = found[f"{name}_dw_bias"] = (after,)
    return found


def write_detector(library: Path, target: Path) -> None:
    """Write the graph with the weights in libfacedetection's shared object as ONNX.

    Raises:
        BadWeights: the file is damaged, or of another version of the library.
    """
    found = read_arrays(library)
    arrays = {}
    for name, shape in shapes().items():
        try:
            arrays[name] = found[name].reshape(shape)
        except (KeyError, ValueError) as error:
            raise BadWeights(f"{library.name} has no {name} as libfacedetection 3 has it") from error
    _Network(arrays).save(target)


class _Network:
    def __init__(self, arrays: Mapping[str, Floats]) -> None:
        self._arrays = arrays
        self._graph = GraphWriter()

    def save(self, target: Path) -> None:
        outputs: dict[str, tuple[str, Sequence[int | str]]] = {}
        for level, features in enumerate(self._pyramid()):
            stride = STRIDES[level]
            for head, numbers in HEADS.items():
                made = self._layer(features, f"bbox_head__multi_level_{head}__{level}", relu=False)
                if head in ("cls", "obj"):
                    made = self._graph.node("Sigmoid", made)
                outputs[f"{head}_{stride}"] = (made, (1, numbers, f"rows_{stride}", f"columns_{stride}"))
        self._graph.save(target, (INPUT, "float32", (1, 3, "height", "width")), outputs)

    def _pyramid(self) -> list[str]:
        """The features at each stride: those of the backbone, with what the coarser ones know added."""
        kept = self._backbone()
        levels: list[str] = []
        above = ""
        for level in reversed(range(len(STRIDES))):
            features = self._graph.node("Add", self._doubled(above), kept[level]) if above else kept[level]
            above = self._layer(features, f"neck__lateral_convs__{level}")
            levels.insert(0, above)
        return levels

    def _backbone(self) -> list[str]:
        features = self._layer(self._stem(), "backbone__model0_dp")
        kept = []
        for stage in range(len(BACKBONE)):
            if stage:
                features = self._layer(features, f"backbone__model{stage}_dp1")
                features = self._layer(features, f"backbone__model{stage}_dp2")
            if stage >= _FIRST_KEPT:
                kept.append(features)
            if stage in _POOLED:
                features = self._graph.node("MaxPool", features, kernel_shape=[2, 2], strides=[2, 2])
        return kept

    def _stem(self) -> str:
        weights = self._arrays["backbone__model0_pw_weight"][:, :_SEEN].reshape(_STEM, 3, 3, 3)
        bias = self._arrays["backbone__model0_pw_bias"]
        first = self._graph.node(
            "Conv", INPUT, weights.transpose(0, 3, 1, 2), bias, strides=[2, 2], pads=[1] * 4
        )
        return self._graph.node("Relu", first)

    def _layer(self, features: str, name: str, *, relu: bool = True) -> str:
        arrays, graph = self._arrays, self._graph
        mixed = graph.node("Conv", features, arrays[f"{name}_pw_weight"], arrays[f"{name}_pw_bias"])
        weights, bias = arrays[f"{name}_dw_weight"].transpose(2, 3, 0, 1), arrays[f"{name}_dw_bias"]
        made = graph.node("Conv", mixed, weights, bias, pads=[1] * 4, group=len(weights))
        return graph.node("Relu", made) if relu else made

    def _doubled(self, features: str) -> str:
        import numpy as np

        return self._graph.node(
            "Resize",
            features,
            "",
            np.array([1, 1, 2, 2], np.float32),
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )


def decode(outputs: Mapping[str, npt.NDArray[Any]], threshold: float) -> FoundFaces:
    """The faces whose score reaches `threshold`, in what the graph says of one picture."""
    import numpy as np

    parts = [_decode_level(outputs, stride, threshold) for stride in STRIDES]
    boxes, scores, points = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(-scores, kind="stable")
    kept = distinct(boxes[order], OVERLAP)
    order = order[kept]
    return FoundFaces(boxes[order], scores[order], points[order])


def _decode_level(
    outputs: Mapping[str, npt.NDArray[Any]], stride: int, threshold: float
) -> tuple[Floats, Floats, Floats]:
    import numpy as np

    scores = np.sqrt(outputs[f"cls_{stride}"][0, 0] * outputs[f"obj_{stride}"][0, 0])
    rows, columns = np.nonzero(scores >= threshold)
    corner = np.stack([columns, rows], axis=1).astype(np.float32)
    numbers = outputs[f"bbox_{stride}"][0][:, rows, columns].T
    centre = (corner + numbers[:, :2]) * stride
    half = np.exp(numbers[:, 2:]) * stride / 2
    points = outputs[f"kps_{stride}"][0][:, rows, columns].T.reshape(-1, POINTS, 2)
    return (
        np.concatenate([centre - half, centre + half], axis=1),
        scores[rows, columns],
        (corner[:, None] + points) * stride,
    )
