from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from models.backends.exports import FOLDER, NotExportable
from models.backends.ways import Way
from models.catalog import open_clip as catalog
from models.catalog.open_clip import SPEC
from models.catalog.open_clip import tags as openclip_tags
from models.catalog.open_clip.preparation import Preparation
from models.errors import BadWeights, ModelFailed
from models.frame import Frame
from models.machine.torch_cpu import make_torchvision_importable
from models.pictures.detail import is_strip
from models.settings import ModelSettings
from models.spec import Loading
from models.tasks import Embedder
from models.vectors import cosine
from scripts.make_openclip_tags.__main__ import TAGS, tags

torch = pytest.importorskip("torch")
make_torchvision_importable()
library = pytest.importorskip("open_clip")
safetensors = pytest.importorskip("safetensors.torch")
pytest.importorskip("onnxruntime")

BACKENDS = ("torch", "onnxruntime", "openvino")
TEXTS = ("a red circle", "", "Zwei Hunde am Strand!", "word " * 200)
SIZES = ((640, 480), (480, 640), (1200, 900), (224, 224), (299, 224), (90, 60), (7, 5), (1500, 12), (3, 800))


def settings_of(cache: Path, **values: Any) -> ModelSettings:
    return ModelSettings(_env_file=None, model_cache_dir=cache, model_threads=2, **values)


def loading_of(settings: ModelSettings) -> Loading:
    variant = SPEC.select(settings)
    files = {file.path: settings.model_cache_dir / file.path for file in variant.files}
    return Loading(variant=variant, files=files, device="cpu", threads=2, settings=settings)


def embedder(cache: Path, **values: Any) -> Embedder:
    if values.get("model_backend") == "openvino":
        pytest.importorskip("openvino")
    return SPEC.load(loading_of(settings_of(cache, **values)))


def tiny(cache: Path, **values: Any) -> Embedder:
    return embedder(cache, model_profile="tiny", **values)


