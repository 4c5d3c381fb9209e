"""Florence-2: the library's own tokens, and an end to every answer. The tiny weights say nothing sensible."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from models.catalog.florence2 import MOST_TOKENS, PROMPTS, SPEC, Florence2
from models.errors import BadWeights
from models.frame import Frame
from models.results import Level
from models.settings import ModelSettings
from models.spec import Loading
from models.tasks import Captioner, CaptionRequest
from models.torch_cpu import make_torchvision_importable

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.slow


def frame(width: int = 200, height: int = 150) -> Frame:
    image = Image.new("RGB", (width, height), "navy")
    ImageDraw.Draw(image).ellipse((30, 30, 120, 110), fill="gold")
    return Frame.of(image)


def loaded(cache: Path, **settings: Any) -> Captioner:
    chosen = ModelSettings(
        _env_file=None, kizu_profile="tiny", model_cache_dir=cache, model_downloads=False, **settings
    )
    variant = SPEC.select(chosen)
    files = {file.path: cache / file.path for file in variant.files}
    return SPEC.load(Loading(variant=variant, files=files, device="cpu", threads=2, settings=chosen))


@pytest.fixture(scope="module")
def captioner(tiny_models: Path) -> Captioner:
    return loaded(tiny_models)


@pytest.mark.parametrize(("level", "beams"), [*((level, 1) for level in PROMPTS), ("medium", 3)])
def test_tokens_and_text_are_the_librarys_own(tiny_models: Path, level: Level, beams: int) -> None:
    make_torchvision_importable()
    model = loaded(tiny_models, caption_beams=beams)
    assert isinstance(model, Florence2)
    folder = tiny_models / "tiny" / "florence2"
    processor = transformers.AutoProcessor.from_pretrained(folder, local_files_only=True)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[model.precision]
    network = transformers.AutoModelForImageTextToText.from_pretrained(
        folder, local_files_only=True, dtype=dtype
    ).eval()
    picture, prompt = frame(), PROMPTS[level]
    inputs = processor(text=prompt, images=picture.image(), return_tensors="pt").to("cpu", dtype)
    with torch.inference_mode():
        expected = network.generate(
            **inputs, max_new_tokens=MOST_TOKENS, num_beams=beams, early_stopping=beams > 1, do_sample=False
        )
    text = processor.batch_decode(expected, skip_special_tokens=False)[0]
    parsed = processor.post_process_generation(text, task=prompt, image_size=(200, 150))[prompt]

    request = CaptionRequest(frame=picture, level=level)
    tokens, cut_short = model.answer([request], [prompt], deadline=float("inf"))
    assert tokens.tolist() == expected.tolist()
    assert not cut_short
    [caption] = model.describe([request])
    assert (caption.text, caption.level, caption.cut_short) == (parsed.strip(), level, False)


def test_several_pictures_are_described_in_order(captioner: Captioner) -> None:
    one, other = CaptionRequest(frame=frame()), CaptionRequest(frame=frame(150, 220))
    together = [caption.text for caption in captioner.describe([one, other, one])]
    assert together[0] == together[2]
    assert len(together) == 3


def test_the_time_budget_ends_an_answer(tiny_models: Path) -> None:
    [caption] = loaded(tiny_models, caption_seconds=1e-6).describe([CaptionRequest(frame=frame())])
    assert caption.cut_short
    [whole] = loaded(tiny_models).describe([CaptionRequest(frame=frame())])
    assert whole.text.startswith(caption.text)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_damaged_files_are_bad_weights(tiny_models: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(tiny_models / "tiny" / "florence2", tmp_path / "tiny" / "florence2")
    (tmp_path / "tiny" / "florence2" / name).write_bytes(b"{}")
    with pytest.raises(BadWeights):
        loaded(tmp_path)


def test_each_size_has_its_version_and_files() -> None:
    for size in ("base", "large"):
        variant = SPEC.select(ModelSettings(_env_file=None, caption_model=size))
        assert variant.version == f"florence-2-{size}"
        assert all(file.url and f"Florence-2-{size}/" in file.url for file in variant.files)
        assert not any(file.pickled for file in variant.files)
