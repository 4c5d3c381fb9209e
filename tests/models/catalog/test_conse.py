"""ConSE as a whole: seeded weights in the packages' formats, and the real ones where they can be had."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from models.backends.exports import FOLDER
from models.backends.ways import Way
from models.catalog import conse as catalog
from models.catalog.conse import SPEC
from models.errors import BadWeights, WeightsMissing
from models.frame import Frame
from models.pictures.picture import open_picture
from models.settings import ModelSettings
from models.spec import Device, Loading
from models.tasks import Embedder
from models.vectors import cosine
from models.weights.store import Weights
from tests.models.catalog import scenes
from tests.paths import ROOT, TESTDATA

for package in ("numpy", "onnx", "onnxruntime", "safetensors", "tokenizers", "torch"):
    pytest.importorskip(package)

TEXTS = ("a red circle", "", "Zwei Hunde am Strand!", "word " * 500, "a blue circle")
SIZES = ((640, 480), (480, 640), (260, 260), (7, 5), (1500, 12), (1, 800))


def settings_of(cache: Path, **values: Any) -> ModelSettings:
    return ModelSettings(
        **{"_env_file": None, "model_cache_dir": cache, "model_threads": 2, "model_profile": "tiny", **values}
    )


def loading_of(settings: ModelSettings, device: Device = "cpu") -> Loading:
    variant = SPEC.select(settings)
    files = {file.path: settings.model_cache_dir / file.path for file in variant.files}
    return Loading(variant=variant, files=files, device=device, threads=2, settings=settings)


def embedder(cache: Path, **values: Any) -> Embedder:
    return SPEC.load(loading_of(settings_of(cache, **values)))


@pytest.fixture(scope="module")
def cache(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny models, and room for the graphs."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "tiny").symlink_to(tiny_models / "tiny")
    return folder


@pytest.fixture(scope="module")
def model(cache: Path) -> Embedder:
    return embedder(cache)


def picture(width: int, height: int) -> Image.Image:
    across = Image.linear_gradient("L").resize((width, height))
    down = Image.linear_gradient("L").rotate(90).resize((width, height))
    return Image.merge("RGB", (across, down, across.transpose(Image.Transpose.FLIP_LEFT_RIGHT)))


FRAMES = [Frame.of(picture(*size)) for size in SIZES]


def assert_alike(found: Sequence[Any], expected: Sequence[Any], least: float = 0.99999) -> None:
    assert len(found) == len(expected)
    assert min(cosine(ours, theirs) for ours, theirs in zip(found, expected, strict=True)) >= least


def test_vectors_are_of_one_length_and_tell_inputs_apart(model: Embedder) -> None:
    assert (model.backend, model.precision, model.dimension) == ("onnxruntime", "fp32", 384)
    for vectors in (model.embed_images(FRAMES), model.embed_texts(TEXTS)):
        assert {len(vector) for vector in vectors} == {384}
        assert all(abs(cosine(vector, vector) - 1) < 1e-6 for vector in vectors)
        assert len(set(vectors)) == len(vectors)
    assert list(model.embed_images([])) == list(model.embed_texts([])) == []


def test_company_changes_nothing(model: Embedder) -> None:
    assert_alike(model.embed_images(FRAMES), [model.embed_images([frame])[0] for frame in FRAMES])
    assert_alike(model.embed_texts(TEXTS), [model.embed_texts([text])[0] for text in TEXTS])


def test_picture_is_cut_a_little_and_pressed_a_little() -> None:
    stripes = Image.new("RGB", (400, 100), "blue")
    stripes.paste("red", (100, 0, 300, 100))  # the middle half of a picture of 4 to 1
    assert {catalog._squared(Frame.of(stripes)).getpixel((x, 130)) for x in (3, 130, 256)} == {(255, 0, 0)}
    square = Image.new("RGB", (100, 100), "red")
    square.paste("blue", (0, 0, 100, 10))
    assert catalog._squared(Frame.of(square)).getpixel((130, 10)) == (0, 0, 255)
    [pixels] = catalog._pixels([Frame.of(Image.new("RGB", (9, 5), (0, 255, 51)))])
    assert pixels.shape == (3, 260, 260)
    assert [round(float(channel.mean()), 6) for channel in pixels] == [-1, 1, -0.6]


def test_long_sentence_is_cut_and_not_padded(model: Embedder) -> None:
    cut, longer = model.embed_texts(["word " * 500, "word " * 600])
    assert cut == longer
    short, padded = model.embed_texts(["word", "word [PAD]"])
    assert cosine(short, padded) < 0.9999


def test_openvino_finds_the_same(cache: Path, model: Embedder) -> None:
    pytest.importorskip("openvino")
    ours = embedder(cache, model_backend="openvino")
    assert ours.backend == "openvino"
    assert_alike(ours.embed_images(FRAMES), model.embed_images(FRAMES))
    assert_alike(ours.embed_texts(TEXTS), model.embed_texts(TEXTS))


@pytest.mark.parametrize(
    ("device", "precision", "bf16", "first"),
    [
        ("cpu", "fp32", True, Way("onnxruntime", "fp32")),
        ("cpu", "bf16", True, Way("openvino", "bf16")),
        ("cpu", "bf16", False, Way("onnxruntime", "fp32")),
        ("cuda", "bf16", True, Way("onnxruntime", "fp32")),
    ],
)
def test_best_way_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: Device, precision: Any, bf16: bool, first: Way
) -> None:
    monkeypatch.setattr(catalog, "has_bf16", lambda: bf16)
    ways = catalog._ways(loading_of(settings_of(tmp_path, vector_precision=precision), device))
    assert ways[0] == first
    assert all(way.backend != "torch" for way in ways)


def test_graphs_are_made_once_and_need_the_weights_no_more(
    cache: Path, model: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = list((cache / FOLDER).iterdir())
    assert len(folders) == 1
    assert sorted(path.name for path in folders[0].iterdir()) == [
        "classes.npy",
        "pictures.onnx",
        "sentences.onnx",
    ]
    monkeypatch.setattr(catalog, "write_classifier", lambda *_: pytest.fail("it was written again"))
    assert embedder(cache).embed_images(FRAMES) == model.embed_images(FRAMES)


def test_neither_torch_nor_transformers_is_imported(cache: Path) -> None:
    script = """
