"""Text by RapidOCR with PP-OCRv6, whose weights come with its package: it reads where no hub is reached.

One recogniser reads Chinese, English, Japanese and the languages written in Latin letters, whichever of them
are asked for; for other scripts there is EasyOCR.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from models.backends.graphs import open_graph
from models.errors import BadWeights, UnknownModel, WeightsMissing
from models.frame import Frame
from models.reading_order import Line, as_read, in_reading_order
from models.results import Reading
from models.settings import ModelSettings
from models.spec import Licence, Loading, ModelSpec, Variant
from models.tasks import OCR, TextReader

_LATIN: Final = "af az bs cs cy da de en es et fr ga hr hu id is it ku la lt lv mi ms mt nl no oc pl pt ro"
_MORE_LATIN: Final = "rs_latin sk sl sq sv sw tl tr uz vi"
LANGUAGES: Final = frozenset(["ch_sim", "ch_tra", "ja", *_LATIN.split(), *_MORE_LATIN.split()])
"""In EasyOCR's codes, as in OCR_LANGUAGES."""
LINES_PER_CALL: Final = {"cpu": 1, "cuda": 16, "mps": 1}
"""The library takes 6 and widens all to the longest: on a processor one at a time is up to twice as fast."""
_NO_LIMIT: Final = 1_000_000


def select(settings: ModelSettings) -> Variant:
    unknown = [language for language in settings.ocr_languages if language not in LANGUAGES]
    if unknown or not settings.ocr_languages:
        raise UnknownModel(
            f"OCR_LANGUAGES={','.join(settings.ocr_languages)}, but RapidOCR reads "
            f"{', '.join(sorted(LANGUAGES))}; OCR_MODEL=easyocr reads more"
        )
    return Variant(
        version="rapidocr",
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
            # Text is looked for on the canvas, and read from the frame as it is.
            "Global.max_side_len": _NO_LIMIT,
            "Det.limit_type": "max",
            "Det.limit_side_len": loading.settings.ocr_canvas,
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
    return RapidOcr(engine, loading.settings.ocr_languages, digests.hexdigest())


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
    """A detector of lines, a classifier that turns them right way up, and a recogniser."""

    backend = "onnxruntime"
    precision = "fp32"

    def __init__(self, engine: Any, languages: tuple[str, ...], digest: str) -> None:
        self.digest = digest
        self._engine = engine
        self._languages = languages

    def read(self, frames: Sequence[Frame]) -> Sequence[Reading]:
        return [self._read(frame) for frame in frames]

    def _read(self, frame: Frame) -> Reading:
        import cv2

        found = self._engine(cv2.cvtColor(frame.array(), cv2.COLOR_RGB2BGR))
        lines = (
            Line(text=text, score=float(score), corners=as_read((a, b, c, d)))
            for (a, b, c, d), text, score in zip(
                [] if found.boxes is None else found.boxes.tolist(),
                found.txts or (),
                found.scores or (),
                strict=True,
            )
        )
        regions = in_reading_order(lines, width=frame.width, height=frame.height)
        return Reading(regions=regions, languages=self._languages)


SPEC = ModelSpec(
    task=OCR,
    name="rapidocr",
    chosen_by=("ocr_languages",),
    set_by=("ocr_canvas",),
    select=select,
    load=load,
)
