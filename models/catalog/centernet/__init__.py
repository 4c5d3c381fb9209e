"""Objects of the 80 classes of COCO, by MobileNetV3-CenterNet: small, fast, and free.

The weights come in a package of npm, as a graph of TensorFlow.js in fp16. They are turned into ONNX once, on
first use, without TensorFlow and without torch, and run in fp32.

Picture by picture: on a processor batches gain nothing, and pictures differ in shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from models.backends.exports import exported
from models.backends.graphs import Session, open_graph
from models.backends.ways import Way, choose
from models.catalog.centernet.boxes import decode, letterboxed
from models.catalog.centernet.graph import INPUT, OUTPUTS, write_graph
from models.errors import ModelFailed
from models.frame import Frame
from models.looks import detect_closely
from models.results import DetectedObject
from models.settings import ModelSettings
from models.spec import Device, Licence, Loading, ModelSpec, Variant, WeightFile
from models.tasks import OBJECTS, ObjectDetector

LEAST_SCORE: Final = 0.2
"""In pictures of COCO .78 of what it finds from here on are right, and .69 from 0.15 on."""
SURE_SCORE: Final = 0.3
"""The scores of a network with centres are lower than YOLO's: at 0.5 half of what it sees would be lost."""
_GRAPH: Final = "centernet.onnx"
_LIBRARIES: Final = ("onnx",)
_PACKAGE: Final = "npm:@vladmandic/human@3.3.6"
"""Of several that hold the same two files, the smallest."""
_PACKAGE_SHA256: Final = "425e9c51dbbca0c8934362b170cb0d54c2529c11c654b3c03092b16e9d6ad3f7"
_LICENCE: Final = Licence(name="Apache-2.0", use="free")
"""Of mobilenetv3_centernet, from which the weights are; the package is under MIT."""
_FILES: Final = (
    ("centernet.json", 201_673, "bfb942eaacc5becf738d536663bc4580a0ae9e560722306e6d4dd7fe4a09de05"),
    ("centernet.bin", 4_030_290, "1b635a15009071f506f9f2b3519b31c072c534888989f30d269ffd44734ef7ef"),
)
"""Name, bytes and SHA-256 of the graph and of its weights."""


def select(settings: ModelSettings) -> Variant:
    if settings.model_profile == "tiny":
        return _variant("tiny", tuple(WeightFile(path=f"tiny/centernet/{name}") for name, _, _ in _FILES))
    files = tuple(
        WeightFile(
            path=f"centernet/{name}",
            url=_PACKAGE,
            archive_sha256=_PACKAGE_SHA256,
            member=f"package/models/{name}",
            sha256=sha256,
            size=size,
        )
        for name, size, sha256 in _FILES
    )
    return _variant("mobilenetv3", files)


def _variant(name: str, files: tuple[WeightFile, ...]) -> Variant:
    return Variant(
        version=f"centernet-{name}",
        licence=_LICENCE,
        files=files,
        packages=("onnx", "onnxruntime", "cv2"),
        least_score=LEAST_SCORE,
        sure_score=SURE_SCORE,
        megabytes=100,
        largest_batch={"cpu": 1, "cuda": 4, "mps": 1},
    )


def load(loading: Loading) -> ObjectDetector:
    backend = choose(_ways(loading.device), loading.settings.model_backend).backend
    assert backend != "torch"
    try:
        folder = export(loading, backend)
    except OSError as error:
        raise ModelFailed(f"{loading.variant.version} cannot be turned into a graph: {error}") from error
    session = open_graph(folder / _GRAPH, backend, loading)
    return CenterNet(session, backend, loading.variant.scores(loading.settings.object_threshold))


def _ways(device: Device) -> tuple[Way, ...]:
    """The ways to run the graph, fastest first.

    OpenVINO takes one and a half times as long, with AVX-512 too, where no two pictures have one shape.
    """
    ways = (Way("onnxruntime", "fp32"), Way("openvino", "fp32"))
    return ways if device == "cpu" else ways[:1]


def export(loading: Loading, _backend: Literal["onnxruntime", "openvino"]) -> Path:
    """The folder of the network's graph, the same one for every backend.

    Raises:
        BadWeights: the files are not of this network.
        OSError: the cache folder cannot be written.
    """
    model, weights = loading.files.values()
    return exported(
        loading, "centernet", _LIBRARIES, lambda folder: write_graph(model, weights, folder / _GRAPH)
    )


class CenterNet(ObjectDetector):
    """A network that says, for each place, which class has its centre there, and how far its sides are."""

    precision = "fp32"

    def __init__(self, session: Session, backend: str, scores: tuple[float, float]) -> None:
        """`scores` are those from which on an object is kept, and is sure."""
        self.backend = backend
        self._session = session
        self._least, self._sure = scores

    def detect(self, frames: Sequence[Frame]) -> Sequence[tuple[DetectedObject, ...]]:
        return detect_closely(frames, self._look, at_once=1, sure=self._sure)

    def _look(self, frames: Sequence[Frame]) -> Sequence[tuple[DetectedObject, ...]]:
        return [self._detect(frame) for frame in frames]

    def _detect(self, frame: Frame) -> tuple[DetectedObject, ...]:
        pixels, scale = letterboxed(frame)
        scores, sides = self._session.run(list(OUTPUTS), {INPUT: pixels})
        return tuple(decode(scores[0], sides[0], scale, frame, self._least))


SPEC = ModelSpec(
    task=OBJECTS,
    name="centernet",
    set_by=("object_threshold",),
    profile="free",
    select=select,
    load=load,
    export=export,
)