import sys
from pathlib import Path
from PIL import Image
from models.catalog.conse import SPEC
from models.frame import Frame
from models.settings import ModelSettings
from models.spec import Loading
settings = ModelSettings(_env_file=None, model_cache_dir=Path(sys.argv[1]), model_profile="tiny")
variant = SPEC.select(settings)
files = {file.path: settings.model_cache_dir / file.path for file in variant.files}
fresh = settings.model_copy(update={"model_cache_dir": Path(sys.argv[2])})
for one in (settings, fresh):
    model = SPEC.load(Loading(variant=variant, files=files, device="cpu", threads=2, settings=one))
    model.embed_images([Frame.of(Image.new("RGB", (20, 10)))])
    model.embed_texts(["a red circle"])
print(sorted({"torch", "transformers", "openvino", "timm"} & set(sys.modules)))
"""
    told = subprocess.run(
        [sys.executable, "-c", script, str(cache), str(cache / "fresh")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stdout.splitlines()[-1:] == ["[]"], told.stderr


def damaged(cache: Path, folder: Path, name: str, content: bytes) -> Path:
    """A cache whose weights are those of `cache`, but for one file."""
    (folder / "tiny/conse").mkdir(parents=True)
    for path in (cache / "tiny/conse").glob("[!.]*"):
        (folder / "tiny/conse" / path.name).symlink_to(path)
    (folder / "tiny/conse" / name).unlink()
    (folder / "tiny/conse" / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("name", "member", "match"),
    [
        ("efficientnet-lite2.pth", None, "efficientnet-lite2.pth holds no weights"),
        ("all-minilm-l6-v2.zip", None, "all-minilm-l6-v2.zip holds no model.safetensors"),
        ("all-minilm-l6-v2.zip", "other", "all-minilm-l6-v2.zip holds no model.safetensors"),
        ("all-minilm-l6-v2.zip", "model.safetensors", "are not the weights of conse-tiny: SafetensorError"),
    ],
)
def test_other_files_are_told(cache: Path, tmp_path: Path, name: str, member: str | None, match: str) -> None:
    content = b"nothing of the kind"
    if member is not None:
        with zipfile.ZipFile(tmp_path / "packed", "w") as archive:
            archive.writestr(member, content)
        content = (tmp_path / "packed").read_bytes()
    with pytest.raises(BadWeights, match=match):
        embedder(damaged(cache, tmp_path / "cache", name, content))
    assert not any((tmp_path / "cache" / FOLDER).iterdir())


def test_selection(tmp_path: Path) -> None:
    variant = SPEC.select(settings_of(tmp_path, model_profile="best"))
    assert (variant.version, variant.dimension) == ("conse-efficientnet_lite2-minilm_l6", 384)
    assert variant.licence.use == "free"
    assert all(file.archive_sha256 and not file.pickled for file in variant.files)


# The real weights


@pytest.fixture(scope="module")
def real() -> Embedder:
    """The model with the weights of the packages, from a folder that keeps them."""
    named = os.environ.get("KIZU_TEST_MODELS")
    folder = Path(named) if named else TESTDATA / "weights"
    settings = settings_of(folder, model_profile="best", model_downloads=named is not None)
    weights, variant = Weights(settings), SPEC.select(settings)
    try:
        weights.paths(variant)
    except WeightsMissing as error:
        pytest.skip(
            f"the real weights are not there (KIZU_TEST_MODELS names a folder to fetch them to): {error}"
        )
    return SPEC.load(loading_of(settings))


@pytest.fixture(scope="module")
def photos(real: Embedder) -> dict[str, Any]:
    """The vectors of real photos by their paths."""
    folder = TESTDATA / "photos"
    paths = [
        path
        for name in ("formats", "gps", "objects")
        for path in sorted((folder / name).rglob("*"))
        if path.suffix in (".jpg", ".webp") and path.name != "corrupted.jpg"
    ]
    if not paths:
        pytest.skip("the photos are not there (KIZU_TESTDATA names their folder)")
    frames = [Frame.of(open_picture(path).upright(long_side=512)) for path in paths]
    vectors = [real.embed_images([frame])[0] for frame in frames]
    return {str(path.relative_to(folder)): vector for path, vector in zip(paths, vectors, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sentence", "photo"),
    [
        ("a cat", "gps/empty_gps.jpg"),
        ("a zebra eating grass", "objects/coco8/images/train/000000000034.jpg"),
        ("a giraffe", "objects/coco8/images/train/000000000025.jpg"),
        ("a bus in the street", "objects/bus.jpg"),
        ("a cactus with yellow flowers", "formats/notocactus_minimus.jpg"),
        ("mountains", "formats/denali.webp"),
    ],
)
def test_sentence_finds_its_photo(real: Embedder, photos: dict[str, Any], sentence: str, photo: str) -> None:
    [wanted] = real.embed_texts([sentence])
    best = max(photos, key=lambda name: cosine(wanted, photos[name]))
    assert best == photo


@pytest.mark.slow
def test_a_thing_at_the_end_of_a_strip_is_found_by_its_sentence(
    real: Embedder, photos: dict[str, Any]
) -> None:
    things = {"a motorcycle": "motorcycle_left.png", "a cup of coffee": "coffee.png"}
    plain = scenes.photo("formats/tanners_ridge.jpg")
    for sentence, name in things.items():
        strip, _ = scenes.strip_of([plain, plain, plain, scenes.example(name)])
        [vector] = real.embed_images([scenes.seen(strip, scenes.PICTURES)])
        [wanted] = real.embed_texts([sentence])
        better = [photo for photo, other in photos.items() if cosine(wanted, other) > cosine(wanted, vector)]
        assert len(better) < 5, sentence
