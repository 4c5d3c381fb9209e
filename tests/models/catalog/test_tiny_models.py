"""The tiny models: the libraries' own loaders take them for real ones, and what they find is worth a test."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from models.catalog import discover
from models.machine.torch_cpu import make_torchvision_importable
from models.settings import ModelSettings
from models.weights.store import Weights
from tests.paths import ROOT

np = pytest.importorskip("numpy")


@pytest.fixture
def photo() -> Image.Image:
    picture = Image.new("RGB", (640, 480), (120, 160, 90))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((300, 60, 560, 300), fill=(30, 40, 200))
    draw.ellipse((60, 220, 240, 400), fill=(230, 60, 40))
    return picture


def faces(people: tuple[str, ...], scale: int = 1) -> Image.Image:
    """One magenta square per person, framed in the colour that is theirs."""
    picture = Image.new("RGB", (640 * scale, 640 * scale), (90, 140, 90))
    draw = ImageDraw.Draw(picture)
    for index, colour in enumerate(people):
        x, y = 120 + 200 * (index % 3), 120 + 200 * (index // 3)
        for half, fill in ((76, colour), (32, (255, 0, 255))):
            draw.rectangle(
                tuple(scale * edge for edge in (x - half, y - half, x + half, y + half)), fill=fill
            )
    return picture


def test_openclip_embeds_pictures_and_words_alike(tiny_models: Path, photo: Image.Image) -> None:
    make_torchvision_importable()
    import open_clip
    import torch

    name = f"local-dir:{tiny_models / 'tiny' / 'openclip'}"
    model, _, preprocess = open_clip.create_model_and_transforms(name)
    words = open_clip.get_tokenizer(name)(["a blue rectangle", "two words"])
    with torch.inference_mode():
        pictures = model.eval().encode_image(preprocess(photo)[None], normalize=True)
        sentences = model.encode_text(words, normalize=True)
    assert pictures.shape == (1, 512)
    assert sentences.shape == (2, 512)
    assert not torch.allclose(sentences[0], sentences[1])


def test_yolo_sees_strong_colours(tiny_models: Path, photo: Image.Image) -> None:
    make_torchvision_importable()
    from ultralytics import YOLO

    model = YOLO(tiny_models / "tiny" / "yolo" / "yolov8n-tiny.pt")
    (found,) = model.predict(photo, conf=0.5, device="cpu", verbose=False)
    assert {model.names[int(index)] for index in found.boxes.cls} == {"car", "apple"}
    assert 2 <= len(found.boxes) <= 100
    assert model.names[0] == "person"
    assert len(model.names) == 80


def test_easyocr_takes_a_picture_for_a_line(
    tiny_models: Path, photo: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_torchvision_importable()
    import hashlib

    from easyocr import Reader, config

    folder = tiny_models / "tiny" / "easyocr"
    for table, name in (
        (config.detection_models["craft"], "craft_mlt_25k.pth"),
        (config.recognition_models["gen2"]["english_g2"], "english_g2.pth"),
    ):
        monkeypatch.setitem(table, "md5sum", hashlib.md5((folder / name).read_bytes()).hexdigest())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = Reader(
            ["en"],
            gpu=False,
            quantize=False,
            verbose=False,
            download_enabled=False,
            model_storage_directory=str(folder),
            user_network_directory=str(folder),
        )
        found = reader.readtext(np.asarray(photo), canvas_size=320, workers=0)
    assert len(found) == 1
    assert isinstance(found[0][1], str)


def test_florence_says_something(tiny_models: Path, photo: Image.Image) -> None:
    make_torchvision_importable()
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    folder = tiny_models / "tiny" / "florence2"
    processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    model = AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    inputs = processor(text="<CAPTION>", images=photo, return_tensors="pt")
    with torch.inference_mode():
        tokens = model.eval().generate(**inputs, max_new_tokens=12, num_beams=1)
    said = processor.batch_decode(tokens, skip_special_tokens=False)[0]
    answer = processor.post_process_generation(said, task="<CAPTION>", image_size=photo.size)
    assert type(model).__name__ == "Florence2ForConditionalGeneration"
    assert isinstance(answer["<CAPTION>"], str)


def test_insightface_finds_people_and_tells_them_apart(tiny_models: Path) -> None:
    from insightface.app import FaceAnalysis

    root = tiny_models / "tiny" / "insightface"
    app = FaceAnalysis(name="buffalo_l", root=str(root), providers=["CPUExecutionProvider"])
    app.prepare(ctx_id=-1, det_size=(640, 640), det_thresh=0.5)

    def look(picture: Image.Image) -> dict[tuple[int, int], object]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = app.get(np.asarray(picture)[..., ::-1].copy())
        scale = picture.width / 640
        return {tuple(((f.bbox[:2] / scale + 40) // 150).astype(int)): f.normed_embedding for f in found}

    people = ("red", "blue", "yellow", "white", "black", "cyan", "green")
    first, doubled = look(faces(people)), look(faces(people, scale=2))
    assert len(first) == len(people)
    assert first.keys() == doubled.keys()
    for place, vector in first.items():
        assert vector @ doubled[place] > 0.95
        assert all(vector @ other < 0.85 for where, other in first.items() if where != place)


def test_making_them_again_changes_nothing(tiny_models: Path) -> None:
    models = [path for path in (tiny_models / "tiny").rglob("*.*") if not path.name.startswith(".")]
    before = {path: path.stat().st_mtime_ns for path in models}
    command = [sys.executable, "-m", "scripts.test_models", str(tiny_models)]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert made.stderr == ""
    assert before == {path: path.stat().st_mtime_ns for path in before}


@pytest.mark.slow
def test_two_makings_write_the_same_bytes(tiny_models: Path, tmp_path: Path) -> None:
    models = [part for name in ("yolo", "insightface") for part in ("--only", name)]
    command = [sys.executable, "-m", "scripts.test_models", str(tmp_path), *models]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    made = [path for path in (tmp_path / "tiny").rglob("*.*") if not path.name.startswith(".")]
    assert len(made) == 3
    for path in made:
        assert path.read_bytes() == (tiny_models / path.relative_to(tmp_path)).read_bytes()


def test_catalog_finds_all_its_tiny_files(tiny_models: Path) -> None:
    settings = ModelSettings(model_profile="tiny", model_cache_dir=tiny_models, model_downloads=False)
    for spec in discover():
        variant = spec.select(settings)
        assert Weights(settings).paths(variant).keys() == {file.path for file in variant.files}


def test_pickled_ones_are_vouched_for(tiny_models: Path) -> None:
    assert "yolov8n-tiny.pt" in json.loads((tiny_models / "trusted.json").read_text()).values()
