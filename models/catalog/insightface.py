"""Faces by InsightFace: where they are, and who they look like.

A pack is a folder of ONNX graphs. Of its detector (SCRFD) and its recogniser (ArcFace and kin) sessions are
made, of its other graphs (age, dense landmarks) none, which the library's own `FaceAnalysis` cannot be told.
Around the sessions all steps are the library's: scaling, decoding, suppression, alignment.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from models.backends.graphs import open_graph
from models.backends.ways import Way, choose
from models.errors import BadWeights, UnknownModel
from models.frame import Frame
from models.looks import Look, find_closely
from models.machine.processor import has_avx512
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

DIMENSION: Final = 512
ARCFACE: Final = Scale(same=0.55, maybe=0.40, margin=0.10, false_accepts=1e-6)
"""Of the packs that InsightFace released; published, not measured here.

From 0.55 on existing apps, which have these packs, take two faces for one person. Published for ArcFace is
that one in 1,000 pairs of strangers of LFW is above 0.28 (AdvFaces); with a tail that falls as slowly as
`EDGEFACE`'s, by a factor e per 0.032, less than one in a million is above 0.55. PhotoPrism lets faces found a
person up to a distance of 1.07 of w600k_r50 and 1.03 of w600k_mbf, which are cosines of 0.43 and 0.47
(1 - d² / 2): a little below that questions begin. The margin is `EDGEFACE`'s.
"""
EDGEFACE: Final = Scale(same=0.50, maybe=0.35, margin=0.10, false_accepts=1e-6)
"""Of EdgeFace-XS, measured on photos whose files or folders say who is in them, without masks.

9,424 pairs of strangers: mean 0.01, deviation 0.08, at most 0.27. 435 pairs of one person in two pictures:
mean 0.73, deviation 0.12, at least 0.31; 96 % reach `same`, 99 % `maybe`. Of 43,152 pairs of strangers, once
those who share a picture or were seen once are counted too, one reaches 0.35, and none 0.45. An exponential
fitted to their highest hundredth (above 0.194; it falls by e per 0.032) leaves 0.8 in a million above `same`:
a fit, far beyond what so few pairs can show.

In 300 draws of one named face for each of seven in ten of 100 people, their other faces were named rightly
36,499 of 40,964 times and never wrongly, and strangers 0 of 17,452 times. The margin cost none.
"""
UNKNOWN: Final = Scale(same=0.55, maybe=0.40, margin=0.10)
"""Of a recogniser that is none of these: what InsightFace's own have, without a promise."""
DETECTOR_SIDE: Final = 640
"""Pixels of the detector's square, as in InsightFace's examples; faces from about 10 in it are found."""
SMALL_SIDE: Final = 160
"""Pixels of the long side of a picture made small, where large faces are looked for."""
MARGIN: Final = 16
"""Pixels around it, of black."""
LEAST_WIDTH: Final = 20
"""Pixels of the frame; narrower faces are dropped, as apps expect: nobody can be recognised in them."""
FACES_PER_CALL: Final[Mapping[Device, int]] = {"cpu": 16, "cuda": 128, "mps": 16}
"""A crowd at once would take 25 MB a face; more than these gain nothing."""
_STRIDE: Final = 32
_EDGEFACE: Final = "edgeface_xs_512.onnx"
"""In a pack of one's own."""
_FOLDER: Final = "insightface/models"
_RELEASES: Final = "https://github.com/deepinsight/insightface/releases/download/v0.7"
_LICENCE: Final = Licence(name="InsightFace model zoo: non-commercial research only", use="non_commercial")
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")

_R50: Final = (
    "w600k_r50.onnx",
    174_383_860,
    "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43",
)
_MBF: Final = (
    "w600k_mbf.onnx",
    13_616_099,
    "9cc6e4a75f0e2bf0b1aed94578f144d15175f357bdc05e815e5c4a02b319eb4f",
)
_500M: Final = (
    "det_500m.onnx",
    2_524_817,
    "5e4447f50245bbd7966bd6c0fa52938c61474a04ec7def48753668a9d8b4ea3a",
)
_10G: Final = (16_923_827, "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91")
_PACKS: Final[Mapping[str, tuple[tuple[str, int | None, str | None], ...]]] = {
    "buffalo_l": (("det_10g.onnx", *_10G), _R50),
    "buffalo_m": (("det_2.5g.onnx", None, None), ("w600k_r50.onnx", None, None)),
    "buffalo_s": (_500M, _MBF),
    "buffalo_sc": (_500M, _MBF),
    "antelopev2": (
        ("scrfd_10g_bnkps.onnx", *_10G),
        (
            "glintr100.onnx",
            260_665_334,
            "4ab1d6435d639628a6f3e5008dd4f929edf4c4124b1a7169e1048f9fef534cdf",
        ),
    ),
}
"""Name, bytes and SHA-256 of the detector and the recogniser of each released pack."""


