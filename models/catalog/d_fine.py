"""Objects of the 80 classes of COCO, by D-FINE-S: as good as YOLOv8m, with two fifths of its weights; free.

The network looks at a picture squeezed into a square and answers 300 boxes that need no suppression. As a
graph it needs no torch. Which backend runs it, fastest first:

| device | |
| --- | --- |
| processor with AVX-512 | openvino, onnxruntime, torch |
| other processor | onnxruntime, openvino, torch |
| cuda, mps | torch |

A process takes 310 MB at most with it on ONNX Runtime and 400 on OpenVINO; with YOLOv8m, whose steps around
the network are torch's, 640 to 700.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from PIL import Image

from models.backends.exports import NotExportable, exported, require_close, write_onnx
from models.backends.graphs import GraphRuntime, open_graph
from models.backends.pretrained import load_network
from models.backends.ways import Way, build_first
from models.coco import CLASSES
from models.errors import BadWeights
from models.frame import Frame
from models.looks import detect_closely
from models.machine import memory
from models.machine.processor import has_avx512
from models.results import Box, DetectedObject
from models.settings import ModelSettings
from models.spec import Device, Licence, Loading, ModelSpec, Variant, WeightFile
from models.tasks import OBJECTS, ObjectDetector

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[np.float32]
    Network: TypeAlias = Callable[[Array], tuple[Array, Array]]
    """From pictures, (N, 3, 640, 640) from 0 to 1, to how much of each class is seen, (N, 300, 80), before
    the sigmoid, and where: (N, 300, 4) as centre, width and height in shares of the picture."""

SIDE: Final = 640
"""Pixels of the square that the network sees, as it was trained and as its preprocessor has it."""
LEAST_SCORE: Final = 0.25
SURE_SCORE: Final = 0.5
"""Both as YOLOv8's: neither has been measured with these weights."""
SPELT_OTHERWISE: Final = 20
"""Classes of COCO's that weights may call by other names (sofa, aeroplane) and still mean the same list."""
_GRAPH: Final = "d_fine.onnx"
_KIND: Final = "DFineForObjectDetection"
_LIBRARIES: Final = ("transformers", "torch")
_OUTPUTS: Final = ("scores", "boxes")
_WEIGHTS: Final = "model.safetensors"
_SOURCE: Final = (
    "https://huggingface.co/ustc-community/dfine-small-coco/resolve/f79e65b5fbb33ceb9d3ebba042955d7410c608f8"
)
_FILES: Final[Mapping[str, tuple[str | None, int | None]]] = {
    "config.json": (None, None),
    _WEIGHTS: ("a144baff3a27bfd538fe37b11fa8d4fca5744b8c054b5301e7c699a1379cd18f", 41_497_620),
}
"""SHA-256, which another project has published alike, and bytes."""


def select(settings: ModelSettings) -> Variant:
    if settings.model_profile == "tiny":
        return _variant("tiny", tuple(WeightFile(path=f"tiny/d_fine/{name}") for name in _FILES))
    files = (
        WeightFile(path=f"d_fine/small/{name}", url=f"{_SOURCE}/{name}", sha256=sha256, size=size)
        for name, (sha256, size) in _FILES.items()
    )
    return _variant("small", tuple(files))


def _variant(size: str, files: tuple[WeightFile, ...]) -> Variant:
    return Variant(
        version=f"d-fine-{size}",
        licence=Licence(name="Apache-2.0", use="free"),
        files=files,
        packages=("torch", "torchvision", "transformers"),
        least_score=LEAST_SCORE,
        sure_score=SURE_SCORE,
        megabytes=250,
        largest_batch={"cpu": 1, "cuda": 16, "mps": 4},
    )


def load(loading: Loading) -> ObjectDetector:
    return build_first(loading, _ways(loading.device), lambda way: _build(loading, way))


def _build(loading: Loading, way: Way) -> DFine:
    if way.backend == "torch":
        network = _on_torch(_reference(loading), loading.device)
    else:
        network = _on_graph(export(loading, way.backend), way.backend, loading)
    scores = loading.variant.scores(loading.settings.object_threshold)
    return DFine(network, way, scores, loading.variant.largest_batch[loading.device])


def _ways(device: Device) -> tuple[Way, ...]:
    """The ways to run the network, fastest first."""
    torch = Way("torch", "fp32")
    if device != "cpu":
        return (torch,)
    graphs = (Way("openvino", "fp32"), Way("onnxruntime", "fp32"))
    return (*(graphs if has_avx512() else reversed(graphs)), torch)


