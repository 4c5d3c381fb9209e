from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from models.backends.exports import FOLDER, NotExportable
from models.backends.ways import Way
from models.catalog import yolov8 as catalog
from models.catalog.yolov8 import SPEC
from models.coco import CLASSES
from models.errors import BadWeights, ModelFailed
from models.frame import Frame
from models.machine.torch_cpu import make_torchvision_importable
from models.pictures.picture import open_picture
from models.settings import ModelSettings
from models.spec import Loading
from models.tasks import ObjectDetector
from tests.models.catalog import scenes
from tests.models.catalog.detections import (
    Found,
    average_precision,
    in_pixels,
    mean_average_precision,
    overlap,
    truth,
)
from tests.paths import TESTDATA

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
make_torchvision_importable()
library = pytest.importorskip("ultralytics")
pytest.importorskip("onnxruntime")

BACKENDS = ("torch", "onnxruntime", "openvino")
PHOTOS = TESTDATA / "photos" / "objects"
REAL = TESTDATA / "weights" / "yolo" / "yolov8n.pt"

needs_testdata = pytest.mark.skipif(
    not REAL.is_file(), reason="test photos and weights are not there (KIZU_TESTDATA names their folder)"
)


def settings_of(cache: Path, **values: Any) -> ModelSettings:
    return ModelSettings(_env_file=None, model_cache_dir=cache, model_threads=2, **values)


def loaded(settings: ModelSettings, path: Path) -> ObjectDetector:
    if settings.model_backend == "openvino":
        pytest.importorskip("openvino")
    variant = SPEC.select(settings)
    files = {file.path: path for file in variant.files}
    return SPEC.load(Loading(variant=variant, files=files, device="cpu", threads=2, settings=settings))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Room for exported graphs; what was loaded stays loaded as long."""
    yield tmp_path_factory.mktemp("models")
    for loaded_once in (tiny, real, predictor):
        loaded_once.cache_clear()


@pytest.fixture(scope="module")
def weights(tiny_models: Path) -> Path:
    return tiny_models / "tiny/yolo/yolov8n-tiny.pt"


@lru_cache
def tiny(cache: Path, weights: Path, **values: Any) -> ObjectDetector:
    return loaded(settings_of(cache, model_profile="tiny", **values), weights)


@lru_cache
def real(cache: Path, **values: Any) -> ObjectDetector:
    return loaded(settings_of(cache, yolo_size="n", **values), REAL)


@lru_cache
def predictor(weights: Path) -> Library:
    return Library(weights)


def blobs(*seen: tuple[Any, int, int], size: tuple[int, int] = (640, 480)) -> Frame:
    """What the tiny detector sees as a few things each: discs, by colour and centre."""
    image = Image.new("RGB", size, (128, 128, 128))
    draw = ImageDraw.Draw(image)
    for colour, x, y in seen:
        draw.ellipse((x - 62, y - 62, x + 62, y + 62), fill=colour)
    return Frame.of(image)


RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
FRAMES = [
    blobs((RED, 150, 155), (BLUE, 460, 300)),
    blobs((GREEN, 243, 400), size=(480, 640)),
    blobs(size=(1200, 300)),
    blobs((RED, 333, 330), size=(641, 643)),
]


class Library:
    """`YOLO.predict`, as anybody would call it."""

    def __init__(self, path: Path) -> None:
        self._yolo = library.YOLO(str(path))

    def __call__(self, frame: Frame, threshold: float = catalog.LEAST_SCORE) -> list[Found]:
        threads = torch.get_num_threads()
        try:
            [result] = self._yolo.predict(
                np.ascontiguousarray(frame.array()[..., ::-1]), conf=threshold, device="cpu", verbose=False
            )
        finally:
            torch.set_num_threads(threads)
        return [Found(tuple(row[:4]), row[4], int(row[5])) for row in result.boxes.data.tolist()]


def assert_within_a_pixel(found: Sequence[Found], expected: Sequence[Found]) -> None:
    assert len(found) == len(expected)
    for theirs in expected:
        same = [ours for ours in found if ours.number == theirs.number]
        ours = min(same, key=lambda one: np.abs(np.subtract(one.corners, theirs.corners)).max())
        assert np.abs(np.subtract(ours.corners, theirs.corners)).max() <= 1
        assert ours.score == pytest.approx(theirs.score, abs=0.001)


def assert_same_boxes(found: Sequence[Found], expected: Sequence[Found]) -> None:
    """Each has its counterpart with an IoU of at least 0.98."""
    assert len(found) == len(expected)
    for theirs in expected:
        same = [ours for ours in found if ours.number == theirs.number]
        assert max(overlap(ours, theirs) for ours in same) >= 0.98


# The library's own boxes


@pytest.fixture
def fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor without bf16, which would be used for these models."""
    monkeypatch.setattr(catalog, "has_bf16", lambda: False)


