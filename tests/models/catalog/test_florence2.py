"""Florence-2: the library's own tokens, and an end to every answer. The tiny weights say nothing sensible."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from models.backends.ways import Way
from models.catalog import florence2 as catalog
from models.catalog.florence2 import MOST_TOKENS, PROMPTS, SPEC, Florence2
from models.errors import BadWeights
from models.frame import Frame
from models.machine.torch_cpu import make_torchvision_importable
from models.results import Level
from models.settings import ModelSettings
from models.spec import Loading
from models.tasks import Captioner, CaptionRequest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.slow


def frame(width: int = 200, height: int = 150) -> Frame:
    image = Image.new("RGB", (width, height), "navy")
    ImageDraw.Draw(image).ellipse((30, 30, 120, 110), fill="gold")
    return Frame.of(image)


def loaded(cache: Path, **settings: Any) -> Captioner:
    chosen = ModelSettings(
        _env_file=None, model_profile="tiny", model_cache_dir=cache, model_downloads=False, **settings
    )
    variant = SPEC.select(chosen)
    files = {file.path: cache / file.path for file in variant.files}
    return SPEC.load(Loading(variant=variant, files=files, device="cpu", threads=2, settings=chosen))


@pytest.fixture(scope="module")
def cache(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny models, and room for what is exported from them."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "tiny").symlink_to(tiny_models / "tiny")
    return folder


@pytest.fixture(scope="module")
def captioner(cache: Path) -> Captioner:
    return loaded(cache)


@pytest.mark.parametrize(
    ("backend", "level", "beams"),
    [
        *(("torch", level, 1) for level in PROMPTS),
        ("torch", "medium", 3),
        ("onnxruntime", "medium", 1),
        ("openvino", "detailed", 1),
    ],
)
def test_tokens_and_text_are_the_librarys_own(
    tiny_models: Path, cache: Path, backend: str, level: Level, beams: int
) -> None:
    pytest.importorskip(backend)
    make_torchvision_importable()
    model = loaded(cache, model_backend=backend, caption_beams=beams)
    assert model.backend == backend
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


def test_a_sentence_has_letters_and_ends(captioner: Captioner) -> None:
    [caption] = captioner.describe([CaptionRequest(frame=frame())])
    assert caption.text.isascii()
    assert caption.text.isalpha()
    assert len(caption.text) < MOST_TOKENS / 2


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_weights_stored_in_fp32_answer_alike(
    tiny_models: Path, tmp_path: Path, cache: Path, backend: str
) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(tiny_models / "tiny" / "florence2", tmp_path / "tiny" / "florence2")
    path = tmp_path / "tiny/florence2/model.safetensors"
    weights = {name: tensor.float() for name, tensor in load_file(path).items()}
    path.unlink()
    save_file(weights, path, metadata={"format": "pt"})
    asked = [CaptionRequest(frame=frame(), level=level) for level in PROMPTS]
    narrow, wide = (loaded(folder, model_backend=backend).describe(asked) for folder in (cache, tmp_path))
    assert [caption.text for caption in narrow] == [caption.text for caption in wide]


def test_weights_mapped_by_openvino_are_let_go_once_it_has_its_own(cache: Path) -> None:
    pytest.importorskip("openvino")
    maps = Path("/proc/self/smaps")
    if not maps.exists():
        pytest.skip("no list of mappings")
    model = loaded(cache, model_backend="openvino")
    [caption] = model.describe([CaptionRequest(frame=frame())])
    assert caption.text
    mapped = maps.read_text().split("tower.bin\n")[1:]
    sizes = [int(re.findall(r"^Size: +(\d+)", one, re.MULTILINE)[0]) for one in mapped]
    resident = [int(re.findall(r"^Rss: +(\d+)", one, re.MULTILINE)[0]) for one in mapped]
    assert mapped
    assert resident[-1] < sizes[-1] / 2


def test_several_pictures_are_described_in_order(captioner: Captioner) -> None:
    one, other = CaptionRequest(frame=frame()), CaptionRequest(frame=frame(150, 220))
    together = [caption.text for caption in captioner.describe([one, other, one])]
    assert together[0] == together[2]
    assert len(together) == 3


def test_levels_of_one_call_are_answered_each_for_itself(captioner: Captioner) -> None:
    levels: list[Level] = ["brief", "detailed", "brief", "medium"]
    requests = [CaptionRequest(frame=frame(), level=level) for level in levels]
    together = captioner.describe(requests)
    assert [caption.level for caption in together] == levels
    for request, caption in zip(requests, together, strict=True):
        assert captioner.describe([request])[0].text == caption.text
    assert list(captioner.describe([])) == []


def test_the_time_budget_ends_an_answer(cache: Path, captioner: Captioner) -> None:
    [caption] = loaded(cache, caption_seconds=1e-6).describe([CaptionRequest(frame=frame())])
    assert caption.cut_short
    [whole] = captioner.describe([CaptionRequest(frame=frame())])
    assert not whole.cut_short
    assert whole.text.startswith(caption.text)


def test_an_answer_that_had_come_to_its_end_is_not_cut_short(
    captioner: Captioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(captioner, Florence2)
    requests = [CaptionRequest(frame=frame()), CaptionRequest(frame=frame())]
    end = captioner._network.generation_config.eos_token_id
    rows = torch.tensor([[end, 0, 9, end], [end, 0, 9, 9]])
    monkeypatch.setattr(captioner, "answer", lambda *_, **__: (rows, True))
    assert [caption.cut_short for caption in captioner.describe(requests)] == [False, True]


def test_a_shorter_answer_is_not_filled_up(captioner: Captioner, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(captioner, Florence2)
    letter = captioner._processor.tokenizer.convert_tokens_to_ids("a")
    end, pad = (getattr(captioner._network.generation_config, f"{name}_token_id") for name in ("eos", "pad"))
    rows = torch.tensor([[end, 0, letter, end, pad], [end, 0, letter, letter, end]])
    monkeypatch.setattr(captioner, "answer", lambda *_, **__: (rows, False))
    requests = [CaptionRequest(frame=frame()), CaptionRequest(frame=frame())]
    assert [caption.text for caption in captioner.describe(requests)] == ["a", "aa"]


def test_weights_that_are_no_file_are_bad(tiny_models: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_models / "tiny" / "florence2", tmp_path / "tiny" / "florence2")
    path = tmp_path / "tiny/florence2/model.safetensors"
    path.unlink()
    path.mkdir()
    with pytest.raises(BadWeights):
        loaded(tmp_path, model_backend="torch")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_damaged_files_are_bad_weights(tiny_models: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(tiny_models / "tiny" / "florence2", tmp_path / "tiny" / "florence2")
    (tmp_path / "tiny" / "florence2" / name).write_bytes(b"{}")
    with pytest.raises(BadWeights):
        loaded(tmp_path)


@pytest.mark.parametrize(
    "lost", ["model.vision_tower.convs.0.conv.weight", "model.language_model.shared.weight"]
)
def test_weights_that_lack_some_are_bad(tiny_models: Path, tmp_path: Path, lost: str) -> None:
    """The library would make up the rest at random."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(tiny_models / "tiny" / "florence2", tmp_path / "tiny" / "florence2")
    path = tmp_path / "tiny/florence2/model.safetensors"
    weights = load_file(path)
    del weights[lost]
    path.unlink()
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(BadWeights, match="lacks"):
        loaded(tmp_path, model_backend="torch")


@pytest.mark.parametrize(
    ("device", "bf16", "fastest"),
    [
        ("cpu", True, Way("torch", "bf16")),
        ("cpu", False, Way("openvino", "fp32")),
        ("cuda", True, Way("torch", "fp16")),
        ("mps", False, Way("torch", "fp32")),
    ],
)
def test_the_fastest_way_depends_on_the_machine(
    monkeypatch: pytest.MonkeyPatch, device: Any, bf16: bool, fastest: Way
) -> None:
    monkeypatch.setattr(catalog, "has_bf16", lambda: bf16)
    assert catalog._ways(device)[0] == fastest
