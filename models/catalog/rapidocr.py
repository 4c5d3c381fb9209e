"""Text by RapidOCR with PP-OCRv6, whose weights come with its package: it reads where no hub is reached.

One recogniser reads Chinese, English, Japanese and the languages written in Latin letters, whichever of them
are asked for; for other scripts there is EasyOCR.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from models.backends.graphs import open_graph
from models.errors import BadWeights, UnknownModel, WeightsMissing
from models.frame import Frame
from models.reading_order import Corners, Line, as_read, in_reading_order
from models.reading_windows import LineDetector, find_lines
from models.results import Reading
from models.settings import ModelSettings
from models.spec import Licence, Loading, ModelSpec, Variant
from models.tasks import OCR, TextReader

if TYPE_CHECKING:
    from models.reading_windows import Outline, Pixels, Responses

_LATIN: Final = "af az bs cs cy da de en es et fr ga hr hu id is it ku la lt lv mi ms mt nl no oc pl pt ro"
_MORE_LATIN: Final = "rs_latin sk sl sq sv sw tl tr uz vi"
LANGUAGES: Final = frozenset(["ch_sim", "ch_tra", "ja", *_LATIN.split(), *_MORE_LATIN.split()])
"""In EasyOCR's codes, as in OCR_LANGUAGES."""
LINES_PER_CALL: Final = {"cpu": 1, "cuda": 16, "mps": 1}
"""The library takes 6 and widens all to the longest: on a processor one at a time is up to twice as fast."""
_LINES_AT_A_TIME: Final = 64
"""Of which the pixels are kept."""
_MOST_LINES: Final = 3000
"""In one view of a picture."""
_HEAD: Final = 4
"""Times a line's height: what the classifier sees of its length."""
_SURE: Final = 0.9
"""Lines that are read upside down score less: of 50 right ones none was below 0.97, of 50 turned ones none
above 0.83.
"""
_READ_AT: Final = 48
"""Pixels of the height of lines as the recogniser sees them."""
_AROUND: Final = 3
"""Pixels beside a line that are weighed where it is cut out."""


def select(settings: ModelSettings) -> Variant:
    unknown = [language for language in settings.ocr_languages if language not in LANGUAGES]
    if unknown or not settings.ocr_languages:
        raise UnknownModel(
            f"OCR_LANGUAGES={','.join(settings.ocr_languages)}, but RapidOCR reads "
            f"{', '.join(sorted(LANGUAGES))}; OCR_MODEL=easyocr reads more"
        )
    return Variant(
        version="rapidocr-2",
        licence=Licence(name="Apache-2.0", use="free"),
        packages=("rapidocr", "onnxruntime"),
        megabytes=250,
        largest_batch={"cpu": 1, "cuda": 1, "mps": 1},
    )


def load(loading: Loading) -> TextReader:
    from omegaconf import flag_override
    from rapidocr import RapidOCR

    engine = RapidOCR(
        params={
            "Global.log_level": "critical",
            "Det.max_candidates": _MOST_LINES,
            "Rec.rec_batch_num": LINES_PER_CALL[loading.device],
        }
    )
    digests = hashlib.sha256()
    for section in (engine.cfg.Det, engine.cfg.Cls, engine.cfg.Rec):
        path, digest = _verified(section)
        digests.update(f"{digest}\n".encode())
        # With a session of ours the library neither looks for a file nor fetches one.
        with flag_override(section, "allow_objects", True):
            section.session = open_graph(path, "onnxruntime", loading)
    return RapidOcr(engine, loading.settings, digests.hexdigest())


def _verified(section: Any) -> tuple[Path, str]:
    """One of the three graphs and its SHA-256, held to the package's own list."""
    import rapidocr
    from rapidocr.inference_engine.base import FileInfo, InferSession

    described = InferSession.get_model_url(
        FileInfo(
            engine_type=section.engine_type,
            ocr_version=section.ocr_version,
            task_type=section.task_type,
            lang_type=section.lang_type,
            model_type=section.model_type,
        )
    )
    path = Path(rapidocr.__file__).parent / "models" / Path(described["model_dir"]).name
    if not path.is_file():
        raise WeightsMissing(
            f"{path.name} is not in the package rapidocr, where it belongs: install it again"
        )
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != described["SHA256"]:
        raise BadWeights(
            f"{path} has SHA-256 {found}, expected {described['SHA256']}: install rapidocr again"
        )
    return path, found


