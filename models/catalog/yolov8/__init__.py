"""Objects of the 80 classes of COCO, by YOLOv8 of any size.

Ultralytics' own steps around the network: its rectangular letterbox, its suppression, its scaling back. What
the network says is read in fp32, whatever ran it: in bf16 a box near the edge would be off by four pixels.
Which backend runs it, fastest first:

| device | |
| --- | --- |
| processor that multiplies bf16 in hardware | openvino bf16, torch bf16 |
| processor with AVX-512 | openvino, onnxruntime, torch |
| other processor | onnxruntime, torch, openvino |
| cuda | torch fp16 |
| mps | torch |

YOLOv8m on two cores, milliseconds for 640 x 480. With bf16 in hardware: OpenVINO 72, torch 80, and in fp32
OpenVINO 132, ONNX Runtime 134, torch 145; `YOLO.predict` takes 350, having left itself one core. With AVX2
all take about 370 and OpenVINO a little more. Batches gain nothing on a processor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from models.backends.exports import NotExportable, exported, require_close, write_onnx
from models.backends.graphs import GraphRuntime, open_graph
from models.backends.ways import Precision, Way, build_first
from models.catalog.yolov8.boxes import BINS, STRIDES, decode, thing_of
from models.coco import CLASSES
from models.errors import BadWeights
from models.frame import Frame
from models.looks import MOST_OBJECTS, detect_closely
from models.machine import memory
from models.machine.memory import is_out_of_memory
from models.machine.processor import has_avx512, has_bf16
from models.machine.torch_cpu import make_torchvision_importable
from models.results import DetectedObject
from models.settings import ModelSettings
from models.spec import Device, Licence, Loading, ModelSpec, Variant, WeightFile
from models.tasks import OBJECTS, ObjectDetector

if TYPE_CHECKING:
    from torch import Tensor

    Network: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor]]
    """From pictures, (N, 3, height, width) in fp32 from 0 to 1, to what is seen at each of the places where a
    box may be: the distances to its sides, (N, 64, places), and how much of each class, (N, 80, places)."""

SIDE: Final = 640
"""Pixels of the long side of what the network sees, as it was trained."""
LEAST_SCORE: Final = 0.25
"""Of held-out pictures of COCO, YOLOv8n finds .53 of what is there so, and .18 from `SURE_SCORE` on."""
SURE_SCORE: Final = 0.5
"""From here on next to nothing is wrong."""
OVERLAP: Final = 0.7
"""Boxes of one class that share more (IoU) are one object: Ultralytics' default."""
_GRAPH: Final = "yolov8.onnx"
_LIBRARIES: Final = ("ultralytics", "torch")
_OUTPUTS: Final = ("distances", "scores")
_RELEASE: Final = "https://github.com/ultralytics/assets/releases/download/v8.4.0"
_LICENCE: Final = Licence(name="AGPL-3.0", use="copyleft")
"""Of the library, and of the weights."""
_RELEASED: Final[Mapping[str, tuple[str, int | None]]] = {
    "n": ("f59b3d833e2ff32e194b5bb8e08d211dc7c5bdf144b90d2c8412c47ccfc83b36", 6_549_796),
    "s": ("1f47a78bf100391c2a140b7ac73a1caae18c32779be7d310658112f7ac9aa78a", 22_588_772),
    "m": ("5d4a90cdc7a21786cc59cd19778e9eafff836df9e2da32524737c7ee6efe4fe5", None),
    "l": ("64c9115303f6a25575f82200d1b22ec409fa6bd7d08d0313884fc20d919478cd", None),
    "x": ("3df4ada6b4dad6d657868f2fdf7faecfb34dcfccf3a25c4b82079064718524c8", None),
}
"""SHA-256 and bytes, by size."""
_MEGABYTES: Final[Mapping[str, int]] = {"n": 150, "s": 200, "m": 300, "l": 450, "x": 650}
_LINE: Final = 500


def select(settings: ModelSettings) -> Variant:
    if settings.model_profile == "tiny":
        return _variant("tiny", WeightFile(path="tiny/yolo/yolov8n-tiny.pt", pickled=True), megabytes=100)
    size = settings.yolo_size
    sha256, length = _RELEASED[size]
    name = f"yolov8{size}.pt"
    file = WeightFile(path=f"yolo/{name}", url=f"{_RELEASE}/{name}", sha256=sha256, size=length, pickled=True)
    return _variant(size, file, megabytes=_MEGABYTES[size])