@pytest.mark.usefixtures("fp32")
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_finds_the_librarys_boxes(cache: Path, weights: Path, backend: str) -> None:
    model = tiny(cache, weights, model_backend=backend)
    assert (model.backend, model.precision) == (backend, "fp32")
    for frame in FRAMES:
        [things] = model.detect([frame])
        assert_within_a_pixel(in_pixels(things, frame), predictor(weights)(frame))


def test_things_have_the_name_and_place_of_what_was_drawn(cache: Path, weights: Path) -> None:
    [things, other, none, _] = tiny(cache, weights).detect(FRAMES)
    assert {thing.name for thing in things} == {"apple", "car"}
    assert {thing.name for thing in other} == {"potted plant"}
    assert none == ()
    apple = next(thing for thing in things if thing.name == "apple")
    assert (apple.box.x + apple.box.width / 2) * 640 == pytest.approx(150, abs=32)
    assert (apple.box.y + apple.box.height / 2) * 480 == pytest.approx(155, abs=32)
    assert CLASSES[apple.class_id] == "apple"
    assert all(0 <= side <= 1 for side in (apple.box.x, apple.box.y, apple.box.width, apple.box.height))


@pytest.mark.parametrize("backend", BACKENDS)
def test_frames_of_one_call_are_seen_each_for_itself(cache: Path, weights: Path, backend: str) -> None:
    model = tiny(cache, weights, model_backend=backend)
    frames = [FRAMES[0], FRAMES[1], FRAMES[0], blobs((GREEN, 320, 240)), FRAMES[2]]
    together = model.detect(frames)
    assert [bool(things) for things in together] == [True, True, True, True, False]
    for frame, things in zip(frames, together, strict=True):
        [alone] = model.detect([frame])
        assert_within_a_pixel(in_pixels(things, frame), in_pixels(alone, frame))
    assert list(model.detect([])) == []


@pytest.mark.parametrize("count", range(9))
def test_any_number_of_likely_places_is_read_alike(count: int) -> None:
    """Six of them look to the library's suppression like the answer of another kind of model."""
    scores = torch.full((80, 84), -20.0)
    for place in range(count):
        scores[place, 9 * place] = 5.0
    places = catalog.decode(torch.zeros(64, 84), scores, (64, 64), 0.5)
    suppression = importlib.import_module("ultralytics.utils.nms")
    [kept] = suppression.non_max_suppression(places, 0.5, 0.7, nc=80)
    assert sorted(kept[:, 5].tolist()) == list(range(count))


def test_the_threshold_of_what_is_sure_is_the_settings(cache: Path, weights: Path) -> None:
    frame = FRAMES[0]
    few = tiny(cache, weights, model_backend="torch", object_threshold=0.999999).detect([frame])[0]
    many = tiny(cache, weights, model_backend="torch", object_threshold=0.001).detect([frame])[0]
    assert len(few) < len(many)
    assert all(thing.score > catalog.LEAST_SCORE for thing in few)
    assert not any(thing.sure for thing in few)
    assert all(thing.score > 0.001 and thing.sure for thing in many)
    assert [thing.score for thing in many] == sorted((thing.score for thing in many), reverse=True)


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (33, 2000)])
def test_pictures_of_any_shape_are_looked_at(cache: Path, weights: Path, size: tuple[int, int]) -> None:
    assert len(tiny(cache, weights).detect([blobs(size=size)])) == 1


def test_torch_keeps_its_threads(cache: Path, weights: Path) -> None:
    torch.set_num_threads(2)
    tiny(cache, weights, model_backend="torch").detect(FRAMES[:1])
    assert torch.get_num_threads() == 2