class RapidOcr(TextReader):
    """A detector of lines, a classifier of which way up they are, and a recogniser."""

    backend = "onnxruntime"
    precision = "fp32"

    def __init__(self, engine: Any, settings: ModelSettings, digest: str) -> None:
        self.digest = digest
        self._engine = engine
        self._detector = _Detector(engine.cfg.Det)
        self._canvas = settings.ocr_canvas
        self._languages = settings.ocr_languages

    def read(self, frames: Sequence[Frame]) -> Sequence[Reading]:
        return [self._read(frame) for frame in frames]

    def _read(self, frame: Frame) -> Reading:
        pixels = frame.array()
        found = find_lines(pixels, self._canvas, self._detector)
        lines = (
            line
            for some in _batches(found)
            for line in self._recognise(pixels, some)
            if line.text.strip() and line.score >= self._engine.text_score
        )
        regions = in_reading_order(lines, width=frame.width, height=frame.height)
        return Reading(regions=regions, languages=self._languages)

    def _recognise(self, pixels: Pixels, places: Sequence[Outline]) -> list[Line]:
        crops = [self._cut_out(pixels, place) for place in places]
        # Of a longer line the classifier is shown all at once, too narrow to see which way up it is.
        heads = [crop[:, : _HEAD * crop.shape[0]] for crop in crops]
        _, verdicts = self._engine.cls_and_rotate(heads)
        turned = [label == "180" for label, _ in verdicts.cls_res]
        found = self._read_lines(crops, turned)
        unsure = [i for i, (_, score) in enumerate(found) if self._engine.text_score <= score < _SURE]
        other = [not turned[i] for i in unsure]
        for i, way, again in zip(
            unsure, other, self._read_lines([crops[i] for i in unsure], other), strict=True
        ):
            if again[1] > found[i][1]:
                found[i], turned[i] = again, way
        return [
            Line(text=text, score=score, corners=as_read(_corners(place), upside_down=way))
            for place, (text, score), way in zip(places, found, turned, strict=True)
        ]

    def _cut_out(self, pixels: Pixels, line: Outline) -> Pixels:
        """A line as an upright rectangle, in BGR, no larger than it is read."""
        import cv2
        import numpy as np

        # Not of the whole picture, which the library cannot do beyond 32,767 pixels of a side.
        left, top = (max(0, int(side) - _AROUND) for side in line.min(axis=0))
        right, bottom = (int(side) + _AROUND for side in line.max(axis=0))
        part = np.ascontiguousarray(pixels[top:bottom, left:right, ::-1])
        [crop] = self._engine.crop_text_regions(part, [(line - (left, top)).astype(np.float32)])
        height, width = crop.shape[:2]
        if height > _READ_AT:  # the library, which looks between two pixels each, would pass over some
            crop = cv2.resize(
                crop, (max(1, width * _READ_AT // height), _READ_AT), interpolation=cv2.INTER_AREA
            )
        found: Pixels = np.ascontiguousarray(crop)
        return found

    def _read_lines(self, crops: Sequence[Pixels], turned: Sequence[bool]) -> list[tuple[str, float]]:
        """The text and the score of each, read upside down where it is `turned`."""
        if not crops:
            return []
        found = self._engine.recognize_txt(
            [crop[::-1, ::-1] if way else crop for crop, way in zip(crops, turned, strict=True)]
        )
        return [(text, float(score)) for text, score in zip(found.txts, found.scores, strict=True)]


def _corners(place: Outline) -> Corners:
    a, b, c, d = ((float(x), float(y)) for x, y in place)
    return a, b, c, d


def _batches(lines: Sequence[Outline]) -> Iterator[Sequence[Outline]]:
    for start in range(0, len(lines), _LINES_AT_A_TIME):
        yield lines[start : start + _LINES_AT_A_TIME]


class _Detector(LineDetector):
    """The library's detector without its habit of making of every picture one of the same size."""

    stride = 1

    def __init__(self, settings: Any) -> None:
        from rapidocr.ch_ppocr_det import TextDetector

        self.least = float(settings.thresh)
        self._library = TextDetector(settings)

    def respond(self, pixels: Pixels) -> Responses:
        import cv2

        normal = cv2.dnn.blobFromImage(pixels, 1 / 127.5, mean=(127.5, 127.5, 127.5), swapRB=True)
        responses: Responses = self._library.session(normal)[0].transpose(1, 2, 0)
        return responses

    def lines(self, responses: Responses, width: int, height: int) -> Sequence[Outline]:
        corners, _ = self._library.postprocess_op(responses.transpose(2, 0, 1)[None], (height, width))
        return list(corners)


SPEC = ModelSpec(
    task=OCR,
    name="rapidocr",
    chosen_by=("ocr_languages",),
    set_by=("ocr_canvas",),
    select=select,
    load=load,
)