def _variant(size: str, file: WeightFile, *, megabytes: int) -> Variant:
    return Variant(
        version=f"yolov8-{size}",
        licence=_LICENCE,
        files=(file,),
        packages=("ultralytics", "torch"),
        least_score=LEAST_SCORE,
        sure_score=SURE_SCORE,
        megabytes=megabytes,
        largest_batch={"cpu": 1, "cuda": 32, "mps": 8},
    )


def load(loading: Loading) -> ObjectDetector:
    return build_first(loading, _ways(loading.device), lambda way: _build(loading, way))


def _build(loading: Loading, way: Way) -> Yolo:
    if way.backend == "torch":
        network = _on_torch(_reference(loading), loading.device, way.precision)
    else:
        folder = export(loading, way.backend)
        network = _on_graph(folder, way.backend, "bf16" if way.precision == "bf16" else "fp32", loading)
    scores = loading.variant.scores(loading.settings.object_threshold)
    return Yolo(network, way, scores, loading.variant.largest_batch[loading.device])


def _ways(device: Device) -> tuple[Way, ...]:
    """The ways to run the network, fastest first."""
    if device != "cpu":
        return (Way("torch", "fp16" if device == "cuda" else "fp32"),)
    if has_bf16():
        return Way("openvino", "bf16"), Way("torch", "bf16"), Way("onnxruntime", "fp32")
    openvino, onnxruntime, torch = (
        Way("openvino", "fp32"),
        Way("onnxruntime", "fp32"),
        Way("torch", "fp32"),
    )
    return (openvino, onnxruntime, torch) if has_avx512() else (onnxruntime, torch, openvino)


