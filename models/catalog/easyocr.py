"""Text by EasyOCR: a detector of characters (CRAFT), and a recogniser for one script at a time.

The detector takes nearly all of the time, so on a processor its graph is exported once and run by OpenVINO or
ONNX Runtime, twice as fast as torch. The steps around the two networks are the library's own.
"""

from __future__ import annotations

import math
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import structlog

from models.backends.exports import exported
from models.backends.graphs import Session, open_graph
from models.backends.ways import Way, choose
from models.errors import BadWeights, ModelFailed, UnknownModel
from models.frame import Frame
from models.machine.memory import is_out_of_memory
from models.machine.processor import has_avx512
from models.machine.torch_cpu import make_torchvision_importable
from models.reading_order import in_reading_order
from models.results import Box, Reading, TextRegion
from models.settings import ModelSettings
from models.spec import Licence, Loading, ModelSpec, Variant, WeightFile
from models.tasks import OCR, TextReader

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    Pixels = npt.NDArray[np.uint8]

log = structlog.get_logger()


class Script(NamedTuple):
    """What one recogniser reads."""

    file: str
    release: str
    archive: str
    languages: str
    sha256: str | None = None
    size: int | None = None


_RELEASES: Final = "https://github.com/JaidedAI/EasyOCR/releases/download"
_LATIN: Final = (
    "af az bs cs cy da de en es et fr ga hr hu id is it ku la lt lv mi ms mt nl no oc pi pl pt ro rs_latin "
    "sk sl sq sv sw tl tr uz vi"
)
_CYRILLIC: Final = "ru rs_cyrillic be bg uk mn abq ady kbd ava dar inh che lbe lez tab tjk"
_DEVANAGARI: Final = "hi mr ne bh mai ang bho mah sck new gom"
_ARABIC: Final = "ar fa ug ur"
SCRIPTS: Final = (
    Script(
        "english_g2.pth",
        "v1.3",
        "english_g2.zip",
        "en",
        "e2272681d9d67a04e2dff396b6e95077bc19001f8f6d3593c307b9852e1c29e8",
        15_143_997,
    ),
    Script("thai.pth", "pre-v1.1.6", "thai.zip", "th"),
    Script("chinese.pth", "pre-v1.1.6", "chinese.zip", "ch_tra"),
    Script(
        "zh_sim_g2.pth",
        "v1.3",
        "zh_sim_g2.zip",
        "ch_sim",
        "cb678fdef09d651e7763ca551ad790dc89f0b2e3d2a640484330e338fb574c7a",
        21_951_421,
    ),
    Script("japanese_g2.pth", "v1.3", "japanese_g2.zip", "ja"),
    Script("korean_g2.pth", "v1.3", "korean_g2.zip", "ko"),
    Script("tamil.pth", "v1.1.7", "tamil.zip", "ta"),
    Script("telugu.pth", "v1.2", "telugu.zip", "te"),
    Script("kannada.pth", "v1.2", "kannada.zip", "kn"),
    Script("bengali.pth", "v1.1.8", "bengali.zip", "bn as"),
    Script(
        "arabic.pth",
        "pre-v1.1.6",
        "arabic.zip",
        _ARABIC,
        "2a9afd42c374deb98aed0b53c9b77d75e1d00d4e0501f3b0276c54190c89b1a8",
    ),
    Script("devanagari.pth", "pre-v1.1.6", "devanagari.zip", _DEVANAGARI),
    Script(
        "cyrillic_g2.pth",
        "v1.6.1",
        "cyrillic_g2.zip",
        _CYRILLIC,
        "48d0f3b58f28aa64651ab1032cc2d498c4de25135829668e87c14e7a07529f29",
    ),
    Script(
        "latin_g2.pth",
        "v1.3",
        "latin_g2.zip",
        _LATIN,
        "aaa95be1c4a9cb3496879bed7c520886ce1164f89e026f0c54488394e74e8c55",
        15_406_141,
    ),
)
"""The recognisers that the library picks, in its order; each reads English besides.

Three languages that it names are left out: it fails on them, as its package does not have their letters.
"""
_DETECTOR: Final = "craft_mlt_25k.pth"
_GRAPH: Final = "detector.onnx"
_LIBRARIES: Final = ("easyocr", "torch")
_OPSET: Final = 17
_LEAST_SIDE: Final = 1
"""Pixels that a box must have each way to be cut out."""
_LONGEST_LINE: Final = 100
"""Times its height: what is longer is no text, and would be read for minutes."""
_NO_MEMORY_TO_PIN: Final = ".*pin_memory.*"
_LOSS: Final = 1e-3
"""Most that an exported graph's scores, 0 to 1, may be off."""