@needs_testdata
@pytest.mark.usefixtures("fp32")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("photo", ["bus.jpg", "zidane.jpg"])
def test_real_weights_find_the_librarys_boxes(cache: Path, backend: str, photo: str) -> None:
    frame = Frame.of(open_picture((PHOTOS / photo).read_bytes()).upright())
    [things] = real(cache, model_backend=backend).detect([frame])
    assert_within_a_pixel(in_pixels(things, frame), predictor(REAL)(frame))


@needs_testdata
@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_bf16_finds_the_same_boxes(cache: Path, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if backend == "openvino" and not catalog.has_bf16():
        pytest.skip("OpenVINO has bf16 only on a processor that has it")
    monkeypatch.setattr(catalog, "has_bf16", lambda: True)
    model = loaded(settings_of(cache, yolo_size="n", model_backend=backend), REAL)
    assert (model.backend, model.precision) == (backend, "bf16")
    frame = Frame.of(open_picture((PHOTOS / "bus.jpg").read_bytes()).upright())
    [things] = model.detect([frame])
    assert_same_boxes(in_pixels(things, frame), predictor(REAL)(frame))


# What real weights find


@needs_testdata
def test_the_bus_and_its_people_are_found(cache: Path) -> None:
    frame = Frame.of(open_picture((PHOTOS / "bus.jpg").read_bytes()).upright())
    [things] = real(cache).detect([frame])
    names = [thing.name for thing in things]
    assert names.count("bus") == 1
    assert names.count("person") >= 3
    bus = next(thing.box for thing in things if thing.name == "bus")
    assert bus.width > 0.8


def test_average_precision_is_computed_as_it_should_be() -> None:
    def box(left: float, score: float) -> Found:
        return Found((left, 0, left + 10, 10), score, 0)

    there = [[box(0, 1), box(100, 1)]]
    assert average_precision([[box(0, 0.9), box(100, 0.8)]], there) == pytest.approx(1)
    assert average_precision([[]], there) == 0
    assert average_precision([[box(0, 0.9)]], there) == pytest.approx(51 / 101)
    # A miss ahead of both: half of what is found, then two thirds, is right, at every level.
    assert average_precision([[box(50, 0.9), box(0, 0.8), box(100, 0.7)]], there) == pytest.approx(2 / 3)
    # Found twice, the second time is wrong, and comes last.
    assert average_precision([[box(0, 0.9), box(100, 0.8), box(1, 0.7)]], there) == pytest.approx(1)


@needs_testdata
def test_on_pictures_of_coco_the_mean_average_precision_is_80_percent(cache: Path) -> None:
    photos = sorted((PHOTOS / "coco8/images/train").glob("*.jpg"))
    assert len(photos) == 4
    frames = [Frame.of(open_picture(photo.read_bytes()).upright()) for photo in photos]
    things = real(cache, object_threshold=0.001).detect(frames)
    found = [in_pixels(seen, frame) for seen, frame in zip(things, frames, strict=True)]
    labels = [PHOTOS / "coco8/labels/train" / f"{photo.stem}.txt" for photo in photos]
    expected = [truth(label, frame) for label, frame in zip(labels, frames, strict=True)]
    assert mean_average_precision(found, expected) >= 0.80


@needs_testdata
def test_things_all_along_a_strip_are_found_once_each(cache: Path) -> None:
    strip, boxes = scenes.strip_of([scenes.example("motorcycle_left.png"), scenes.example("coffee.png")])
    [things] = real(cache).detect([scenes.seen(strip, scenes.OBJECTS)])
    for name, box in zip(("motorcycle", "cup", "motorcycle", "cup"), boxes, strict=True):
        inside = [
            thing
            for thing in things
            if thing.name == name and thing.sure and thing.box.width > 0.05 and scenes.within(thing.box, box)
        ]
        assert len(inside) == 1, name


# Weights and graphs


@pytest.mark.parametrize("size", ["n", "s", "m", "l", "x"])
def test_each_size_is_a_pinned_release_under_its_copyleft(size: str) -> None:
    variant = SPEC.select(ModelSettings(_env_file=None, yolo_size=size))
    [file] = variant.files
    assert variant.version == f"yolov8-{size}"
    assert file.path == f"yolo/yolov8{size}.pt"
    assert file.sha256
    assert file.pickled
    assert (variant.licence.name, variant.licence.use) == ("AGPL-3.0", "copyleft")


def test_the_classes_are_those_of_coco() -> None:
    listed = library.utils.YAML.load(Path(library.__file__).parent / "cfg/datasets/coco.yaml")["names"]
    assert tuple(listed.values()) == CLASSES


class _Runs:
    def __reduce__(self) -> Any:
        return os.system, ("touch ran",)


def _checkpoint(folder: Path, kind: str) -> Path:
    path = folder / "yolov8n.pt"
    if kind == "code":
        torch.save({"model": _Runs()}, path)
    elif kind == "classes":
        model = library.nn.tasks.DetectionModel("yolov8n.yaml", nc=3, verbose=False)
        torch.save({"model": model}, path)
    elif kind == "segmentation":
        torch.save({"model": library.nn.tasks.SegmentationModel("yolov8n-seg.yaml", verbose=False)}, path)
    elif kind == "generation":
        model = library.nn.tasks.DetectionModel("yolov10n.yaml", nc=80, verbose=False)
        model.names = dict(enumerate(CLASSES))
        torch.save({"model": model}, path)
    else:
        path.write_bytes({"empty": b"", "html": b"<html>not found</html>", "zip": b"PK\x03\x04" * 999}[kind])
    return path


@pytest.mark.parametrize("kind", ["empty", "html", "zip", "code", "classes", "segmentation", "generation"])
def test_what_is_no_yolov8_is_bad_weights(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadWeights, match=r"yolov8n\.pt"):
        loaded(settings_of(tmp_path, yolo_size="n", model_backend="torch"), _checkpoint(tmp_path, kind))
    assert not (tmp_path / "ran").exists()


def test_a_cut_off_checkpoint_is_bad_weights(tmp_path: Path, weights: Path) -> None:
    path = tmp_path / "yolov8n.pt"
    path.write_bytes(weights.read_bytes()[:-5000])
    with pytest.raises(BadWeights):
        loaded(settings_of(tmp_path, yolo_size="n"), path)


def test_a_graph_is_made_once_for_all_backends(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copy(weights, tmp_path / "here.pt"))
    first = tiny(tmp_path, copy, model_backend="onnxruntime")
    tiny.cache_clear()
    monkeypatch.setattr(catalog, "write_onnx", _fail)
    again = tiny(tmp_path, copy, model_backend="onnxruntime")
    assert again.detect(FRAMES[:1]) == first.detect(FRAMES[:1])
    pytest.importorskip("openvino")
    assert tiny(tmp_path, copy, model_backend="openvino").backend == "openvino"
    assert len(list((tmp_path / FOLDER).iterdir())) == 1


def test_what_cannot_be_exported_runs_on_torch_unless_a_backend_was_asked_for(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "write_onnx", _fail)
    assert tiny(tmp_path, weights).backend == "torch"
    with pytest.raises(ModelFailed, match="cannot run on onnxruntime: no graph"):
        tiny(tmp_path, weights, model_backend="onnxruntime")
    assert list((tmp_path / FOLDER).iterdir()) == []


def _fail(*_: Any) -> None:
    raise NotExportable("no graph")


@pytest.mark.parametrize(
    ("device", "avx512", "bf16", "fastest"),
    [
        ("cpu", True, True, Way("openvino", "bf16")),
        ("cpu", True, False, Way("openvino", "fp32")),
        ("cpu", False, False, Way("onnxruntime", "fp32")),
        ("cuda", True, True, Way("torch", "fp16")),
        ("mps", False, False, Way("torch", "fp32")),
    ],
)
def test_the_fastest_way_depends_on_the_machine(
    monkeypatch: pytest.MonkeyPatch, device: Any, avx512: bool, bf16: bool, fastest: Way
) -> None:
    monkeypatch.setattr(catalog, "has_avx512", lambda: avx512)
    monkeypatch.setattr(catalog, "has_bf16", lambda: bf16)
    assert catalog._ways(device)[0] == fastest
