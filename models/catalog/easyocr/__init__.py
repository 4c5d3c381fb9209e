"""Text by EasyOCR: a detector of characters (CRAFT), and a recogniser for one script at a time.

The detector takes nearly all of the time, so on a processor its graph is exported once and run by OpenVINO or
ONNX Runtime, twice as fast as torch. The steps around the two networks are the library's own.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

from models.backends.exports import NotExportable, exported
from models.backends.graphs import open_graph
from models.backends.ways import Way, build_first
from models.catalog.easyocr.detector import DetectorGraph, export_detector, require_close
from models.catalog.easyocr.reader import open_reader
from models.catalog.easyocr.scripts import ARABIC, RELEASES, SCRIPTS, script_of, weights_of
from models.errors import BadWeights
from models.frame import Frame
from models.machine.processor import has_avx512
from models.machine.torch_cpu import make_torchvision_importable
from models.reading_order import Corners, Line, in_reading_order
from models.results import Box, Reading
from models.settings import ModelSettings
from models.spec import Licence, Loading, ModelSpec, Variant, WeightFile
from models.tasks import OCR, TextReader

_DETECTOR: Final = "craft_mlt_25k.pth"
_GRAPH: Final = "detector.onnx"
_LIBRARIES: Final = ("easyocr", "torch")
_LEAST_SIDE: Final = 1
"""Pixels that a box must have each way to be cut out."""
_LONGEST_LINE: Final = 100
"""Times its height: what is longer is no text, and would be read for minutes."""
_NO_MEMORY_TO_PIN: Final = ".*pin_memory.*"


def select(settings: ModelSettings) -> Variant:
    if settings.model_profile == "tiny":
        files = tuple(WeightFile(path=f"tiny/easyocr/{name}") for name in (_DETECTOR, SCRIPTS[0].file))
    else:
        script = script_of(settings.ocr_languages)
        files = (
            WeightFile(
                path=f"easyocr/{_DETECTOR}",
                url=f"{RELEASES}/pre-v1.1.6/craft_mlt_25k.zip",
                member=_DETECTOR,
                sha256="4a5efbfb48b4081100544e75e1e2b57f8de3d84f213004b14b85fd4b3748db17",
                size=83_152_330,
            ),
            weights_of(script),
        )
    return Variant(
        version="easyocr-2",
        licence=Licence(name="Apache-2.0", use="free"),
        files=files,
        packages=("easyocr", "torch", "torchvision"),
        megabytes=700,
        largest_batch={"cpu": 1, "cuda": 1, "mps": 1},
    )


def load(loading: Loading) -> TextReader:
    make_torchvision_importable()
    return build_first(loading, _ways(loading), lambda way: _build(loading, way))


def _build(loading: Loading, way: Way) -> EasyOcr:
    detector = None
    if way.backend != "torch":
        detector = DetectorGraph(open_graph(export(loading, way.backend) / _GRAPH, way.backend, loading))
    return EasyOcr(open_reader(loading, detector), way.backend, loading)


def export(loading: Loading, backend: Literal["onnxruntime", "openvino"]) -> Path:
    """The folder of the detector's graph, compared with the detector if it was made just now.

    Raises:
        BadWeights: the files are not what they should be.
        NotExportable: the detector has no graph that answers as it does itself.
        OSError: the cache folder cannot be written.
    """

    def write(folder: Path) -> None:
        make_torchvision_importable()
        detector = open_reader(replace(loading, device="cpu")).detector
        export_detector(detector, folder / _GRAPH)
        try:
            session = open_graph(folder / _GRAPH, backend, loading)
        except BadWeights as error:  # what it calls a graph that it cannot run
            raise NotExportable(str(error)) from error
        require_close(detector, DetectorGraph(session))

    return exported(loading, "easyocr-detector", _LIBRARIES, write)


def _ways(loading: Loading) -> tuple[Way, ...]:
    """The ways to run the detector, fastest first.

    For a canvas of 960, two cores with AVX-512 took 1.1 s with OpenVINO, 1.2 s with ONNX Runtime, 1.6 s with
    torch. In bf16 it would be half of that: not done while nobody has compared what is then read.
    """
    if loading.device != "cpu":
        return (Way("torch", "fp32"),)
    graphs = (Way("openvino", "fp32"), Way("onnxruntime", "fp32"))
    return (*(graphs if has_avx512() else reversed(graphs)), Way("torch", "fp32"))


class EasyOcr(TextReader):
    """The library's reader, given pictures in memory, its findings in reading order."""

    precision = "fp32"

    def __init__(self, reader: Any, backend: str, loading: Loading) -> None:
        self.backend = backend
        self._reader = reader
        self._canvas = loading.settings.ocr_canvas
        self._lines_per_call = 1 if loading.device == "cpu" else 16
        tiny = loading.settings.model_profile == "tiny"
        self._languages = ("en",) if tiny else loading.settings.ocr_languages
        self._leftwards = not set(ARABIC.split()).isdisjoint(self._languages)

    def read(self, frames: Sequence[Frame]) -> Sequence[Reading]:
        return [self._read(frame) for frame in frames]

    def _read(self, frame: Frame) -> Reading:
        lines = (
            Line(text=text, score=_score(score), corners=_as_read(corners))
            for corners, text, score in self._find(frame)
            if text.strip()
        )
        regions = in_reading_order(lines, width=frame.width, height=frame.height, leftwards=self._leftwards)
        return Reading(regions=regions, languages=self._languages)

    def _find(self, frame: Frame) -> list[tuple[Any, str, float]]:
        """The two halves of the library's `readtext`, which knows no picture that is in memory in RGB."""
        import cv2

        pixels = frame.array()
        [upright], [slanted] = self._reader.detect(pixels, canvas_size=self._canvas, reformat=False)
        upright = [box for box in upright if _is_readable(_corners(box), frame)]
        slanted = [box for box in slanted if _is_readable(box, frame)]
        if not upright and not slanted:
            return []
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=_NO_MEMORY_TO_PIN, category=UserWarning)
            found: list[tuple[Any, str, float]] = self._reader.recognize(
                cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY),
                upright,
                slanted,
                batch_size=self._lines_per_call,
                reformat=False,
            )
        return found