def export(loading: Loading, backend: Literal["onnxruntime", "openvino"]) -> Path:
    """The folder of the network's graph, tried with `backend` if it was made just now.

    Raises:
        BadWeights: the files are not of this model.
        NotExportable: it has no graph.
        OSError: the cache folder cannot be written.
    """

    def write(folder: Path) -> None:
        import torch

        network = _reference(loading)
        noise = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
        expected = _on_torch(network, "cpu")(noise.numpy())
        open_sides = {name: {0: "pictures"} for name in ("input", *_OUTPUTS)}
        write_onnx(
            network, lambda pixels: _raw(network, pixels), noise, folder / _GRAPH, _OUTPUTS, open_sides
        )
        try:
            found = _on_graph(folder, backend, loading)(noise.numpy())
        except BadWeights as error:  # what it calls a graph that it cannot run
            raise NotExportable(str(error)) from error
        require_close(_in_order(expected), _in_order(found))

    try:
        return exported(loading, "d_fine", _LIBRARIES, write)
    finally:
        memory.return_memory()


def _in_order(answer: tuple[Array, Array]) -> list[Array]:
    """Scores and boxes in an order of their own: of two places as good as each other either may be first."""
    import numpy as np

    return [np.sort(rows, axis=1) for rows in answer]


def _reference(loading: Loading) -> Any:
    """The library's own network, in fp32 on the processor.

    Raises:
        BadWeights: the files are damaged, or of another model, or some are missing.
    """
    import torch

    folder = next(path for path in loading.files.values() if path.name == _WEIGHTS).parent
    network = load_network("AutoModelForObjectDetection", _KIND, folder, torch.float32)
    names = network.config.id2label
    same = sum(names.get(number) == name for number, name in enumerate(CLASSES))
    if len(names) != len(CLASSES) or same < len(CLASSES) - SPELT_OTHERWISE:
        raise BadWeights(f"{folder} finds {len(names)} classes of its own, not the 80 of COCO")
    return network.requires_grad_(False)


def _raw(network: Any, pixels: Any) -> tuple[Any, Any]:
    seen = network(pixel_values=pixels)
    return seen.logits, seen.pred_boxes


def _on_torch(network: Any, device: Device) -> Network:
    import torch

    network.to(device)

    def run(pixels: Array) -> tuple[Array, Array]:
        # Unasked, convolutions on CUDA would round to 10 bits.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            scores, boxes = _raw(network, torch.from_numpy(pixels).to(device))
            return scores.cpu().numpy(), boxes.cpu().numpy()

    return run


def _on_graph(folder: Path, backend: GraphRuntime, loading: Loading) -> Network:
    session = open_graph(folder / _GRAPH, backend, loading)

    def run(pixels: Array) -> tuple[Array, Array]:
        scores, boxes = session.run(list(_OUTPUTS), {"input": pixels})
        return scores, boxes

    return run


class DFine(ObjectDetector):
    """Detects objects by a square picture and a network; what it is sure enough of is an object."""

    def __init__(self, network: Network, way: Way, scores: tuple[float, float], at_once: int) -> None:
        """`scores` are those from which on an object is kept, and is sure."""
        self.backend, self.precision = way.backend, way.precision
        self._network = network
        self._least, self._sure = scores
        self._at_once = at_once

    def detect(self, frames: Sequence[Frame]) -> Sequence[tuple[DetectedObject, ...]]:
        return detect_closely(frames, self._look, at_once=self._at_once, sure=self._sure)

    def _look(self, frames: Sequence[Frame]) -> Sequence[tuple[DetectedObject, ...]]:
        import numpy as np

        if not frames:
            return ()
        scores, boxes = self._network(np.stack([pixels_of(frame) for frame in frames]))
        return [objects_in(*each, self._least) for each in zip(scores, boxes, strict=True)]


def pixels_of(frame: Frame) -> Array:
    """A frame as the network takes it: (3, 640, 640), from 0 to 1."""
    import numpy as np

    square = frame.image().resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(square, np.float32).transpose(2, 0, 1) / np.float32(255)


def objects_in(scores: Array, boxes: Array, threshold: float) -> tuple[DetectedObject, ...]:
    """The objects of one picture, highest score first: as many as there are boxes, at most."""
    import numpy as np

    likely = 1 / (1 + np.exp(-scores.astype(np.float64)))
    best = np.argsort(-likely, axis=None, kind="stable")[: len(boxes)]
    found = []
    for place, number in zip(*np.unravel_index(best, likely.shape), strict=True):
        score = float(likely[place, number])
        if score <= threshold:
            break
        x, y, width, height = boxes[place].tolist()
        box = _box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        found.append(DetectedObject(name=CLASSES[number], class_id=int(number), score=score, box=box))
    return tuple(found)


def _box(*sides: float) -> Box:
    left, top, right, bottom = (min(max(side, 0.0), 1.0) for side in sides)
    return Box(x=left, y=top, width=right - left, height=bottom - top)


SPEC = ModelSpec(
    task=OBJECTS,
    name="d_fine",
    set_by=("object_threshold",),
    profile="spare",
    select=select,
    load=load,
    export=export,
)
