"""D-FINE by us and by transformers: the same things in the same places."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from models.backends.ways import Way
from models.catalog.d_fine import SPEC, DFine, objects_in, pixels_of
from models.coco import CLASSES
from models.errors import BadWeights
from models.frame import Frame
from models.looks import MOST_OBJECTS
from models.machine.torch_cpu import make_torchvision_importable
from models.settings import ModelSettings
from models.spec import Loading
from models.tasks import ObjectDetector

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
make_torchvision_importable()
transformers = pytest.importorskip("transformers")
pytest.importorskip("onnxruntime")

BACKENDS = ("torch", "onnxruntime", "openvino")


@pytest.fixture(scope="module")
def cache(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(tiny_models / "tiny" / "d_fine", folder / "tiny" / "d_fine")
    return folder


def loading_of(cache: Path, **values: Any) -> Loading:
    settings = ModelSettings(
        _env_file=None, model_profile="tiny", model_cache_dir=cache, model_threads=2, **values
    )
    variant = SPEC.select(settings)
    files = {file.path: cache / file.path for file in variant.files}
    return Loading(variant=variant, files=files, device="cpu", threads=2, settings=settings)


def detector(cache: Path, **values: Any) -> ObjectDetector:
    if values.get("model_backend") == "openvino":
        pytest.importorskip("openvino")
    return SPEC.load(loading_of(cache, **values))


def frame_of(width: int, height: int) -> Frame:
    image = Image.new("RGB", (width, height), (120, 160, 90))
    draw = ImageDraw.Draw(image)
    draw.rectangle((width * 0.4, height * 0.1, width * 0.9, height * 0.6), fill=(30, 40, 200))
    draw.ellipse((width * 0.1, height * 0.4, width * 0.4, height * 0.8), fill=(230, 60, 40))
    return Frame.of(image)


FRAMES = [frame_of(640, 480), frame_of(300, 600)]


@pytest.fixture(scope="module")
def expected(cache: Path) -> list[list[tuple[int, float, list[float]]]]:
    """Class, score and box of each thing in FRAMES, by the library's public pipeline."""
    processor = transformers.RTDetrImageProcessor(do_normalize=False, size={"height": 640, "width": 640})
    network = transformers.DFineForObjectDetection.from_pretrained(cache / "tiny" / "d_fine").eval()
    found = []
    for frame in FRAMES:
        inputs = processor(images=frame.image(), return_tensors="pt")
        with torch.inference_mode():
            outputs = network(**inputs)
        [said] = processor.post_process_object_detection(outputs, threshold=0.5)
        things = zip(*(said[key].tolist() for key in ("labels", "scores", "boxes")), strict=True)
        found.append(list(things))
    return found


def test_pictures_are_prepared_as_by_the_library() -> None:
    processor = transformers.RTDetrImageProcessor(do_normalize=False, size={"height": 640, "width": 640})
    for frame in FRAMES:
        theirs = processor(images=frame.image(), return_tensors="pt")["pixel_values"][0].numpy()
        ours = pixels_of(frame)
        assert ours.shape == theirs.shape
        assert abs(ours - theirs).max() <= 1.01 / 255  # its resize and Pillow's round a level apart


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_finds_what_the_library_finds(
    cache: Path, expected: list[list[tuple[int, float, list[float]]]], backend: str
) -> None:
    model = detector(cache, model_backend=backend)
    assert (model.backend, model.precision) == (backend, "fp32")
    for things, theirs in zip(model.detect(FRAMES), expected, strict=True):
        found = [thing for thing in things if thing.sure]
        assert len(theirs) >= 10
        likeliest = min(len(theirs), MOST_OBJECTS)
        assert abs(len(found) - likeliest) <= 2  # some are as good as sure of as the threshold asks
        assert [thing.score for thing in found] == sorted((thing.score for thing in found), reverse=True)
        for number, score, (left, top, right, bottom) in theirs[:5]:
            sides = np.clip([left, top, right, bottom], 0, 1)
            assert any(
                (thing.class_id, thing.name) == (number, CLASSES[number])
                and thing.score == pytest.approx(score, abs=0.02)
                and np.allclose(
                    (thing.box.x, thing.box.y, thing.box.x + thing.box.width, thing.box.y + thing.box.height),
                    sides,
                    atol=0.02,
                )
                for thing in found
            )


