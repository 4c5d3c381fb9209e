from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shutil import copy
from typing import Any

import pytest
from PIL import Image, ImageDraw

from models.catalog.insightface import DIMENSION, SPEC
from models.errors import BadWeights, UnknownModel
from models.frame import Frame
from models.pictures.picture import open_picture
from models.results import Face
from models.settings import ModelSettings
from models.spec import Loading
from models.tasks import FaceFinder
from tests.models.catalog import scenes
from tests.paths import TESTDATA

pytest.importorskip("insightface")
onnx = pytest.importorskip("onnx")
np = pytest.importorskip("numpy")
onnxruntime = pytest.importorskip("onnxruntime")

_TINY = "tiny/insightface/models/buffalo_l"


def settings_of(cache: Path, **values: Any) -> ModelSettings:
    return ModelSettings(_env_file=None, model_cache_dir=cache, model_threads=2, **values)


def finder(cache: Path, **values: Any) -> FaceFinder:
    settings = settings_of(cache, **values)
    variant = SPEC.select(settings)
    files = {file.path: cache / file.path for file in variant.files}
    return SPEC.load(Loading(variant=variant, files=files, device="cpu", threads=2, settings=settings))


def need(backend: str) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def tiny(tiny_models: Path) -> FaceFinder:
    return finder(tiny_models, model_profile="tiny", model_backend="onnxruntime")


def people(*who: tuple[str, int, int], size: tuple[int, int] = (640, 640)) -> Image.Image:
    """The tiny detector's faces, magenta squares, by colour around them (who it is) and centre.

    At odd multiples of 8 one cell of the detector's lies amid a square; elsewhere several fit equally well.
    """
    image = Image.new("RGB", size, (90, 140, 90))
    draw = ImageDraw.Draw(image)
    for colour, x, y in who:
        draw.rectangle((x - 76, y - 76, x + 76, y + 76), fill=colour)
        draw.rectangle((x - 32, y - 32, x + 32, y + 32), fill=(255, 0, 255))
    return image


def corners(face: Face, size: tuple[int, int]) -> list[float]:
    box, (width, height) = face.box, size
    return [
        box.x * width,
        box.y * height,
        (box.x + box.width) * width,
        (box.y + box.height) * height,
    ]


def alike(one: Sequence[float], other: Sequence[float]) -> float:
    return float(np.dot(one, other))


def reference(root: Path, pack: str) -> Any:
    from insightface.app import FaceAnalysis

    analysis = FaceAnalysis(name=pack, root=str(root), providers=["CPUExecutionProvider"])
    analysis.prepare(ctx_id=-1, det_size=(640, 640), det_thresh=0.5)
    return analysis


def assert_equal_to(expected: Any, found: Sequence[Face], image: Image.Image) -> None:
    """Within a pixel and a cosine of 0.9999 to what `FaceAnalysis.get` says of the same picture."""
    assert len(found) == len(expected)
    limits = [*image.size, *image.size]
    for theirs in expected:
        box = np.clip(theirs.bbox, 0, limits)
        ours = min(found, key=lambda face: np.abs(np.subtract(corners(face, image.size), box)).max())
        assert np.abs(np.subtract(corners(ours, image.size), box)).max() <= 1
        assert np.abs(np.multiply(ours.landmarks, image.size) - theirs.kps).max() <= 1
        assert ours.score == pytest.approx(float(theirs.det_score), abs=0.001)
        assert alike(ours.embedding, theirs.normed_embedding) >= 0.9999


def test_released_packs_name_their_two_graphs_and_their_terms() -> None:
    variant = SPEC.select(settings_of(Path("nowhere")))
    assert variant.version == "insightface-buffalo_l"
    assert [file.path for file in variant.files] == [
        "insightface/models/buffalo_l/det_10g.onnx",
        "insightface/models/buffalo_l/w600k_r50.onnx",
    ]
    assert all(file.sha256 and file.url and file.url.endswith("/buffalo_l.zip") for file in variant.files)
    assert variant.licence.use == "non_commercial"
    assert variant.dimension == 512


@pytest.mark.parametrize("pack", ["buffalo_xxl", "../../etc", "", ".", "a/b"])
def test_a_pack_that_is_neither_released_nor_in_the_cache_is_unknown(pack: str, tmp_path: Path) -> None:
    (tmp_path / "insightface/models/buffalo_xxl").mkdir(parents=True)
    with pytest.raises(UnknownModel, match="FACE_PACK"):
        SPEC.select(settings_of(tmp_path, face_pack=pack))