def export(loading: Loading, backend: Literal["onnxruntime", "openvino"]) -> Path:
    """The folder of the network's graph, tried with `backend` if it was made just now.

    Raises:
        BadWeights: the file is not of this model.
        NotExportable: it has no graph.
        OSError: the cache folder cannot be written.
    """

    def write(folder: Path) -> None:
        import torch

        model = _reference(loading)
        noise = torch.rand(2, 3, SIDE // 2, SIDE // 4, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            expected = [one.numpy() for one in _raw(model, noise)]
        sides = {0: "pictures", 2: "places"}
        write_onnx(
            model,
            partial(_raw, model),
            noise,
            folder / _GRAPH,
            _OUTPUTS,
            {"input": {0: "pictures", 2: "height", 3: "width"}, **dict.fromkeys(_OUTPUTS, sides)},
        )
        try:
            session = open_graph(folder / _GRAPH, backend, loading)
        except BadWeights as error:  # what it calls a graph that it cannot run
            raise NotExportable(str(error)) from error
        require_close(expected, session.run(list(_OUTPUTS), {"input": noise.numpy()}))

    try:
        return exported(loading, "yolov8", _LIBRARIES, write)
    finally:
        memory.return_memory()


def _reference(loading: Loading) -> Any:
    """The library's own network, fused, in fp32 on the processor.

    Raises:
        BadWeights: the file is none, is damaged, or is of another model.
    """
    make_torchvision_importable()
    from ultralytics.nn.modules import Detect
    from ultralytics.nn.tasks import DetectionModel, load_checkpoint

    (path,) = loading.files.values()
    try:
        # Told so by `quiet`, it unpickles its own classes only.
        model: Any = load_checkpoint(path.absolute(), fuse=True)[0]  # type: ignore[no-untyped-call]
    except Exception as error:  # what it raises depends on how the file is damaged
        if is_out_of_memory(error):
            raise
        raise BadWeights(f"{path} is no checkpoint of Ultralytics: {error}"[:_LINE]) from error
    if type(model) is not DetectionModel:
        raise BadWeights(f"{path} holds a {type(model).__name__}, not a detector")
    layers: Any = model.model
    head = layers[-1]
    if type(head) is not Detect or head.end2end or head.reg_max != BINS or head.stride.tolist() != [*STRIDES]:
        raise BadWeights(f"{path} is a detector of another kind than YOLOv8")
    if tuple(model.names.values()) != CLASSES:
        raise BadWeights(f"{path} finds {len(model.names)} classes of its own, not the 80 of COCO")
    return model.requires_grad_(False)


def _raw(model: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:
    _, raw = model(pixels)
    return raw["boxes"], raw["scores"]


def _on_torch(model: Any, device: Device, precision: Precision) -> Network:
    import torch

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    layout = torch.contiguous_format if device == "mps" else torch.channels_last
    model.to(device=device, dtype=dtype, memory_format=layout)

    def run(pixels: Tensor) -> tuple[Tensor, Tensor]:
        with torch.inference_mode():
            distances, scores = _raw(model, pixels.to(device=device, dtype=dtype, memory_format=layout))
            return distances.float(), scores.float()

    return run


def _on_graph(
    folder: Path, backend: GraphRuntime, precision: Literal["fp32", "bf16"], loading: Loading
) -> Network:
    import torch

    session = open_graph(folder / _GRAPH, backend, loading, precision)

    def run(pixels: Tensor) -> tuple[Tensor, Tensor]:
        distances, scores = session.run(list(_OUTPUTS), {"input": pixels.numpy()})
        return torch.from_numpy(distances), torch.from_numpy(scores)

    return run


class Yolo(ObjectDetector):
    """Detects objects by a letterbox, a network, and the suppression of overlapping boxes."""

    def __init__(self, network: Network, way: Way, scores: tuple[float, float], at_once: int) -> None:
        """`scores` are those from which on an object is kept, and is sure."""
        make_torchvision_importable()
        from ultralytics.data.augment import LetterBox

        self.backend, self.precision = way.backend, way.precision
        self._network = network
        self._least, self._sure = scores
        self._at_once = at_once
        self._letterbox = LetterBox((SIDE, SIDE), auto=True, stride=STRIDES[-1])

    def detect(self, frames: Sequence[Frame]) -> Sequence[tuple[DetectedObject, ...]]:
        return detect_closely(frames, self._look, at_once=self._at_once, sure=self._sure)

    def _look(self, frames: Sequence[Frame]) -> Sequence[tuple[DetectedObject, ...]]:
        """Frames of one size share a call; together with others, a frame would be given another margin."""
        by_size: dict[tuple[int, int], list[int]] = {}
        for index, frame in enumerate(frames):
            by_size.setdefault((frame.width, frame.height), []).append(index)
        found: dict[int, tuple[DetectedObject, ...]] = {}
        for indices in by_size.values():
            found.update(zip(indices, self._detect([frames[index] for index in indices]), strict=True))
        return [found[index] for index in range(len(frames))]

    def _detect(self, frames: Sequence[Frame]) -> list[tuple[DetectedObject, ...]]:
        pixels = self._pixels(frames)
        distances, scores = self._network(pixels)
        height, width = pixels.shape[2:]
        return [
            self._things(distances[i], scores[i], (height, width), frame) for i, frame in enumerate(frames)
        ]

    def _pixels(self, frames: Sequence[Frame]) -> Tensor:
        import numpy as np
        import torch

        boxed: list[Any] = [self._letterbox(image=frame.array()) for frame in frames]
        return torch.from_numpy(np.stack(boxed)).permute(0, 3, 1, 2).contiguous().float().div_(255)

    def _things(
        self, distances: Tensor, scores: Tensor, size: tuple[int, int], frame: Frame
    ) -> tuple[DetectedObject, ...]:
        """The objects of one picture: of (64, places) and (80, places), seen at a height and width."""
        from ultralytics.utils.nms import non_max_suppression
        from ultralytics.utils.ops import scale_boxes

        # It has a limit of seconds for all pictures of a call, and leaves out those it did not get to.
        [kept] = non_max_suppression(
            decode(distances, scores, size, self._least),
            self._least,
            OVERLAP,
            max_det=MOST_OBJECTS,
            nc=len(CLASSES),
        )
        scale_boxes(size, kept[:, :4], (frame.height, frame.width))
        return tuple(thing_of(row, frame) for row in kept.tolist())


SPEC = ModelSpec(
    task=OBJECTS,
    name="yolov8",
    sized_by=("yolo_size",),
    set_by=("object_threshold",),
    profile="best",
    select=select,
    load=load,
    export=export,
)
