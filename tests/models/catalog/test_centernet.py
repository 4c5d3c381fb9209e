from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from models.backends.exports import FOLDER
from models.catalog.centernet import LEAST_SCORE, SPEC, SURE_SCORE
from models.errors import BadWeights, ModelFailed
from models.frame import Frame
from models.pictures.picture import open_picture
from models.settings import ModelSettings
from models.spec import Loading
from models.tasks import ObjectDetector
from tests.models.catalog import scenes
from tests.models.catalog.detections import in_pixels, mean_average_precision, overlap, truth
from tests.models.catalog.packaged import packaged
from tests.paths import TESTDATA

np = pytest.importorskip("numpy")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("cv2")

PHOTOS = TESTDATA / "photos" / "objects"


def settings_of(cache: Path, **values: Any) -> ModelSettings:
    return ModelSettings(_env_file=None, model_cache_dir=cache, model_threads=2, **values)


def loaded(cache: Path, files: dict[str, Path], **values: Any) -> ObjectDetector:
    if values.get("model_backend") == "openvino":
        pytest.importorskip("openvino")
    settings = settings_of(cache, **values)
    variant = SPEC.select(settings)
    return SPEC.load(Loading(variant=variant, files=files, device="cpu", threads=2, settings=settings))


@pytest.fixture
def tiny_files(tiny_models: Path) -> dict[str, Path]:
    variant = SPEC.select(settings_of(tiny_models, model_profile="tiny"))
    return {file.path: tiny_models / file.path for file in variant.files}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> ObjectDetector:
    return loaded(tmp_path_factory.mktemp("models"), packaged(SPEC))


def seen(name: str) -> Frame:
    return Frame.of(open_picture((PHOTOS / name).read_bytes()).upright())


def test_the_variant_is_free_and_pinned() -> None:
    variant = SPEC.select(settings_of(Path("nowhere")))
    assert variant.licence.use == "free"
    assert variant.least_score == LEAST_SCORE < SURE_SCORE == variant.sure_score
    assert {file.url for file in variant.files} == {"npm:@vladmandic/human@3.3.6"}
    assert all(file.sha256 and file.size and file.archive_sha256 for file in variant.files)


def test_torch_is_neither_needed_nor_waited_for() -> None:
    assert "torch" not in SPEC.select(settings_of(Path("nowhere"))).packages


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_backends_see_the_same(tiny_files: dict[str, Path], tmp_path: Path, backend: str) -> None:
    everything = {"model_profile": "tiny", "object_threshold": 0.001}
    frames = [Frame.of(Image.effect_noise(size, 90).convert("RGB")) for size in ((640, 480), (300, 500))]
    model = loaded(tmp_path, tiny_files, model_backend=backend, **everything)
    assert (model.backend, model.precision) == (backend, "fp32")
    reference = loaded(tmp_path, tiny_files, model_backend="onnxruntime", **everything)
    for frame, things in zip(frames, model.detect(frames), strict=True):
        [expected] = reference.detect([frame])
        assert len(things) == len(expected) > 0
        for theirs in in_pixels(expected, frame)[:20]:
            same = [ours for ours in in_pixels(things, frame) if ours.number == theirs.number]
            assert max(overlap(ours, theirs) for ours in same) > 0.9
    assert list(model.detect([])) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (33, 2000)])
def test_pictures_of_any_shape_are_looked_at(
    tiny_files: dict[str, Path], tmp_path: Path, size: tuple[int, int]
) -> None:
    model = loaded(tmp_path, tiny_files, model_profile="tiny")
    assert model.detect([Frame.of(Image.new("RGB", size, "gray"))]) == [()]


def test_the_models_own_threshold_holds_unless_a_setting_says(
    tiny_files: dict[str, Path], tmp_path: Path
) -> None:
    frame = Frame.of(Image.effect_noise((640, 480), 90).convert("RGB"))
    assert loaded(tmp_path, tiny_files, model_profile="tiny").detect([frame]) == [()]
    [many] = loaded(tmp_path, tiny_files, model_profile="tiny", object_threshold=0.001).detect([frame])
    assert many
    assert all(0.001 < thing.score < LEAST_SCORE for thing in many)


def test_the_graph_is_made_once(tiny_files: dict[str, Path], tmp_path: Path) -> None:
    for _ in range(2):
        loaded(tmp_path, tiny_files, model_profile="tiny")
    [folder] = (tmp_path / FOLDER).iterdir()
    [path] = folder.iterdir()
    assert path.name == "centernet.onnx"
    made = path.stat().st_mtime_ns
    loaded(tmp_path, tiny_files, model_profile="tiny")
    assert path.stat().st_mtime_ns == made


def test_damaged_weights_are_refused(tiny_files: dict[str, Path], tmp_path: Path) -> None:
    broken = {}
    for name, path in tiny_files.items():
        broken[name] = tmp_path / path.name
        shutil.copy(path, broken[name])
    (tmp_path / "centernet.bin").write_bytes(b"half of it")
    with pytest.raises(BadWeights, match=r"centernet.bin has 10 bytes"):
        loaded(tmp_path, broken, model_profile="tiny")


def test_a_cache_that_cannot_be_written_is_said(tiny_files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("in the way")
    with pytest.raises(ModelFailed, match="cannot be turned into a graph"):
        loaded(tmp_path, tiny_files, model_profile="tiny")


def test_the_bus_and_its_people_are_found(real: ObjectDetector) -> None:
    [things] = real.detect([seen("bus.jpg")])
    names = [thing.name for thing in things]
    assert names.count("bus") == 1
    assert names.count("person") >= 3


def test_objects_of_coco_are_found_well(real: ObjectDetector, tmp_path: Path) -> None:
    model = loaded(tmp_path, packaged(SPEC), object_threshold=0.01)
    photos = sorted((PHOTOS / "coco8/images/train").glob("*.jpg"))
    frames = [seen(f"coco8/images/train/{photo.name}") for photo in photos]
    there = [
        truth(PHOTOS / f"coco8/labels/train/{photo.stem}.txt", frame)
        for photo, frame in zip(photos, frames, strict=True)
    ]
    found = [in_pixels(things, frame) for things, frame in zip(model.detect(frames), frames, strict=True)]
    assert mean_average_precision(found, there) >= 0.74


def test_things_all_along_a_strip_are_found_once_each(real: ObjectDetector) -> None:
    strip, boxes = scenes.strip_of([scenes.example("motorcycle_left.png"), scenes.example("coffee.png")])
    [things] = real.detect([scenes.seen(strip, scenes.OBJECTS)])
    for name, box in zip(("motorcycle", "cup", "motorcycle", "cup"), boxes, strict=True):
        inside = [
            thing
            for thing in things
            if thing.name == name and thing.sure and thing.box.width > 0.05 and scenes.within(thing.box, box)
        ]
        assert len(inside) == 1, name