def select(settings: ModelSettings) -> Variant:
    if settings.kizu_profile == "tiny":
        files = tuple(WeightFile(path=f"tiny/easyocr/{name}") for name in (_DETECTOR, SCRIPTS[0].file))
    else:
        script = script_of(settings.ocr_languages)
        files = (
            WeightFile(
                path=f"easyocr/{_DETECTOR}",
                url=f"{_RELEASES}/pre-v1.1.6/craft_mlt_25k.zip",
                member=_DETECTOR,
                sha256="4a5efbfb48b4081100544e75e1e2b57f8de3d84f213004b14b85fd4b3748db17",
                size=83_152_330,
            ),
            WeightFile(
                path=f"easyocr/{script.file}",
                url=f"{_RELEASES}/{script.release}/{script.archive}",
                member=script.file,
                sha256=script.sha256,
                size=script.size,
            ),
        )
    return Variant(
        version="easyocr",
        licence=Licence(name="Apache-2.0", use="free"),
        files=files,
        packages=("easyocr", "torch", "torchvision"),
        megabytes=700,
        largest_batch={"cpu": 1, "cuda": 1, "mps": 1},
    )


def script_of(languages: Sequence[str]) -> Script:
    """The recogniser that reads all of `languages`.

    Raises:
        UnknownModel: none does.
    """
    asked = set(languages)
    for script in SCRIPTS:
        if asked and asked <= {*script.languages.split(), "en"}:
            return script
    known = "; ".join(script.languages for script in SCRIPTS)
    raise UnknownModel(
        f"OCR_LANGUAGES={','.join(languages)}, but EasyOCR reads English and the languages of one script "
        f"at a time: {known}"
    )


def load(loading: Loading) -> TextReader:
    make_torchvision_importable()
    way = choose(_ways(loading), loading.settings.model_backend)
    if way.backend != "torch":
        try:
            graph = open_graph(export(loading, way.backend) / _GRAPH, way.backend, loading)
        except OSError as error:
            if loading.settings.model_backend != "auto":
                raise ModelFailed(f"easyocr cannot run on {way.backend}: {error}") from error
            log.warning("model runs on torch", model=loading.variant.version, reason=str(error))
        else:
            return EasyOcr(_reader(loading, _Graph(graph)), way.backend, loading)
    return EasyOcr(_reader(loading), "torch", loading)


def export(loading: Loading, backend: Literal["onnxruntime", "openvino"]) -> Path:
    """The folder of the detector's graph, compared with the detector if it was made just now.

    Raises:
        BadWeights: the files are not what they should be.
        OSError: the cache folder cannot be written.
    """

    def write(folder: Path) -> None:
        make_torchvision_importable()
        detector = _reader(replace(loading, device="cpu")).detector
        _export(detector, folder / _GRAPH)
        _compare(detector, _Graph(open_graph(folder / _GRAPH, backend, loading)))

    return exported(loading, "easyocr", _LIBRARIES, write)


def _ways(loading: Loading) -> tuple[Way, ...]:
    """Fastest first.

    For a canvas of 960, two cores with AVX-512 took 1.1 s with OpenVINO, 1.2 s with ONNX Runtime, 1.6 s with
    torch. In bf16 it would be half of that: not done while nobody has compared what is then read.
    """
    if loading.device != "cpu":
        return (Way("torch", "fp32"),)
    graphs = (Way("openvino", "fp32"), Way("onnxruntime", "fp32"))
    return (*(graphs if has_avx512() else reversed(graphs)), Way("torch", "fp32"))


def _reader(loading: Loading, detector: _Graph | None = None) -> Any:
    """The library's reader; `detector` takes the place of its own.

    Raises:
        BadWeights: a file is none of EasyOCR's, or damaged.
    """
    with _variable("LRU_CACHE_CAPACITY"):  # it sets 1, by which torch forgets each convolution it prepared
        from easyocr import Reader
        from easyocr.detection import get_textbox

    tiny = loading.settings.kizu_profile == "tiny"
    paths = list(loading.files.values())
    folder = str(paths[0].parent)
    search = list(sys.path)
    try:
        # The library unpickles freely; so told, torch takes nothing but tensors from a file.
        with _checked_already(), _variable("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1"):
            reader = Reader(
                ["en"] if tiny else list(loading.settings.ocr_languages),
                gpu=False if loading.device == "cpu" else loading.device,
                model_storage_directory=folder,
                user_network_directory=folder,
                download_enabled=False,
                verbose=False,
                detector=detector is None,
                quantize=False,  # to 8 bits, by a part of torch that is about to go
            )
    except Exception as error:  # pickle, zip, torch and the library each have their own
        if is_out_of_memory(error):
            raise
        names = " or ".join(path.name for path in paths)
        raise BadWeights(f"{names} holds no weights of EasyOCR: {error}") from error
    finally:
        sys.path[:] = search  # it adds the folder, from which anything might then be imported
    if detector is not None:
        reader.detector, reader.get_textbox = detector, get_textbox
    elif loading.device == "cpu":
        import torch

        reader.detector.to(memory_format=torch.channels_last)  # a third faster
    return reader