def test_a_face_is_where_it_was_drawn(tiny: FaceFinder) -> None:
    [[face]] = tiny.find_faces([Frame.of(people(("red", 300, 200)))])
    left, top, right, bottom = corners(face, (640, 640))
    assert (left + right) / 2 == pytest.approx(300, abs=16)
    assert (top + bottom) / 2 == pytest.approx(200, abs=16)
    assert 0.5 < face.score <= 1
    assert len(face.landmarks) == 5
    assert all(0 <= share <= 1 for point in face.landmarks for share in point)
    assert len(face.embedding) == DIMENSION
    assert np.linalg.norm(face.embedding) == pytest.approx(1, abs=1e-5)


def test_one_person_is_recognised_at_any_size_and_others_are_not(tiny: FaceFinder) -> None:
    picture = people(("red", 120, 120), ("blue", 408, 408))
    larger = picture.resize((1280, 1280), Image.Resampling.BICUBIC)
    [at_once, again] = tiny.find_faces([Frame.of(picture), Frame.of(larger)])
    assert len(at_once) == len(again) == 2
    for face in at_once:
        same, other = sorted((alike(face.embedding, one.embedding) for one in again), reverse=True)
        assert same > 0.95
        assert other < 0.8


def test_frames_of_one_call_are_answered_each_for_itself(tiny: FaceFinder) -> None:
    frames = [
        Frame.of(people(("red", 120, 120), ("blue", 400, 400), ("yellow", 120, 400))),
        Frame.of(Image.new("RGB", (800, 600))),
        Frame.of(people(("green", 400, 200), size=(640, 480))),
    ]
    together = tiny.find_faces(frames)
    assert [len(faces) for faces in together] == [3, 0, 1]
    for frame, faces in zip(frames, together, strict=True):
        [alone] = tiny.find_faces([frame])
        assert [face.box for face in alone] == [face.box for face in faces]
        for one, other in zip(alone, faces, strict=True):
            assert alike(one.embedding, other.embedding) == pytest.approx(1, abs=1e-6)
    assert tiny.find_faces([]) == []


def test_the_faces_of_all_frames_are_recognised_in_one_batch(
    tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []

    class Recording(onnxruntime.InferenceSession):
        def run(self, names: Any, feed: Any) -> Any:
            [pixels] = feed.values()
            if pixels.shape[2:] == (112, 112):
                batches.append(len(pixels))
            return super().run(names, feed)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Recording)
    model = finder(tiny_models, model_profile="tiny", model_backend="onnxruntime")
    batches.clear()  # of the load
    crowd = Frame.of(people(*(("red", x, y) for x in (104, 312, 520) for y in (104, 312, 520))))
    assert [len(faces) for faces in model.find_faces([crowd, crowd])] == [9, 9]
    assert batches == [16, 2]


def test_the_largest_face_comes_first(tiny: FaceFinder) -> None:
    # Half of the face on the left lies outside the picture, where nothing of it counts.
    [faces] = tiny.find_faces([Frame.of(people(("red", 34, 300), ("blue", 400, 300)))])
    areas = [face.box.width * face.box.height for face in faces]
    assert len(areas) == 2
    assert areas == sorted(areas, reverse=True)
    assert faces[0].box.x > faces[1].box.x


def test_a_face_at_the_edge_stays_inside_the_picture(tiny: FaceFinder) -> None:
    [[face]] = tiny.find_faces([Frame.of(people(("red", 34, 34)))])
    assert face.box.x == face.box.y == 0
    assert all(0 <= share <= 1 for point in face.landmarks for share in point)


def test_faces_narrower_than_20_pixels_of_the_frame_are_dropped(tiny: FaceFinder) -> None:
    picture = people(("red", 300, 200))
    wide = {side: picture.resize((side, side), Image.Resampling.BOX) for side in (80, 320)}
    assert tiny.find_faces([Frame.of(wide[80])]) == [()]
    [[face]] = tiny.find_faces([Frame.of(wide[320])])
    assert face.box.width * 320 >= 20


@pytest.mark.parametrize("size", [(1, 1), (19, 400), (4000, 6), (6, 4000), (20, 2000), (2048, 21), (30, 30)])
def test_pictures_without_room_for_a_face_have_none(tiny: FaceFinder, size: tuple[int, int]) -> None:
    assert tiny.find_faces([Frame.of(Image.new("RGB", size, "white"))]) == [()]


