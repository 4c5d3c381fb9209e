from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from models.backends.exports import FOLDER
from models.backends.graphs import open_graph
from models.catalog.dlib_faces import FACES_PER_CALL, LEAST_SCORE, MEAN, SCALE, SPEC, DlibFaces, export
from models.catalog.dlib_faces.alignment import PLACES
from models.catalog.dlib_faces.detector import HEADS, INPUT, STRIDES
from models.errors import BadWeights, ModelFailed
from models.frame import Frame
from models.people.quality import quality
from models.pictures.picture import open_picture
from models.results import Face
from models.settings import ModelSettings
from models.spec import Loading
from models.tasks import FaceFinder
from models.vectors import cosine
from tests.models.catalog import scenes
from tests.models.catalog.packaged import packaged
from tests.paths import TESTDATA

np = pytest.importorskip("numpy")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("cv2")

PHOTOS = TESTDATA / "photos"
STRIDE = 16


def loading_of(cache: Path, files: Mapping[str, Path], **values: Any) -> Loading:
    if values.get("model_backend") == "openvino":
        pytest.importorskip("openvino")
    settings = ModelSettings(_env_file=None, model_cache_dir=cache, model_threads=2, **values)
    variant = SPEC.select(settings)
    return Loading(variant=variant, files=files, device="cpu", threads=2, settings=settings)


@pytest.fixture(scope="module")
def tiny_files(tiny_models: Path) -> dict[str, Path]:
    variant = SPEC.select(ModelSettings(_env_file=None, model_profile="tiny"))
    return {file.path: tiny_models / file.path for file in variant.files}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> FaceFinder:
    return SPEC.load(loading_of(tmp_path_factory.mktemp("models"), packaged(SPEC)))


class Port(NamedTuple):
    name: str
    shape: Sequence[int] = ()