@contextmanager
def _checked_already() -> Iterator[None]:
    """The library compares MD5 with its own table; ours are files whose SHA-256 has been verified."""
    import easyocr.easyocr as library

    tables = (library.detection_models, *library.recognition_models.values())
    expected = {model["filename"]: model["md5sum"] for table in tables for model in table.values()}
    theirs = library.calculate_md5
    library.calculate_md5 = lambda path: expected[Path(path).name]
    try:
        yield
    finally:
        library.calculate_md5 = theirs


@contextmanager
def _variable(name: str, value: str | None = None) -> Iterator[None]:
    """The environment's variable is `value`, if that is one, and afterwards what it was."""
    before = os.environ.get(name)
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before


def _export(detector: Any, path: Path) -> None:
    import torch

    class Maps(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.detector = detector

        def forward(self, pixels: Tensor) -> Tensor:
            maps: Tensor = self.detector(pixels)[0]
            return maps

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter is told to stay silent
        torch.onnx.export(
            Maps().eval(),
            (torch.zeros(1, 3, 64, 96),),
            str(path),
            dynamo=False,  # the newer exporter needs a package more
            opset_version=_OPSET,
            input_names=["pixels"],
            output_names=["maps"],
            dynamic_axes={"pixels": {2: "height", 3: "width"}, "maps": {1: "rows", 2: "columns"}},
        )


def _compare(detector: Any, graph: _Graph) -> None:
    import torch

    noise = torch.randn(1, 3, 96, 160, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        off = (graph(noise)[0] - detector(noise)[0]).abs().max().item()
    if not off <= _LOSS:
        raise ModelFailed(f"the exported graph of EasyOCR's detector is off by {off:.4f}")


class _Graph:
    """In the place of the library's detector."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self, pixels: Tensor) -> tuple[Tensor, None]:
        """Scores of characters and of gaps between them, (1, height / 2, width / 2, 2)."""
        import torch

        [maps] = self._session.run(None, {"pixels": pixels.numpy()})
        return torch.from_numpy(maps), None


class EasyOcr(TextReader):
    """The library's reader, given pictures in memory, its findings in reading order."""

    precision = "fp32"

    def __init__(self, reader: Any, backend: str, loading: Loading) -> None:
        self.backend = backend
        self._reader = reader
        self._canvas = loading.settings.ocr_canvas
        self._lines_per_call = 1 if loading.device == "cpu" else 16
        tiny = loading.settings.kizu_profile == "tiny"
        self._languages = ("en",) if tiny else loading.settings.ocr_languages
        self._leftwards = not set(_ARABIC.split()).isdisjoint(self._languages)

    def read(self, frames: Sequence[Frame]) -> Sequence[Reading]:
        return [self._read(frame) for frame in frames]

    def _read(self, frame: Frame) -> Reading:
        regions = (
            TextRegion(text=text, score=_score(score), box=_around(corners, frame))
            for corners, text, score in self._find(frame)
            if text.strip()
        )
        return Reading(
            regions=in_reading_order(regions, leftwards=self._leftwards), languages=self._languages
        )

    def _find(self, frame: Frame) -> list[tuple[Any, str, float]]:
        """The two halves of the library's `readtext`, which knows no picture that is in memory in RGB."""
        import cv2

        long, short = max(frame.width, frame.height), min(frame.width, frame.height)
        if int(short * min(1.0, self._canvas / long)) < 1:
            return []  # nothing of it is left on the canvas
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


def _is_readable(corners: Sequence[Sequence[float]], frame: Frame) -> bool:
    """It is inside the frame, at least in part (the library fails where nothing is), and might be a line."""
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
    """The library divides by the probability of the characters in use, which may be none."""
    return 0.0 if math.isnan(value) else min(max(float(value), 0.0), 1.0)


SPEC = ModelSpec(task=OCR, name="easyocr", select=select, load=load, export=export)
