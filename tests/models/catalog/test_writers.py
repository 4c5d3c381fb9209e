"""BLIP-2 and LLaVA by us and by transformers: the same words; and files that are neither."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image, ImageDraw

from models.backends import captioning
from models.catalog import blip2, llava
from models.errors import BadWeights
from models.frame import Frame
from models.machine.torch_cpu import make_torchvision_importable
from models.settings import ModelSettings
from models.spec import Loading
from models.tasks import Captioner, CaptionRequest

torch = pytest.importorskip("torch")
make_torchvision_importable()
transformers = pytest.importorskip("transformers")

WRITERS = pytest.mark.parametrize("module", [blip2, llava], ids=["blip2", "llava"])
TOKENS = 6


def frame() -> Frame:
    image = Image.new("RGB", (64, 48), (120, 160, 90))
    ImageDraw.Draw(image).ellipse((10, 10, 40, 40), fill=(230, 60, 40))
    return Frame.of(image)


def loading_of(cache: Path, module: ModuleType, **values: Any) -> Loading:
    settings = ModelSettings(_env_file=None, model_profile="tiny", model_cache_dir=cache, **values)
    variant = module.SPEC.select(settings)
    files = {file.path: cache / file.path for file in variant.files}
    return Loading(variant=variant, files=files, device="cpu", threads=2, settings=settings)


def captioner(cache: Path, module: ModuleType, **values: Any) -> Captioner:
    model: Captioner = module.SPEC.load(loading_of(cache, module, **values))
    return model


@pytest.fixture(autouse=True)
def _few_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captioning, "MOST_TOKENS", dict.fromkeys(("brief", "medium", "detailed"), TOKENS))
    monkeypatch.setattr(captioning, "has_bf16", lambda: False)


@WRITERS
def test_the_words_are_the_librarys(tiny_models: Path, module: ModuleType) -> None:
    folder = tiny_models / "tiny" / module.SPEC.name
    processor = transformers.AutoProcessor.from_pretrained(folder)
    network = transformers.AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    words = {"text": module._TURN.format(module.PROMPTS["brief"])} if module is llava else {}
    inputs = processor(images=frame().image(), return_tensors="pt", **words)
    with torch.inference_mode():
        tokens = network.generate(**inputs, max_new_tokens=TOKENS, do_sample=False, num_beams=1)
    said = processor.batch_decode(tokens, skip_special_tokens=True)[0].partition("ASSISTANT:")
    expected = " ".join((said[2] if module is llava else said[0]).split())
    [caption] = captioner(tiny_models, module).describe([CaptionRequest(frame=frame(), level="brief")])
    assert (caption.text, caption.level, caption.cut_short) == (expected, "brief", False)


@WRITERS
def test_the_time_budget_ends_a_sentence(tiny_models: Path, module: ModuleType) -> None:
    model = captioner(tiny_models, module, caption_seconds=1e-6)
    [caption] = model.describe([CaptionRequest(frame=frame())])
    assert caption.cut_short


@WRITERS
@pytest.mark.parametrize("harm", ["kind", "gone", "cut"])
def test_what_is_another_model_is_refused(
    tiny_models: Path, tmp_path: Path, module: ModuleType, harm: str
) -> None:
    folder = tmp_path / "tiny" / module.SPEC.name
    shutil.copytree(tiny_models / "tiny" / module.SPEC.name, folder)
    config = json.loads((folder / "config.json").read_text())
    match harm:
        case "kind":
            shutil.copy(tiny_models / "tiny" / "florence2" / "config.json", folder)
        case "gone":
            config["text_config"]["num_hidden_layers"] += 1
            (folder / "config.json").write_text(json.dumps(config))
        case "cut":
            weights = folder / "model.safetensors"
            weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(BadWeights):
        captioner(tmp_path, module)


@WRITERS
def test_released_weights_are_pinned_and_hold_no_pickles(module: ModuleType) -> None:
    variant = module.SPEC.select(ModelSettings(_env_file=None))
    assert variant.licence.use == "non_commercial"
    shards = [file for file in variant.files if file.path.endswith(".safetensors")]
    assert len(shards) >= 2
    assert all(file.sha256 for file in shards)
    assert not any(file.pickled for file in variant.files)
    assert module.SPEC.profile == "named"