def test_faces_below_the_threshold_are_dropped(tiny_models: Path) -> None:
    picture = Frame.of(people(("red", 300, 200)))
    [[face]] = finder(tiny_models, model_profile="tiny", face_threshold=0.9).find_faces([picture])
    strict = finder(tiny_models, model_profile="tiny", face_threshold=(1 + face.score) / 2)
    assert strict.find_faces([picture]) == [()]


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("size", [(640, 640), (640, 360), (320, 640), (640, 480)])
@pytest.mark.parametrize("scale", [0.6, 1, 2])
@pytest.mark.filterwarnings("ignore:.estimate. is deprecated:FutureWarning")
def test_the_library_finds_the_same(
    backend: str, size: tuple[int, int], scale: float, tiny_models: Path
) -> None:
    need(backend)
    model = finder(tiny_models, model_profile="tiny", model_backend=backend)
    assert (model.backend, model.precision) == (backend, "fp32")
    image = people(("red", 104, 104), ("blue", 216, 264), size=size)
    image = image.resize((int(size[0] * scale), int(size[1] * scale)), Image.Resampling.BICUBIC)
    analysis = reference(tiny_models / "tiny/insightface", "buffalo_l")
    expected = analysis.get(np.asarray(image)[..., ::-1].copy())
    assert len(expected) == 2
    [found] = model.find_faces([Frame.of(image)])
    assert_equal_to(expected, found, image)


def own_pack(cache: Path, tiny_models: Path) -> Path:
    folder = cache / "insightface/models/mine"
    folder.mkdir(parents=True)
    for name in ("det_10g.onnx", "w600k_r50.onnx"):
        copy(tiny_models / _TINY / name, folder / f"9-{name}")
    return folder