@pytest.fixture(scope="module")
def cache(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny models, and room for what is exported from them."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "tiny").symlink_to(tiny_models / "tiny")
    return folder


def picture(width: int, height: int) -> Image.Image:
    """Colours that run across it, and edges."""
    across = Image.linear_gradient("L").resize((width, height))
    down = Image.linear_gradient("L").rotate(90).resize((width, height))
    image = Image.merge("RGB", (across, down, across.transpose(Image.Transpose.FLIP_LEFT_RIGHT)))
    draw = ImageDraw.Draw(image)
    draw.ellipse((width * 0.1, height * 0.2, width * 0.5, height * 0.8), fill="red")
    for x in range(0, width, 9):
        draw.line((x, 0, width - x, height), fill="white")
    return image


FRAMES = [Frame.of(picture(*size)) for size in SIZES]
WHOLE = [frame for frame in FRAMES if not is_strip(frame.width, frame.height)]
"""Those that are seen by one look, as the library would."""


def library_vectors(
    model: Any, transform: Any, tokenizer: Any, frames: Sequence[Frame] = WHOLE
) -> tuple[list[Any], list[Any]]:
    """Of `frames` and TEXTS, by the library's public pipeline."""
    model.eval()
    with torch.inference_mode():
        images = [
            model.encode_image(transform(frame.image())[None], normalize=True)[0].tolist() for frame in frames
        ]
        texts = model.encode_text(tokenizer(list(TEXTS)), normalize=True).tolist()
    return images, texts


def assert_alike(found: Sequence[Any], expected: Sequence[Any], least: float = 0.9999) -> None:
    assert len(found) == len(expected)
    assert min(cosine(ours, theirs) for ours, theirs in zip(found, expected, strict=True)) >= least


# The library's own vectors


@pytest.fixture(scope="module")
def expected(tiny_models: Path) -> tuple[list[Any], list[Any]]:
    name = f"local-dir:{tiny_models / 'tiny/openclip'}"
    model, _, transform = library.create_model_and_transforms(name)
    return library_vectors(model, transform, library.get_tokenizer(name))


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_gives_the_librarys_vectors(
    cache: Path, expected: tuple[list[Any], list[Any]], backend: str
) -> None:
    model = tiny(cache, model_backend=backend)
    assert (model.backend, model.precision, model.dimension) == (backend, "fp32", 512)
    assert_alike(model.embed_images(WHOLE), expected[0])
    assert_alike(model.embed_texts(TEXTS), expected[1])


def test_bf16_comes_only_when_asked_and_is_a_version_of_its_own(
    cache: Path, expected: tuple[list[Any], list[Any]]
) -> None:
    settings = settings_of(cache, model_profile="tiny", vector_precision="bf16")
    model = SPEC.load(loading_of(settings))
    assert SPEC.select(settings).version == "openclip-tiny+bf16"
    assert model.precision == "bf16"
    assert_alike(model.embed_images(WHOLE), expected[0], 0.999)
    assert_alike(model.embed_texts(TEXTS), expected[1], 0.999)
    assert tiny(cache).precision == "fp32"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_batch_gives_what_its_inputs_give_alone(cache: Path, backend: str) -> None:
    model = tiny(cache, model_backend=backend)
    eight = FRAMES[:8]
    assert_alike(model.embed_images(eight), [model.embed_images([frame])[0] for frame in eight], 0.99999)
    assert_alike(model.embed_texts(TEXTS), [model.embed_texts([text])[0] for text in TEXTS], 0.99999)


def test_vectors_are_of_unit_length_and_hold_floats(cache: Path) -> None:
    model = tiny(cache)
    for vector in (*model.embed_images(FRAMES[:2]), *model.embed_texts(TEXTS)):
        assert len(vector) == model.dimension
        assert cosine(vector, vector) == pytest.approx(1, abs=1e-5)
        assert all(type(number) is float for number in vector)


def test_nothing_asked_is_nothing_answered(cache: Path) -> None:
    model = tiny(cache)
    assert list(model.embed_images([])) == []
    assert list(model.embed_texts([])) == []


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("size", [224, [160, 256], [256, 160]])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_pictures_are_prepared_as_by_the_library(mode: str, size: Any, interpolation: str) -> None:
    config = library.transform.PreprocessCfg(
        size=tuple(size) if isinstance(size, list) else size,
        resize_mode=mode,
        interpolation=interpolation,
        fill_color=90,
    )
    transform = library.transform.image_transform_v2(config, is_train=False)
    preparation = Preparation.of(vars(config))
    assert Preparation.from_json(json.loads(json.dumps(preparation.as_json()))) == preparation
    frames = FRAMES[:-1]  # of the slimmest, Pillow's own cut-out and whole differ by a third of a row
    for frame, pixels in zip(frames, preparation.pixels(frames), strict=True):
        theirs = transform(frame.image())
        assert pixels.shape == theirs.shape
        levels = (pixels - theirs).abs() * torch.tensor(config.std).view(3, 1, 1) * 255
        if mode != "squash":  # there one side shrinks far more than the other: hard edges show it
            assert levels.max() <= 2.01
        assert levels.mean() < (1.0 if mode == "squash" else 0.2)


class _Towers:
    """An architecture of its own: its words see each other both ways, and another library cuts them up."""

    CONFIG = {
        "model_cfg": {
            "embed_dim": 48,
            "custom_text": True,
            "vision_cfg": {"image_size": 64, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
            "text_cfg": {
                "context_length": 12,
                "vocab_size": 64,
                "width": 32,
                "heads": 2,
                "layers": 1,
                "hf_tokenizer_name": "somebody/words",
                "no_causal_mask": True,
                "pool_type": "last",
                "proj_bias": True,
            },
        },
        "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"},
    }

    @classmethod
    def write(cls, folder: Path) -> None:
        tokenizers = pytest.importorskip("tokenizers")
        transformers = pytest.importorskip("transformers")
        folder.mkdir(parents=True)
        (folder / "open_clip_config.json").write_text(json.dumps(cls.CONFIG))
        words = {word: i for i, word in enumerate(("<pad>", "</s>", "<unk>", "a", "red", "circle", "word"))}
        tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
        transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
        ).save_pretrained(folder)
        torch.manual_seed(7)
        model = library.create_model(f"local-dir:{folder}", load_weights=False)
        safetensors.save_file(model.state_dict(), folder / "open_clip_model.safetensors")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_folder_brings_an_architecture_of_its_own(tmp_path: Path, backend: str) -> None:
    folder = tmp_path / "elsewhere" / "mine"
    _Towers.write(folder)
    name = f"local-dir:{folder}"
    model, _, transform = library.create_model_and_transforms(name)
    images, texts = library_vectors(model, transform, library.get_tokenizer(name))

    settings = settings_of(tmp_path / "cache", clip_pretrained=str(folder), model_backend=backend)
    variant = SPEC.select(settings)
    ours = embedder(tmp_path / "cache", clip_pretrained=str(folder), model_backend=backend)
    assert (variant.version, variant.dimension, ours.dimension) == ("openclip-mine", 48, 48)
    assert ours.backend == backend
    assert_alike(ours.embed_images(WHOLE), images)
    assert_alike(ours.embed_texts(TEXTS), texts)


