from __future__ import annotations

import os
import pickle
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from models.catalog.easyocr import SCRIPTS, SPEC, script_of
from models.errors import BadWeights, ModelFailed
from models.frame import Frame
from models.machine.torch_cpu import make_torchvision_importable
from models.settings import ModelSettings
from models.spec import Loading
from models.tasks import TextReader

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
make_torchvision_importable()
pytest.importorskip("easyocr")

_NO_GPU = "ignore:.*pin_memory.*:UserWarning"


def settings_of(cache: Path, **values: Any) -> ModelSettings:
    return ModelSettings(_env_file=None, ocr_model="easyocr", model_cache_dir=cache, **values)


def reader(cache: Path, backend: str = "torch", **values: Any) -> TextReader:
    if backend in ("onnxruntime", "openvino"):
        pytest.importorskip("onnx")
        pytest.importorskip(backend)
    settings = settings_of(cache, model_backend=backend, model_threads=2, **values)
    variant = SPEC.select(settings)
    files = {file.path: cache / file.path for file in variant.files}
    return SPEC.load(Loading(variant=variant, files=files, device="cpu", threads=2, settings=settings))


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with weights of the true architectures that take dark bars for words, and read something."""
    cache = tmp_path_factory.mktemp("easyocr")
    (cache / "easyocr").mkdir()
    save(_finds_bars(), cache / "easyocr/craft_mlt_25k.pth")
    save(_reads_something(), cache / "easyocr/english_g2.pth")
    return cache


def save(network: Any, path: Path) -> None:
    torch.save({f"module.{name}": value for name, value in network.state_dict().items()}, path)


def _finds_bars() -> Any:
    """Of all channels only the first is used, from the darkness of the picture to the score of characters."""
    from easyocr.craft import CRAFT

    network = CRAFT(pretrained=False).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.fill_(1)
        first, *convolutions = (
            module for module in network.basenet.slice1 if isinstance(module, torch.nn.Conv2d)
        )
        first.weight[0, :, 1, 1] = -0.1
        first.bias[0] = 0.4  # white is 2.2 to 2.6 per channel, black -1.8 to -2.1
        last = network.upconv4.conv
        last[0].weight[0, 64, 0, 0] = 1  # the first 64 come from below, then those of the half-size picture
        for convolution in (*convolutions, last[3], *network.conv_cls[:7:2]):
            centre = convolution.kernel_size[0] // 2
            convolution.weight[0, 0, centre, centre] = 1
        network.conv_cls[8].weight[0, 0, 0, 0] = 1
    return network


def _reads_something() -> Any:
    from easyocr.config import recognition_models
    from easyocr.model.vgg_model import Model
    from easyocr.utils import CTCLabelConverter

    torch.manual_seed(7)
    characters = recognition_models["gen2"]["english_g2"]["characters"]
    classes = len(CTCLabelConverter(characters, {}, {}).character)
    network = Model(input_channel=1, output_channel=256, hidden_size=256, num_class=classes).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("weight") and parameter.dim() > 1:
                torch.nn.init.kaiming_normal_(parameter)
        network.Prediction.weight.mul_(300)  # sure of itself, or everything is read twice
    return network


def page(size: tuple[int, int] = (320, 224)) -> Image.Image:
    """Two lines of two words, coloured and of different make, and below them one that slants."""
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    words = ((28, 20, 108, 42), (200, 23, 280, 43), (28, 82, 136, 106), (220, 80, 300, 102))
    for number, (left, top, right, bottom) in enumerate(words):
        dark = ((90, 0, 0), (0, 0, 90), (0, 60, 0), (10, 10, 10))[number]
        draw.rectangle((left, top, right, bottom), fill=dark)
        for x in range(left + 6, right - 6, 9 + 4 * number):
            draw.line((x, top + 7, x + number, bottom - 7), fill="gray")
    draw.polygon(((40, 146), (160, 180), (154, 204), (34, 170)), fill="black")
    return image


@pytest.mark.parametrize(
    ("backend", "scale"), [("torch", 1), ("torch", 1.25), ("onnxruntime", 1), ("openvino", 1)]
)
@pytest.mark.filterwarnings(_NO_GPU)
@pytest.mark.slow
def test_the_library_reads_the_same_at_the_same_canvas(
    backend: str, scale: float, bars: Path, library: Callable[[Image.Image], Any]
) -> None:
    model = reader(bars, backend, ocr_canvas=320)
    assert (model.backend, model.precision) == (backend, "fp32")
    image = page().resize((int(320 * scale), int(224 * scale)))
    [reading] = model.read([Frame.of(image)])

    found = library(image)
    assert len(found) >= 5
    assert len({text for _, text, _ in found}) > 1
    assert sorted(region.text for region in reading.regions) == sorted(text for _, text, _ in found)
    limits = np.array(image.size)
    boxes = [
        (np.clip(np.min(box, axis=0), 0, limits), np.clip(np.max(box, axis=0), 0, limits))
        for box, _, _ in found
    ]
    for region in reading.regions:
        left_top = np.array([region.box.x, region.box.y]) * limits
        right_bottom = left_top + np.array([region.box.width, region.box.height]) * limits
        assert min(max(abs(left_top - a).max(), abs(right_bottom - b).max()) for a, b in boxes) <= 1
    scores = sorted(float(score) for _, _, score in found)
    assert sorted(region.score for region in reading.regions) == pytest.approx(scores, abs=0.01)


@pytest.fixture(scope="module")
def library(bars: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Image.Image], Any]:
    """What `readtext` says of a picture that lies in a file, at a canvas of 320.

    As it comes, but for the table of MD5s by which it would refuse these weights, and 8-bit numbers.
    """
    import easyocr
    from easyocr import config
    from easyocr.utils import calculate_md5

    models = (config.detection_models["craft"], config.recognition_models["gen2"]["english_g2"])
    before = [model["md5sum"] for model in models]
    folder = str(bars / "easyocr")
    try:
        for model in models:
            model["md5sum"] = calculate_md5(f"{folder}/{model['filename']}")
        theirs = easyocr.Reader(
            ["en"],
            gpu=False,
            model_storage_directory=folder,
            user_network_directory=folder,
            download_enabled=False,
            verbose=False,
            quantize=False,
        )
    finally:
        for model, md5 in zip(models, before, strict=True):
            model["md5sum"] = md5
        sys.path.remove(folder)
    readings: dict[tuple[int, int], Any] = {}

    def read(image: Image.Image) -> Any:
        if image.size not in readings:
            path = tmp_path_factory.mktemp("page") / "page.png"
            image.save(path)
            readings[image.size] = theirs.readtext(str(path), canvas_size=320)
        return readings[image.size]

    return read


@pytest.fixture(scope="module")
def model(bars: Path) -> TextReader:
    return reader(bars)


def test_words_are_in_reading_order_and_inside_the_picture(model: TextReader) -> None:
    [reading] = model.read([Frame.of(page())])
    assert reading.languages == ("en",)
    assert reading.text == " ".join(region.text for region in reading.regions)
    places = [(region.box.x, region.box.y) for region in reading.regions]
    rows = [round(y * 224 / 62) for _, y in places]
    assert rows == [0, 0, 1, 1, 2]
    assert places[0] < places[1]
    assert places[2] < places[3]
    for region in reading.regions:
        assert region.text.strip()
        assert 0 <= region.score <= 1
        assert 0 <= region.box.x <= region.box.x + region.box.width <= 1
        assert 0 <= region.box.y <= region.box.y + region.box.height <= 1


def test_each_frame_has_its_own_reading_and_may_have_none(model: TextReader) -> None:
    blank = Image.new("RGB", (224, 128), "white")  # which needs no padding: these weights read that
    none, some = model.read([Frame.of(blank), Frame.of(page())])
    assert none.regions == ()
    assert none.text == ""
    assert none.languages == ("en",)
    assert some.regions


@pytest.mark.parametrize("size", [(1, 1), (40, 2), (2000, 1), (1, 700), (1500, 4)])
def test_a_picture_of_any_size_can_be_looked_at(model: TextReader, size: tuple[int, int]) -> None:
    for colour in ("white", "black"):
        [reading] = model.read([Frame.of(Image.new("RGB", size, colour))])
        for region in reading.regions:
            assert 0 < region.box.width <= 1
            assert 0 < region.box.height <= 1


@pytest.mark.slow
def test_the_tiny_profile_reads_with_its_own_weights(tiny_models: Path) -> None:
    model = reader(tiny_models, model_profile="tiny", ocr_languages=("fr",))
    [reading] = model.read([Frame.of(page((200, 120)))])
    assert reading.languages == ("en",)
    assert len(reading.regions) <= 1


@pytest.mark.slow
def test_the_graph_is_exported_once(bars: Path) -> None:
    reader(bars, "onnxruntime")
    [graph] = bars.glob("graphs/easyocr-*/detector.onnx")
    made = graph.stat().st_mtime_ns
    [detector] = bars.glob("easyocr/craft*.pth")
    content = detector.read_bytes()
    reader(bars, "onnxruntime")
    assert graph.stat().st_mtime_ns == made
    assert list(bars.glob("graphs/*")) == [graph.parent]
    assert detector.read_bytes() == content


@pytest.mark.slow
def test_where_no_graph_can_be_kept_torch_reads(bars: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    for path in (bars / "easyocr").glob("*.pth"):
        (tmp_path / "easyocr").mkdir(exist_ok=True)
        (tmp_path / "easyocr" / path.name).symlink_to(path)
    (tmp_path / "graphs").write_text("in the way")
    model = reader(tmp_path, "auto")
    assert model.backend == "torch"
    assert len(model.read([Frame.of(page())])[0].regions) == 5
    with pytest.raises(ModelFailed, match="onnxruntime"):
        reader(tmp_path, "onnxruntime")


@pytest.mark.slow
def test_where_the_graph_answers_otherwise_torch_reads(
    bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx")
    (tmp_path / "easyocr").symlink_to(bars / "easyocr")
    monkeypatch.setattr("models.catalog.easyocr.detector._LOSS", -1.0)
    assert reader(tmp_path, "auto").backend == "torch"
    with pytest.raises(ModelFailed, match=r"onnxruntime.* is off by"):
        reader(tmp_path, "onnxruntime")


def test_loading_leaves_no_trace_in_the_process(bars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import easyocr.easyocr as library

    def refuse(*_: Any) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    before = dict(os.environ), list(sys.path), library.calculate_md5
    files = {path: path.read_bytes() for path in (bars / "easyocr").iterdir()}
    reader(bars)
    assert (dict(os.environ), list(sys.path), library.calculate_md5) == before
    assert {path: path.read_bytes() for path in (bars / "easyocr").iterdir()} == files


class _Surprise:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *(("craft_mlt_25k.pth", damage) for damage in ("noise", "empty", "cut off", "another network")),
        ("craft_mlt_25k.pth", "runs code"),
        ("english_g2.pth", "cut off"),
        ("english_g2.pth", "runs code"),
    ],
)
def test_weights_that_are_none_are_refused_and_not_run(
    name: str, damage: str, bars: Path, tmp_path: Path
) -> None:
    (tmp_path / "easyocr").mkdir()
    for path in (bars / "easyocr").glob("*.pth"):
        (tmp_path / "easyocr" / path.name).symlink_to(path)
    bad = tmp_path / "easyocr" / name
    content = bad.read_bytes()
    bad.unlink()
    ran = tmp_path / "ran"
    if damage == "another network":
        torch.save({"module.weight": torch.zeros(3)}, bad)
    elif damage == "runs code":
        bad.write_bytes(pickle.dumps({"module.weight": _Surprise(ran)}))
    else:
        bad.write_bytes({"noise": b"\x80\x02}" * 99, "empty": b"", "cut off": content[:100_000]}[damage])
    with pytest.raises(BadWeights, match=name):
        reader(tmp_path)
    assert bad.exists()
    assert not ran.exists()


def test_the_detector_and_the_recogniser_of_the_languages_are_its_files(tmp_path: Path) -> None:
    variant = SPEC.select(settings_of(tmp_path, ocr_languages=("en", "de", "pl")))
    assert [one.path for one in variant.files] == ["easyocr/craft_mlt_25k.pth", "easyocr/latin_g2.pth"]
    assert variant.version == "easyocr-2"
    assert (variant.licence.name, variant.licence.use) == ("Apache-2.0", "free")
    assert not any(one.pickled for one in variant.files)


def test_every_language_gets_what_the_library_would_take_for_it(tmp_path: Path) -> None:
    import easyocr
    from easyocr import config

    ours = [language for script in SCRIPTS for language in script.languages.split()]
    assert {*ours, "bgc", "mni", "sa"} == set(config.all_lang_list)
    released = [model for table in config.recognition_models.values() for model in table.values()]
    for languages in ([language] for language in ours):
        theirs = easyocr.Reader(
            languages,
            gpu=False,
            model_storage_directory=str(tmp_path),
            user_network_directory=str(tmp_path),
            detector=False,
            recognizer=False,
            verbose=False,
        )
        sys.path.remove(str(tmp_path))
        script = script_of(languages)
        [model] = [one for one in released if one["filename"] == script.file]
        assert model["characters"] == theirs.character
        assert model["url"].endswith(f"/{script.release}/{script.archive}")