def _corners(box: Sequence[int]) -> list[list[int]]:
    left, right, top, bottom = box
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def _as_read(corners: Sequence[Sequence[float]]) -> Corners:
    """Of what the library calls a box: its upper left corner first, and on clockwise."""
    a, b, c, d = ((float(x), float(y)) for x, y in corners)
    return a, b, c, d


def _is_readable(corners: Sequence[Sequence[float]], frame: Frame) -> bool:
    """Whether a box lies in the frame, if only in part, and might be a line; the library fails on others."""
    box = _around(corners, frame)
    seen = box.width * frame.width, box.height * frame.height
    sides = math.dist(corners[0], corners[1]), math.dist(corners[0], corners[3])
    if min(*seen, *sides) < _LEAST_SIDE:
        return False
    upright = corners[0][1] == corners[1][1]
    long, short = max(seen if upright else sides), min(seen if upright else sides)
    return long <= _LONGEST_LINE * short


def _around(corners: Sequence[Sequence[float]], frame: Frame) -> Box:
    """The part inside the frame of the upright rectangle around a quadrangle, which is in pixels."""
    xs = [min(max(float(x) / frame.width, 0.0), 1.0) for x, _ in corners]
    ys = [min(max(float(y) / frame.height, 0.0), 1.0) for _, y in corners]
    return Box(x=min(xs), y=min(ys), width=max(xs) - min(xs), height=max(ys) - min(ys))


def _score(value: float) -> float:
    """The library's score, 0 to 1; it divides by the probability of the characters in use, which may be 0."""
    return 0.0 if math.isnan(value) else min(max(float(value), 0.0), 1.0)


SPEC = ModelSpec(
    task=OCR,
    name="easyocr",
    chosen_by=("ocr_languages",),
    set_by=("ocr_canvas",),
    select=select,
    load=load,
    export=export,
)