@pytest.mark.slow
def test_openais_weights_get_the_activation_they_were_trained_with(tmp_path: Path) -> None:
    loading = loading_of(settings_of(tmp_path, clip_pretrained="openai"))
    (path,) = loading.files.values()
    path.parent.mkdir(parents=True)
    torch.manual_seed(7)
    model, _, transform = library.create_model_and_transforms("ViT-B-32-quickgelu")
    safetensors.save_file(model.state_dict(), path)
    frames = FRAMES[:2]
    images, texts = library_vectors(model, transform, library.get_tokenizer("ViT-B-32-quickgelu"), frames)
    del model
    for backend in ("torch", "onnxruntime"):
        ours = embedder(tmp_path, clip_pretrained="openai", model_backend=backend)
        assert_alike(ours.embed_images(frames), images)
        assert_alike(ours.embed_texts(TEXTS), texts)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_pe_core_is_fed_and_run_as_by_the_library(tmp_path: Path, backend: str) -> None:
    name = "PE-Core-S-16-384"
    values = {"clip_model": name, "clip_pretrained": "meta", "model_backend": backend}
    loading = loading_of(settings_of(tmp_path, **values))
    (path,) = loading.files.values()
    path.parent.mkdir(parents=True)
    torch.manual_seed(7)
    model = library.create_model(name)
    safetensors.save_file(model.state_dict(), path)
    config = {**library.get_pretrained_cfg(name, "meta"), "size": 384}
    fields = vars(library.transform.PreprocessCfg())
    as_published = library.transform.PreprocessCfg(**{key: config[key] for key in fields if key in config})
    assert (as_published.resize_mode, as_published.interpolation) == ("squash", "bilinear")
    transform = library.transform.image_transform_v2(as_published, is_train=False)
    frames = FRAMES[:2]
    images, texts = library_vectors(model, transform, library.get_tokenizer(name), frames)
    del model
    ours = embedder(tmp_path, **values)
    assert (ours.backend, ours.dimension) == (backend, 512)
    assert_alike(ours.embed_images(frames), images)
    assert_alike(ours.embed_texts(TEXTS), texts)


# Which model is meant


def test_the_default_is_a_pinned_file_without_pickles() -> None:
    variant = SPEC.select(settings_of(Path("nowhere")))
    assert (variant.version, variant.dimension) == ("openclip-ViT-B-32-laion2b_s34b_b79k", 512)
    [file] = variant.files
    assert file.path == "openclip/ViT-B-32/laion2b_s34b_b79k/open_clip_model.safetensors"
    assert file.sha256
    assert not file.pickled
    assert (variant.licence.name, variant.licence.use) == ("MIT", "free")