def head(path: Path, *, side: int, numbers: int, outputs: int = 1) -> None:
    """A graph from pictures of `side` pixels to vectors of so many numbers."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    weights = np.random.default_rng(1).standard_normal((3, numbers)).astype(np.float32)
    nodes = [
        helper.make_node("GlobalAveragePool", ["data"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        *(helper.make_node("MatMul", ["flat", "w"], [f"out{i}"]) for i in range(outputs)),
    ]
    graph = helper.make_graph(
        nodes,
        "head",
        [helper.make_tensor_value_info("data", kind, ["n", 3, side, side])],
        [helper.make_tensor_value_info(f"out{i}", kind, ["n", numbers]) for i in range(outputs)],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))


def test_of_a_pack_in_the_cache_only_detector_and_recogniser_become_sessions(
    tmp_path: Path, tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = own_pack(tmp_path, tiny_models)
    head(folder / "1k3d68.onnx", side=192, numbers=3309)
    head(folder / "genderage.onnx", side=96, numbers=3)
    opened: list[str] = []
    session = onnxruntime.InferenceSession

    def recording(path: str, *args: Any, **kwargs: Any) -> Any:
        opened.append(Path(path).name)
        return session(path, *args, **kwargs)

    monkeypatch.setattr(onnxruntime, "InferenceSession", recording)
    model = finder(tmp_path, face_pack="mine", model_backend="onnxruntime")
    assert sorted(opened) == ["9-det_10g.onnx", "9-w600k_r50.onnx"]
    assert len(model.find_faces([Frame.of(people(("red", 300, 200)))])[0]) == 1


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("damage", ["noise", "empty", "cut off", "web page"])
@pytest.mark.parametrize("name", ["9-det_10g.onnx", "9-w600k_r50.onnx"])
def test_a_damaged_graph_is_bad_weights(
    backend: str, damage: str, name: str, tmp_path: Path, tiny_models: Path
) -> None:
    need(backend)
    path = own_pack(tmp_path, tiny_models) / name
    whole = path.read_bytes()
    path.write_bytes(
        {
            "noise": bytes(range(256)) * 20,
            "empty": b"",
            "cut off": whole[: len(whole) // 2],
            "web page": b"<!doctype html><title>Not found</title>",
        }[damage]
    )
    with pytest.raises(BadWeights, match=name):
        finder(tmp_path, face_pack="mine", model_backend=backend)


def test_vectors_of_another_length_are_bad_weights(tmp_path: Path, tiny_models: Path) -> None:
    folder = own_pack(tmp_path, tiny_models)
    head(folder / "9-w600k_r50.onnx", side=112, numbers=256)
    with pytest.raises(BadWeights, match=r"256 numbers, not of 512"):
        finder(tmp_path, face_pack="mine")


def test_a_pack_without_recogniser_or_detector_or_landmarks_is_bad_weights(
    tmp_path: Path, tiny_models: Path
) -> None:
    folder = own_pack(tmp_path, tiny_models)
    (folder / "9-w600k_r50.onnx").rename(folder / "recogniser")
    with pytest.raises(BadWeights, match="no recogniser"):
        finder(tmp_path, face_pack="mine")
    (folder / "recogniser").rename(folder / "w600k_r50.onnx")
    (folder / "9-det_10g.onnx").rename(folder / "detector")
    with pytest.raises(BadWeights, match="no detector"):
        finder(tmp_path, face_pack="mine")
    head(folder / "boxes.onnx", side=640, numbers=4, outputs=6)
    with pytest.raises(BadWeights, match="without landmarks"):
        finder(tmp_path, face_pack="mine")


@pytest.fixture(scope="module")
def real() -> FaceFinder:
    """SCRFD-500M and EdgeFace-XS."""
    if not (TESTDATA / "weights/insightface/models/mini_sc").is_dir():
        pytest.skip("the real weights are not there (KIZU_TESTDATA names their folder)")
    return finder(TESTDATA / "weights", face_pack="mini_sc")


def test_the_people_of_a_portrait_are_the_same_when_it_is_stored_lying(real: FaceFinder) -> None:
    names = ("portrait.jpg", "portrait-orientation-6.jpg")
    upright = [open_picture(TESTDATA / "photos/faces" / name).upright(long_side=1280) for name in names]
    [two, again] = real.find_faces([Frame.of(picture) for picture in upright])
    assert len(two) == len(again) == 2
    for face in two:
        same, other = sorted((alike(face.embedding, one.embedding) for one in again), reverse=True)
        assert same >= 0.95
        assert other < 0.3
        eyes, nose, mouth = face.landmarks[:2], face.landmarks[2], face.landmarks[3:]
        assert eyes[0][0] < eyes[1][0]
        assert max(y for _, y in eyes) < nose[1] < min(y for _, y in mouth)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.filterwarnings("ignore:.estimate. is deprecated:FutureWarning")
def test_real_faces_are_those_that_the_library_finds(backend: str, real: FaceFinder) -> None:
    need(backend)
    import insightface

    model = finder(TESTDATA / "weights", face_pack="mini_sc", model_backend=backend)
    photos = [
        Path(insightface.__file__).parent / "data/images/t1.jpg",
        TESTDATA / "photos/faces/portrait.jpg",
        TESTDATA / "photos/objects/zidane.jpg",
    ]
    analysis = reference(TESTDATA / "weights/insightface", "mini_sc")
    for photo in photos:
        image = open_picture(photo).upright(long_side=1280)
        expected = analysis.get(np.asarray(image)[..., ::-1].copy())
        [found] = model.find_faces([Frame.of(image)])
        assert found
        assert_equal_to(expected, found, image)


def alone(real: FaceFinder) -> Sequence[float]:
    """The vector of the girl in the portrait."""
    [faces] = real.find_faces([Frame.of(scenes.photo("faces/portrait.jpg"))])
    return max(faces, key=lambda face: face.score).embedding


@pytest.mark.parametrize("part", [0.7, 0.85, 1.0])
@pytest.mark.parametrize("size", [(1280, 1280), (1280, 960), (960, 1280)])
def test_a_face_that_fills_a_close_up_is_found(real: FaceFinder, part: float, size: tuple[int, int]) -> None:
    image, box = scenes.close_up(part, size)
    [[face]] = real.find_faces([scenes.seen(image, scenes.FACES)])
    assert scenes.overlap(face.box, box) >= 0.75
    assert alike(face.embedding, alone(real)) >= 0.6


def test_faces_of_80_pixels_in_a_panorama_are_found_once_each(real: FaceFinder) -> None:
    places = [(0.03 + 0.094 * i, 0.25 + 0.05 * i) for i in range(11)]
    image, boxes = scenes.crowd((8000, 1000), 80, places)
    [faces] = real.find_faces([scenes.seen(image, scenes.FACES)])
    assert len(faces) == len(boxes)
    assert all(max(scenes.overlap(face.box, box) for face in faces) >= 0.6 for box in boxes)
    girl = alone(real)
    assert all(alike(face.embedding, girl) >= 0.6 for face in faces)


def test_faces_of_80_pixels_in_a_photo_of_a_group_are_found(real: FaceFinder) -> None:
    places = [(0.13 + 0.24 * (i % 4), 0.2 + 0.3 * (i // 4)) for i in range(12)]
    image, boxes = scenes.crowd((4000, 3000), 80, places)
    [faces] = real.find_faces([scenes.seen(image, scenes.FACES)])
    assert len(faces) == len(boxes)
    assert all(max(scenes.overlap(face.box, box) for face in faces) >= 0.6 for box in boxes)