def select(settings: ModelSettings) -> Variant:
    if settings.model_profile == "tiny":
        folder = f"tiny/{_FOLDER}/buffalo_l"
        files = tuple(WeightFile(path=f"{folder}/{name}") for name in ("det_10g.onnx", "w600k_r50.onnx"))
        return _variant("tiny", files, Licence(name="Apache-2.0", use="free"), UNKNOWN, megabytes=50)
    pack = settings.face_pack
    if pack in _PACKS:
        files = tuple(
            WeightFile(
                path=f"{_FOLDER}/{pack}/{name}",
                url=f"{_RELEASES}/{pack}.zip",
                member=name,
                sha256=sha256,
                size=size,
            )
            for name, size, sha256 in _PACKS[pack]
        )
        scale = ARCFACE
    else:
        files = tuple(WeightFile(path=path) for path in _own_pack(settings.model_cache_dir, pack))
        scale = EDGEFACE if any(Path(file.path).name == _EDGEFACE for file in files) else UNKNOWN
    megabytes = 150 if pack in ("buffalo_s", "buffalo_sc") else 500
    return _variant(pack, files, _LICENCE, scale, megabytes=megabytes)


def _own_pack(cache: Path, pack: str) -> list[str]:
    """Paths below `cache` of the graphs in a folder that the user made, where `FaceAnalysis` has them too."""
    graphs = (cache / _FOLDER / pack).glob("*.onnx") if _NAME.fullmatch(pack) else ()
    paths = sorted(f"{_FOLDER}/{pack}/{graph.name}" for graph in graphs)
    if not paths:
        raise UnknownModel(
            f"FACE_PACK={pack} is none of {', '.join(_PACKS)}, "
            f"nor is there a folder {_FOLDER}/{pack} with ONNX files in the model cache"
        )
    return paths


def _variant(
    pack: str, files: tuple[WeightFile, ...], licence: Licence, scale: Scale, *, megabytes: int
) -> Variant:
    return Variant(
        version=f"insightface-{pack}",
        licence=licence,
        files=files,
        packages=("insightface", "onnxruntime"),
        dimension=DIMENSION,
        scale=scale,
        megabytes=megabytes,
        # Detection goes frame by frame; recognition takes the faces of all frames together.
        largest_batch={"cpu": 4, "cuda": 16, "mps": 4},
    )


def load(loading: Loading) -> FaceFinder:
    from insightface.model_zoo.arcface_onnx import ArcFaceONNX
    from insightface.model_zoo.scrfd import SCRFD

    detector_path, recogniser_path = _route(list(loading.files.values()))
    backend = choose(_ways(loading.device), loading.settings.model_backend).backend
    assert backend != "torch"
    detector = SCRFD(
        model_file=str(detector_path),
        session=open_graph(detector_path, backend, loading),
        static_shape_sessions=False,  # one session for all sizes, instead of one more for each
    )
    if not detector.use_kps:
        raise BadWeights(f"{detector_path.name} finds faces without landmarks, so none can be aligned")
    threshold = loading.settings.face_threshold or loading.variant.least_score
    detector.prepare(0, det_thresh=threshold, input_size=(DETECTOR_SIDE, DETECTOR_SIDE))
    recogniser = ArcFaceONNX(
        model_file=str(recogniser_path), session=open_graph(recogniser_path, backend, loading)
    )
    model = InsightFace(detector, recogniser, backend, FACES_PER_CALL[loading.device])
    if model.dimension != DIMENSION:
        raise BadWeights(
            f"{recogniser_path.name} makes vectors of {model.dimension} numbers, not of {DIMENSION}"
        )
    return model


def _ways(device: Device) -> tuple[Way, ...]:
    """The ways to run the graphs, fastest first; in fp32 only, as faces are told apart by little."""
    ways = (Way("openvino", "fp32"), Way("onnxruntime", "fp32"))
    if device != "cpu":
        return ways[1:]
    return ways if has_avx512() else ways[::-1]


def _route(paths: Sequence[Path]) -> tuple[Path, Path]:
    """The detector and the recogniser among graphs, told by their outputs and inputs, as the library does."""
    import onnx

    detectors, recognisers = [], []
    for path in sorted(paths):
        try:
            graph = onnx.load(str(path), load_external_data=False).graph
        except Exception as error:  # whatever protobuf raises for bytes that are no message
            raise BadWeights(f"{path.name} is no ONNX graph: {error}") from error
        if not graph.input:
            raise BadWeights(f"{path.name} is no ONNX graph: it has no input")
        sides = [side.dim_value for side in graph.input[0].type.tensor_type.shape.dim][2:]
        if len(graph.output) >= 5:
            detectors.append(path)
        elif len(sides) == 2 and sides[0] == sides[1] and sides[0] >= 112 and sides[0] % 112 == 0:
            recognisers.append(path)
    if not detectors or not recognisers:
        missing = "detector" if not detectors else "recogniser"
        raise BadWeights(f"no {missing} among {', '.join(path.name for path in paths)}")
    return detectors[0], recognisers[0]