def test_a_batch_gives_what_its_pictures_give_alone(cache: Path) -> None:
    model = detector(cache, model_backend="torch")
    together = model.detect(FRAMES)
    for frame, found in zip(FRAMES, together, strict=True):
        [alone] = model.detect([frame])
        assert [thing.class_id for thing in alone[:5]] == [thing.class_id for thing in found[:5]]
    assert model.detect([]) == []


def test_a_strip_is_looked_at_in_parts_few_at_a_time() -> None:
    calls = []

    def network(pixels: Any) -> Any:
        calls.append(len(pixels))
        scores = np.full((len(pixels), 3, len(CLASSES)), -9.0, np.float32)
        scores[:, 0, 15] = 0.0  # 0.5: likely, and not sure
        return scores, np.full((len(pixels), 3, 4), 0.5, np.float32)

    model = DFine(network, Way("torch", "fp32"), (0.25, 0.6), at_once=4)
    [things] = model.detect([frame_of(2700, 300)])
    assert calls[0] == 1
    assert max(calls[1:]) == 4
    assert sum(calls[1:]) >= 9
    assert len(things) > 5  # the middle of each part, whichever
    assert not any(thing.sure for thing in things)


def test_a_place_may_hold_two_classes_and_boxes_end_at_the_picture() -> None:
    scores = np.full((3, len(CLASSES)), -9.0, np.float32)
    scores[1, 16], scores[1, 15], scores[2, 0] = 3.0, 1.0, 2.0
    boxes = np.array([[0, 0, 0, 0], [0.5, 0.5, 0.2, 0.4], [0.9, 0.1, 0.4, 0.4]], np.float32)
    found = objects_in(scores, boxes, 0.5)
    assert [thing.name for thing in found] == ["dog", "person", "cat"]
    corner = found[1].box
    assert (corner.x, corner.y, corner.width, corner.height) == pytest.approx((0.7, 0, 0.3, 0.3), abs=1e-6)
    assert objects_in(scores, boxes, 0.96) == ()


def test_the_released_weights_are_pinned_and_free() -> None:
    variant = SPEC.select(ModelSettings(_env_file=None))
    assert (variant.version, variant.licence.name, variant.licence.use) == (
        "d-fine-small",
        "Apache-2.0",
        "free",
    )
    weights = next(file for file in variant.files if file.path.endswith(".safetensors"))
    assert weights.sha256
    assert not any(file.pickled for file in variant.files)


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
@pytest.mark.parametrize("harm", ["cut", "classes", "kind", "gone"])
def test_what_is_no_d_fine_is_refused(cache: Path, tmp_path: Path, harm: str, backend: str) -> None:
    folder = tmp_path / "tiny" / "d_fine"
    shutil.copytree(cache / "tiny" / "d_fine", folder)
    config = json.loads((folder / "config.json").read_text())
    match harm:
        case "cut":
            weights = folder / "model.safetensors"
            weights.write_bytes(weights.read_bytes()[:1000])
        case "classes":
            config["id2label"] = {number: f"thing {number}" for number in range(80)}
            config["label2id"] = {name: number for number, name in config["id2label"].items()}
        case "kind":
            config = {"model_type": "detr"}
        case "gone":
            config["decoder_layers"] += 1
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadWeights):
        detector(tmp_path, model_backend=backend)


@pytest.mark.parametrize("name", ["sofa", "aeroplane"])
def test_another_spelling_of_a_class_is_the_same_class(cache: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "tiny" / "d_fine"
    shutil.copytree(cache / "tiny" / "d_fine", folder)
    config = json.loads((folder / "config.json").read_text())
    ours = {"sofa": "couch", "aeroplane": "airplane"}[name]
    number = config["label2id"].pop(ours)
    config["id2label"][str(number)], config["label2id"][name] = name, number
    (folder / "config.json").write_text(json.dumps(config))
    names = {
        thing.name
        for thing in detector(tmp_path, model_backend="torch", object_threshold=0.01).detect(FRAMES)[0]
    }
    assert names <= set(CLASSES)