class Staged:
    """A detector that finds faces where a test puts them: by row, column, score and width in strides.

    In a first look at a picture of 4 to 3, and in no other look.
    """

    def __init__(self, *pictures: Sequence[tuple[int, int, float, float]]) -> None:
        self._pictures = list(pictures)

    def get_outputs(self) -> list[Port]:
        return [Port(f"{head}_{stride}") for head in HEADS for stride in STRIDES]

    def get_inputs(self) -> list[Port]:
        return [Port(INPUT)]

    def get_providers(self) -> list[str]:
        return []

    def run(self, names: Sequence[str] | None, feed: Mapping[str, Any]) -> list[Any]:
        height, width = feed[INPUT].shape[2:]
        found = {
            f"{head}_{stride}": np.zeros((1, numbers, height // stride, width // stride), np.float32)
            for head, numbers in HEADS.items()
            for stride in STRIDES
        }
        for row, column, score, size in self._pictures.pop(0) if (width, height) == (640, 480) else ():
            # The landmarks of a face that looks ahead, about the box's centre.
            points = (np.array(PLACES) - 75) / 100 * size
            for head, numbers in (
                ("cls", score),
                ("obj", score),
                ("bbox", (0, 0, np.log(size), np.log(size))),
                ("kps", points.ravel()),
            ):
                found[f"{head}_{STRIDE}"][0, :, row, column] = numbers
        return [found[name] for name in names or ()]


class Counting:
    """The seeded recogniser, which also says how many faces it was asked about at once."""

    def __init__(self, session: Any) -> None:
        self.batches: list[int] = []
        self._session = session

    def run(self, names: Any, feed: Any) -> Any:
        [pixels] = feed.values()
        self.batches.append(len(pixels))
        return self._session.run(names, feed)


@pytest.fixture(scope="module")
def recogniser(tiny_files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    loading = loading_of(tmp_path_factory.mktemp("models"), tiny_files, model_profile="tiny")
    return open_graph(export(loading, "onnxruntime") / "recogniser.onnx", "onnxruntime", loading)


def staged(recogniser: Any, *pictures: Sequence[tuple[int, int, float, float]]) -> DlibFaces:
    return DlibFaces(Staged(*pictures), recogniser, "onnxruntime", LEAST_SCORE)


def noise(size: tuple[int, int] = (640, 480), seed: int = 1) -> Frame:
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1] // 8, size[0] // 8, 3), np.uint8)
    return Frame.of(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def test_the_variant_is_free_pinned_and_says_who_is_the_same() -> None:
    variant = SPEC.select(ModelSettings(_env_file=None))
    assert variant.licence.use == "free"
    assert variant.dimension == 128
    assert (variant.least_score, variant.scale) == (LEAST_SCORE, SCALE)
    assert all(file.sha256 and file.size and file.archive_sha256 for file in variant.files)
    assert "torch" not in variant.packages


def test_a_face_is_where_it_was_seen(recogniser: Any) -> None:
    # Of a picture of 1280 by 960 half the pixels are seen.
    [[face]] = staged(recogniser, [(10, 20, 0.9, 5)]).find_faces([noise((1280, 960))])
    assert face.score == pytest.approx(0.9, abs=1e-6)
    assert face.box.x * 1280 == pytest.approx(2 * STRIDE * (20 - 2.5))
    assert face.box.y * 960 == pytest.approx(2 * STRIDE * (10 - 2.5))
    assert face.box.width * 1280 == pytest.approx(2 * STRIDE * 5)
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_eye[1] < nose[1] < left_mouth[1]
    assert left_mouth[0] < right_mouth[0]
    assert len(face.embedding) == 128
    assert np.linalg.norm(face.embedding) == pytest.approx(1, abs=1e-5)


def test_each_face_says_what_it_is_worth_in_its_own_picture(recogniser: Any) -> None:
    small, large = (10, 10, 0.9, 2), (15, 25, 0.9, 6)
    pictures = [noise((640, 480)), noise((640, 480), seed=2)]
    [[one, other], [alone]] = staged(recogniser, [small, large], [small]).find_faces(pictures)
    for frame, face in ((pictures[0], one), (pictures[0], other), (pictures[1], alone)):
        assert face.quality == quality(frame.array(), face.box, face.landmarks)
    assert other.quality == pytest.approx((one.quality or 0) / 3, rel=0.25), "a third as wide, and as sharp"


def test_the_vector_is_that_of_the_face_less_the_mean_face(recogniser: Any) -> None:
    class Mean:
        def run(self, names: Any, feed: Any) -> Any:
            return [np.array([json.loads(MEAN.read_text())["numbers"]], np.float32) + np.eye(128)[:1]]

    [[face]] = staged(Mean(), [(10, 20, 0.9, 5)]).find_faces([noise()])
    assert face.embedding[0] == pytest.approx(1, abs=1e-4)


def test_one_face_is_alike_at_any_size_and_another_is_not(recogniser: Any) -> None:
    frame = noise()
    larger = Frame.of(frame.image().resize((1280, 960), Image.Resampling.BICUBIC))
    places = [(10, 12, 0.9, 6.0), (18, 28, 0.9, 6.0)]
    model = staged(recogniser, places, places)
    [[one, other], again] = model.find_faces([frame, larger])
    for face in again:
        assert max(cosine(face.embedding, one.embedding), cosine(face.embedding, other.embedding)) > 0.99


def test_the_largest_face_comes_first(recogniser: Any) -> None:
    model = staged(recogniser, [(10, 10, 0.95, 3), (10, 30, 0.8, 6), (24, 20, 0.7, 4)])
    [faces] = model.find_faces([noise()])
    assert [round(face.box.width * 640 / STRIDE) for face in faces] == [6, 4, 3]


def test_the_faces_of_all_frames_are_recognised_together(recogniser: Any) -> None:
    counting = Counting(recogniser)
    crowd = [(row, column, 0.9, 4.0) for row in (4, 12, 20) for column in (4, 12, 20)]
    model = staged(counting, crowd, [], crowd)
    found = model.find_faces([noise(), noise(), noise()])
    assert [len(faces) for faces in found] == [9, 0, 9]
    assert counting.batches == [FACES_PER_CALL, 2]
    assert staged(counting).find_faces([]) == []


def test_a_face_at_the_edge_stays_inside_the_picture(recogniser: Any) -> None:
    [[face]] = staged(recogniser, [(0, 0, 0.9, 6)]).find_faces([noise()])
    assert face.box.x == face.box.y == 0
    assert face.box.width * 640 == pytest.approx(3 * STRIDE)
    assert all(0 <= share <= 1 for point in face.landmarks for share in point)


def test_faces_narrower_than_20_pixels_of_the_frame_are_dropped(recogniser: Any) -> None:
    seen = [(10, 20, 0.9, 1.2)]
    model = staged(recogniser, seen, seen)
    small, large = model.find_faces([noise(), noise((1280, 960))])
    assert small == ()
    assert len(large) == 1


@pytest.mark.parametrize("size", [(1, 1), (19, 400), (4000, 6), (20, 2000), (2048, 21), (30, 30)])
def test_pictures_without_room_for_a_face_have_none(
    tiny_files: dict[str, Path], tmp_path: Path, size: tuple[int, int]
) -> None:
    model = SPEC.load(loading_of(tmp_path, tiny_files, model_profile="tiny"))
    assert model.find_faces([Frame.of(Image.new("RGB", size, "white"))]) == [()]


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_every_backend_runs_both_graphs(tiny_files: dict[str, Path], tmp_path: Path, backend: str) -> None:
    # At random weights some places are more like a face than this.
    loading = loading_of(
        tmp_path, tiny_files, model_profile="tiny", model_backend=backend, face_threshold=0.001
    )
    model = SPEC.load(loading)
    assert (model.backend, model.precision, model.dimension) == (backend, "fp32", 128)
    [faces] = model.find_faces([noise((320, 240))])
    assert faces
    assert all(len(face.embedding) == 128 for face in faces)


def test_the_graphs_are_made_once(tiny_files: dict[str, Path], tmp_path: Path) -> None:
    made = []
    for _ in range(2):
        SPEC.load(loading_of(tmp_path, tiny_files, model_profile="tiny"))
        [folder] = (tmp_path / FOLDER).iterdir()
        made.append({path.name: path.stat().st_mtime_ns for path in folder.iterdir()})
    assert made[0].keys() == {"detector.onnx", "recogniser.onnx"}
    assert made[0] == made[1]


def test_damaged_weights_are_refused(tiny_files: dict[str, Path], tmp_path: Path) -> None:
    broken = {name: tmp_path / path.name for name, path in tiny_files.items()}
    for name, path in tiny_files.items():
        shutil.copy(path, broken[name])
    (tmp_path / "libfacedetection.so").write_bytes(b"half of it")
    with pytest.raises(BadWeights, match=r"libfacedetection\.so"):
        SPEC.load(loading_of(tmp_path, broken, model_profile="tiny"))


def test_a_cache_that_cannot_be_written_is_said(tiny_files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("in the way")
    with pytest.raises(ModelFailed, match="cannot be turned into graphs"):
        SPEC.load(loading_of(tmp_path, tiny_files, model_profile="tiny"))


# What real weights find


def faces_in(model: FaceFinder, path: Path) -> tuple[Face, ...]:
    frame = Frame.of(open_picture(path.read_bytes()).upright(long_side=1280))
    [faces] = model.find_faces([frame])
    return faces


def test_the_same_people_are_recognised_in_a_turned_photo(real: FaceFinder) -> None:
    straight = faces_in(real, PHOTOS / "faces/portrait.jpg")
    turned = faces_in(real, PHOTOS / "faces/portrait-orientation-6.jpg")
    assert len(straight) == len(turned) == 2
    for one, other in zip(straight, turned, strict=True):
        assert one.box.x == pytest.approx(other.box.x, abs=0.01)
        assert cosine(one.embedding, other.embedding) > 0.9
    for one, other in (straight, turned, (straight[0], turned[1])):
        assert cosine(one.embedding, other.embedding) < SCALE.same - 0.2


def test_six_strangers_are_six_people(real: FaceFinder) -> None:
    insightface = pytest.importorskip("insightface")
    faces = faces_in(real, Path(insightface.__file__).parent / "data/images/t1.jpg")
    assert len(faces) == 6
    for i, one in enumerate(faces):
        assert all(cosine(one.embedding, other.embedding) < SCALE.same for other in faces[:i])


@pytest.mark.parametrize(
    ("photo", "count"),
    [
        ("objects/zidane.jpg", 2),
        ("objects/bus.jpg", 2),
        ("text/phototest.tif", 0),
        ("formats/tanners_ridge.jpg", 0),
        ("formats/prairie_falcon.jpg", 0),
        ("gps/DSCN0010.jpg", 0),
        ("objects/coco8/images/train/000000000025.jpg", 0),  # giraffes
    ],
)
def test_faces_are_found_and_nothing_else(real: FaceFinder, photo: str, count: int) -> None:
    assert len(faces_in(real, PHOTOS / photo)) == count


def girl(real: FaceFinder) -> Sequence[float]:
    """The vector of the girl in the portrait."""
    return max(faces_in(real, PHOTOS / "faces/portrait.jpg"), key=lambda face: face.score).embedding


@pytest.mark.parametrize("part", [0.7, 0.85, 1.0])
@pytest.mark.parametrize("size", [(1280, 1280), (1280, 960), (960, 1280)])
def test_a_face_that_fills_a_close_up_is_found(real: FaceFinder, part: float, size: tuple[int, int]) -> None:
    image, box = scenes.close_up(part, size)
    [[face]] = real.find_faces([scenes.seen(image, scenes.FACES)])
    assert scenes.overlap(face.box, box) >= 0.75
    assert cosine(face.embedding, girl(real)) >= SCALE.same


def test_faces_of_80_pixels_in_a_panorama_are_found_once_each(real: FaceFinder) -> None:
    places = [(0.03 + 0.094 * i, 0.25 + 0.05 * i) for i in range(11)]
    image, boxes = scenes.crowd((8000, 1000), 80, places)
    [faces] = real.find_faces([scenes.seen(image, scenes.FACES)])
    assert len(faces) == len(boxes)
    assert all(max(scenes.overlap(face.box, box) for face in faces) >= 0.6 for box in boxes)
    assert all(cosine(face.embedding, girl(real)) >= SCALE.same for face in faces)


def test_faces_of_80_pixels_in_a_photo_of_a_group_are_found(real: FaceFinder) -> None:
    places = [(0.13 + 0.24 * (i % 4), 0.2 + 0.3 * (i // 4)) for i in range(12)]
    image, boxes = scenes.crowd((4000, 3000), 80, places)
    [faces] = real.find_faces([scenes.seen(image, scenes.FACES)])
    assert len(faces) == len(boxes)
    assert all(max(scenes.overlap(face.box, box) for face in faces) >= 0.6 for box in boxes)