class InsightFace(FaceFinder):
    """Boxes and landmarks by a detector, and vectors by a recogniser, of InsightFace's own classes."""

    precision = "fp32"

    def __init__(self, detector: Any, recogniser: Any, backend: str, faces_per_call: int) -> None:
        self.backend = backend
        self._detector = detector
        self._recogniser = recogniser
        self._side: int = recogniser.input_size[0]
        batch = recogniser.input_shape[0]
        self._faces_per_call = batch if isinstance(batch, int) and batch > 0 else faces_per_call
        self.dimension = self._embed([_blank(self._side)]).shape[1]

    def find_faces(self, frames: Sequence[Frame]) -> Sequence[tuple[Face, ...]]:
        found = [self._find(frame) for frame in frames]
        crops = [one.crop for faces in found for one in faces]
        vectors = iter(unit_rows(self._embed(crops)) if crops else ())
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
        import cv2

        if min(frame.width, frame.height) < LEAST_WIDTH:
            return []
        pixels: Any = cv2.cvtColor(frame.array(), cv2.COLOR_RGB2BGR)
        found = find_closely(frame, partial(self._look, pixels), side=DETECTOR_SIDE)
        return sorted(found, key=lambda one: one.box.width * one.box.height, reverse=True)

    def _look(self, pixels: Pixels, look: Look) -> list[_Found]:
        """The faces that one look at the picture `pixels`, in BGR, shows."""
        from insightface.utils.face_align import norm_crop

        window = look.window
        height, width = pixels.shape[:2]
        seen = pixels[window.top : window.bottom, window.left : window.right]
        scale, margin = 1.0, 0
        if look.small:
            seen, scale, margin = self._made_small(seen)
        size = seen.shape[1::-1] if look.small else _detector_size(window.width, window.height)
        if size is None:
            return []
        boxes, landmarks = self._detector.detect(seen, input_size=size)
        boxes[:, :4], landmarks = (boxes[:, :4] - margin) / scale, (landmarks - margin) / scale
        boxes[:, :4] += (window.left, window.top) * 2
        landmarks += (window.left, window.top)
        found = []
        for (*corners, score), points in zip(boxes.tolist(), landmarks, strict=True):
            box = Box.inside(corners, width, height)
            if box.width * width < LEAST_WIDTH or box.height <= 0:
                continue
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", category=FutureWarning)  # how it calls scikit-image
                crop = norm_crop(pixels, points, self._side)
            shares = tuple((share(x, width), share(y, height)) for x, y in points.tolist())
            found.append(_Found(box, score, shares, crop))
        return found

    def _made_small(self, pixels: Pixels) -> tuple[Pixels, float, int]:
        """The picture made small with a margin around it, its scale, and the margin, in pixels."""
        import cv2
        import numpy as np

        sides = self._detector.session.get_inputs()[0].shape[2:]
        fixed = all(isinstance(side, int) and side > 0 for side in sides)
        height, width = pixels.shape[:2]
        scale = SMALL_SIDE / max(width, height)
        inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        canvas = np.zeros((*(sides if fixed else (SMALL_SIDE + 2 * MARGIN,) * 2), 3), np.uint8)
        # Of a large face every few pixels are enough; to weigh all of them takes as long as to look.
        step = max(1, max(width, height) // (2 * SMALL_SIDE))
        canvas[MARGIN : MARGIN + inner[1], MARGIN : MARGIN + inner[0]] = cv2.resize(
            pixels[::step, ::step], inner, interpolation=cv2.INTER_AREA
        )
        return canvas, scale, MARGIN

    def _embed(self, crops: Sequence[Pixels]) -> Floats:
        """The vectors (faces, dimension) of one or more aligned faces, not normalised."""
        import numpy as np

        size = self._faces_per_call
        rows = [self._recogniser.get_feat(crops[i : i + size]) for i in range(0, len(crops), size)]
        return np.concatenate(rows)


class _Found(NamedTuple):
    box: Box
    score: float
    landmarks: tuple[tuple[float, float], ...]
    crop: Pixels


def _detector_size(width: int, height: int) -> tuple[int, int] | None:
    """Width and height of the detector's input: as much of its square as a picture fills, and one stride.

    Leaving out the rest saves a fifth of the time for photos of 4:3. One stride of it is looked at, because
    with none the vectors of faces at the edge differ from the library's by more than 0.0001 (cosine).
    None: the picture is too thin to show a face in it.
    """
    long, short = max(width, height), min(width, height)
    if short * DETECTOR_SIDE < long:
        return None
    filled = -(-short * DETECTOR_SIDE // (long * _STRIDE)) * _STRIDE
    other = min(filled + _STRIDE, DETECTOR_SIDE)
    return (DETECTOR_SIDE, other) if width >= height else (other, DETECTOR_SIDE)


def _blank(side: int) -> Pixels:
    import numpy as np

    return np.zeros((side, side, 3), np.uint8)


SPEC = ModelSpec(
    task=FACES,
    name="insightface",
    sized_by=("face_pack",),
    set_by=("face_threshold",),
    profile="best",
    select=select,
    load=load,
)