def test_the_default_of_before_is_what_it_was() -> None:
    variant = SPEC.select(settings_of(Path("nowhere"), clip_pretrained="openai"))
    assert (variant.version, variant.dimension) == ("openclip-ViT-B-32-openai", 512)
    [file] = variant.files
    assert file.path == "openclip/ViT-B-32/openai/open_clip_model.safetensors"
    assert file.sha256


def test_tags_are_what_the_script_writes() -> None:
    assert TAGS.read_text() == tags(), "run scripts/make-openclip-tags"


def test_tags_are_the_librarys_own() -> None:
    for model, tag in library.list_pretrained():
        theirs = library.get_pretrained_cfg(model, tag)
        ours = openclip_tags.published(model, tag)
        assert ours is not None
        repository, _, name = theirs["hf_hub"].rpartition("/")
        assert ours.file.url is not None
        assert f"/{repository}/resolve/" in ours.file.url
        assert ours.file.url.endswith(name)


def test_research_weights_say_so() -> None:
    variant = SPEC.select(
        settings_of(Path("nowhere"), clip_model="ViT-L-14", clip_pretrained="metaclip_400m")
    )
    assert variant.licence.use == "non_commercial"
    assert variant.dimension == 768


def test_a_foreign_vocabulary_is_among_the_files() -> None:
    variant = SPEC.select(settings_of(Path("nowhere"), clip_model="ViT-B-16-SigLIP", clip_pretrained="webli"))
    assert [file.path.rpartition("/")[2] for file in variant.files] == [
        "open_clip_model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


@pytest.mark.parametrize("path", ["mine.safetensors", "deep/mine.pt", "/elsewhere/mine.bin"])
def test_a_file_is_absolute_or_below_the_cache(path: str) -> None:
    variant = SPEC.select(settings_of(Path("nowhere"), clip_pretrained=path))
    assert variant.version == "openclip-ViT-B-32-mine"
    assert [file.path for file in variant.files] == [path]
    assert variant.dimension == 512


def test_to_choose_a_model_costs_no_import() -> None:
    code = (
        "import sys; from models.settings import ModelSettings; from models.catalog.open_clip import SPEC;"
        "print(SPEC.select(ModelSettings(_env_file=None)).version);"
        "print(sorted({'torch', 'open_clip', 'numpy', 'onnxruntime', 'openvino'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["openclip-ViT-B-32-laion2b_s34b_b79k", "[]"]


# What is not the model


def _small(folder: Path, **vision: Any) -> Path:
    """A tiny model in a folder of its own."""
    folder.mkdir(parents=True)
    config: dict[str, Any] = {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 64, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 1},
    }
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    model = library.create_model(f"local-dir:{folder}", load_weights=False)
    safetensors.save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    config["vision_cfg"].update(vision)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    return folder


@pytest.mark.parametrize("other", [{"width": 48}, {"layers": 2}, {"image_size": 96}, {"patch_size": 8}])
def test_weights_of_another_architecture_are_refused(tmp_path: Path, other: dict[str, int]) -> None:
    folder = _small(tmp_path / "small", **other)
    with pytest.raises(BadWeights, match="small"):
        embedder(tmp_path, clip_pretrained=str(folder), model_backend="torch")


def test_weights_for_another_name_are_refused(cache: Path) -> None:
    with pytest.raises(BadWeights, match="no weights of ViT-B-32"):
        embedder(cache, clip_pretrained="tiny/openclip/open_clip_model.safetensors", model_backend="torch")


def _runs_code() -> bytes:
    import io
    import os

    class Runs:
        def __reduce__(self) -> Any:
            return os.system, ("touch ran",)

    buffer = io.BytesIO()
    torch.save({"state_dict": Runs()}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>not found</html>", b"\x80" * 4000, _runs_code()],
    ids=["empty", "html", "junk", "code"],
)
@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_what_is_no_checkpoint_is_bad_weights(
    tmp_path: Path, content: bytes, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"bad.{suffix}").write_bytes(content)
    with pytest.raises(BadWeights, match="bad"):
        embedder(tmp_path, clip_model="ViT-S-32-alt", clip_pretrained=f"bad.{suffix}", model_backend="torch")
    assert not (tmp_path / "ran").exists()


def test_a_cut_off_checkpoint_is_bad_weights(tmp_path: Path) -> None:
    folder = _small(tmp_path / "small")
    file = folder / "open_clip_model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(BadWeights):
        embedder(tmp_path, clip_pretrained=str(folder))


# Exported graphs


def test_a_graph_is_made_once_for_all_backends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(_small(tmp_path / "small"))
    first = embedder(tmp_path, clip_pretrained=folder, model_backend="onnxruntime")
    monkeypatch.setattr(catalog, "write_graphs", _fail)
    again = embedder(tmp_path, clip_pretrained=folder, model_backend="onnxruntime")
    assert again.embed_texts(TEXTS) == first.embed_texts(TEXTS)
    assert len(list((tmp_path / FOLDER).iterdir())) == 1
    pytest.importorskip("openvino")
    assert embedder(tmp_path, clip_pretrained=folder, model_backend="openvino").backend == "openvino"


def test_export_makes_ahead_what_load_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(
        tmp_path, clip_pretrained=str(_small(tmp_path / "small")), model_backend="onnxruntime"
    )
    assert SPEC.export is not None
    assert SPEC.export(loading_of(settings), "onnxruntime").is_dir()
    monkeypatch.setattr(catalog, "write_graphs", _fail)
    assert SPEC.load(loading_of(settings)).backend == "onnxruntime"


def test_other_weights_have_another_graph(tmp_path: Path) -> None:
    one, other = _small(tmp_path / "one"), _small(tmp_path / "other")
    ours = [
        embedder(tmp_path, clip_pretrained=str(folder), model_backend="onnxruntime")
        for folder in (one, other)
    ]
    assert cosine(*(model.embed_texts(["a red circle"])[0] for model in ours)) < 0.9


def test_what_cannot_be_exported_runs_on_torch_unless_a_backend_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(_small(tmp_path / "small"))
    monkeypatch.setattr(catalog, "write_graphs", _fail)
    assert embedder(tmp_path, clip_pretrained=folder).backend == "torch"
    with pytest.raises(ModelFailed, match="cannot run on onnxruntime: no graph"):
        embedder(tmp_path, clip_pretrained=folder, model_backend="onnxruntime")
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_a_cache_that_cannot_be_written_runs_on_torch(tmp_path: Path) -> None:
    folder = str(_small(tmp_path / "small"))
    (tmp_path / FOLDER).write_text("in the way")
    assert embedder(tmp_path, clip_pretrained=folder).backend == "torch"


def _fail(*_: Any) -> None:
    raise NotExportable("no graph")


@pytest.mark.parametrize(
    ("avx512", "bf16", "precision", "fastest"),
    [
        (True, True, "fp32", Way("openvino", "fp32")),
        (False, False, "fp32", Way("onnxruntime", "fp32")),
        (True, True, "bf16", Way("openvino", "bf16")),
        (True, False, "bf16", Way("torch", "bf16")),
    ],
)
def test_the_fastest_way_depends_on_the_processor(
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    avx512: bool,
    bf16: bool,
    precision: str,
    fastest: Way,
) -> None:
    answers: dict[str, Callable[[], bool]] = {"has_avx512": lambda: avx512, "has_bf16": lambda: bf16}
    for name, answer in answers.items():
        monkeypatch.setattr(catalog, name, answer)
    loading = loading_of(settings_of(cache, model_profile="tiny", vector_precision=precision))
    assert catalog._ways(loading)[0] == fastest
    assert {way.precision for way in catalog._ways(loading)} == {precision}
