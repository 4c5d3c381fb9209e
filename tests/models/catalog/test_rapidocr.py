from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from models.catalog.rapidocr import LANGUAGES, SPEC
from models.errors import BadWeights, UnknownModel, WeightsMissing
from models.frame import Frame
from models.pictures.picture import open_picture
from models.settings import ModelSettings
from models.spec import Loading
from models.tasks import TextReader
from tests.models.catalog.pages import as_jpeg, photo, photo_of_page, screenshot, words, words_read
from tests.paths import TESTDATA

rapidocr = pytest.importorskip("rapidocr")
np = pytest.importorskip("numpy")
pytest.importorskip("onnxruntime")

_TEXTS = TESTDATA / "photos/text"
_LINES = ("Invoice No. 20417", "Kizu reads what is here", "Thursday, 14 May 1998")


def reader(**values: Any) -> TextReader:
    settings = ModelSettings(_env_file=None, ocr_model="rapidocr", model_threads=2, **values)
    variant = SPEC.select(settings)
    assert variant.files == ()
    return SPEC.load(Loading(variant=variant, files={}, device="cpu", threads=2, settings=settings))


@pytest.fixture(scope="module")
def model() -> TextReader:
    return reader()


def page(
    lines: Sequence[str] = _LINES, *, size: tuple[int, int] = (800, 400), points: int = 32, left: int = 60
) -> Image.Image:
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((left, 50 + 2 * points * number), line, fill="black", font=ImageFont.load_default(points))
    return image


def character_error(read: str, expected: str) -> float:
    """Insertions, deletions and replacements per expected character; any white space is one space."""
    one, other = " ".join(read.split()), " ".join(expected.split())
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1] / len(other)


def test_drawn_text_is_read_line_by_line(model: TextReader) -> None:
    [reading] = model.read([Frame.of(page())])
    assert [region.text for region in reading.regions] == list(_LINES)
    assert reading.text == " ".join(_LINES)
    assert reading.languages == ("en",)
    assert all(0.5 <= region.score <= 1 for region in reading.regions)


def test_it_tells_which_weights_the_package_brought(model: TextReader) -> None:
    assert model.digest is not None
    assert len(bytes.fromhex(model.digest)) == 32
    assert reader().digest == model.digest


def test_a_region_is_where_its_line_was_drawn(model: TextReader) -> None:
    draw = ImageDraw.Draw(page())
    [reading] = model.read([Frame.of(page())])
    for number, region in enumerate(reading.regions):
        left, top, right, bottom = draw.textbbox(
            (60, 50 + 64 * number), _LINES[number], font=ImageFont.load_default(32)
        )
        box = region.box
        found = (box.x * 800, box.y * 400, (box.x + box.width) * 800, (box.y + box.height) * 400)
        assert found == pytest.approx((left, top, right, bottom), abs=12)


def test_each_frame_has_its_own_reading(model: TextReader) -> None:
    first, blank, second = model.read(
        [
            Frame.of(page(["Left luggage"])),
            Frame.of(Image.new("RGB", (800, 600), "white")),
            Frame.of(page(["Platform 9"])),
        ]
    )
    assert (first.text, second.text) == ("Left luggage", "Platform 9")
    assert blank.regions == ()
    assert blank.text == ""


@pytest.mark.parametrize(
    "size", [(1, 1), (5, 5), (31, 17), (2048, 3), (3, 2048), (1200, 20), (20, 1200), (2000, 31)]
)
def test_a_picture_of_any_size_can_be_looked_at(model: TextReader, size: tuple[int, int]) -> None:
    for colour in ("white", "black"):
        [reading] = model.read([Frame.of(Image.new("RGB", size, colour))])
        assert reading.regions == ()


def test_regions_stay_inside_the_picture(model: TextReader) -> None:
    image = page(["Cut off at either side of it"], size=(330, 120), left=-40)
    [reading] = model.read([Frame.of(image)])
    assert reading.regions
    for region in reading.regions:
        assert 0 <= region.box.x <= region.box.x + region.box.width <= 1
        assert 0 <= region.box.y <= region.box.y + region.box.height <= 1


def test_text_is_looked_for_on_the_canvas_and_read_at_full_size() -> None:
    """Letters of 5 pixels on the canvas can be found, and not be read."""
    picture = page(size=(1600, 900), points=24)
    model = reader(ocr_canvas=320)
    assert model.read([Frame.of(picture)])[0].text == " ".join(_LINES)
    assert model.read([Frame.of(picture.resize((320, 180)))])[0].text != " ".join(_LINES)


def test_what_the_library_reads_with_these_options_is_read(model: TextReader) -> None:
    library = rapidocr.RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.max_side_len": 10_000,
            "Det.limit_type": "max",
            "Det.limit_side_len": 960,
            "Rec.rec_batch_num": 1,
        }
    )
    image = page([*_LINES, "Straße, café, naïve: 3 + 4 = 7"], size=(1200, 600))
    expected = library(np.asarray(image)[..., ::-1].copy())
    [reading] = model.read([Frame.of(image)])
    assert [region.text for region in reading.regions] == list(expected.txts)
    assert [region.score for region in reading.regions] == pytest.approx(list(expected.scores), abs=1e-4)
    for region, corners in zip(reading.regions, expected.boxes, strict=True):
        assert [region.box.x * 1200, region.box.y * 600] == pytest.approx(corners.min(axis=0).tolist(), abs=1)


@pytest.mark.parametrize("turn", [0, 3, 180])
@pytest.mark.parametrize("ink", ["black", "white"])
def test_a_page_in_a_photo_is_read_however_small_its_letters_are_in_it(
    model: TextReader, turn: float, ink: str
) -> None:
    """Of 12 pixels in a photo of 2400, which the first look has at 5."""
    story = words(180)
    image = photo_of_page(0.4, story, size=(2400, 1800), turn=turn, ink=ink)
    [reading] = model.read([Frame.of(image)])
    assert words_read(reading.text, story) >= 0.95 * len(story)


def test_a_long_screenshot_is_read(model: TextReader) -> None:
    image, story = screenshot(540, 6000, 40, 18)
    [reading] = model.read([Frame.of(image)])
    assert len(reading.regions) == 40
    assert words_read(reading.text, story) >= 0.95 * len(story)


def test_a_card_in_a_large_photo_is_read(model: TextReader) -> None:
    image = photo(4000, 3000)
    draw = ImageDraw.Draw(image)
    draw.rectangle((2600, 1900, 2950, 2060), fill="white")
    for number, line in enumerate(("Ada Wintergreen", "14 Harbour Street", "020 7946 0018")):
        draw.text((2630, 1920 + 40 * number), line, fill="black", font=ImageFont.load_default(16))
    [reading] = model.read([Frame.of(as_jpeg(image))])
    assert reading.text == "Ada Wintergreen 14 Harbour Street 020 7946 0018"


def test_letters_higher_than_they_are_read_at_lose_no_strokes(model: TextReader) -> None:
    image = page(["Hillside Inn"], size=(4000, 1200), points=600)
    assert model.read([Frame.of(image)])[0].text == "Hillside Inn"


@pytest.mark.slow
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_of_a_page_in_a_photo_as_much_is_read_as_of_all_its_pixels(model: TextReader, share: float) -> None:
    story = words(627)
    image = photo_of_page(share, story)
    [reading] = model.read([Frame.of(image)])
    assert words_read(reading.text, story) >= 0.95 * words_of_library(image, story)


@pytest.mark.slow
def test_of_a_long_screenshot_as_much_is_read_as_of_all_its_pixels(model: TextReader) -> None:
    image, story = screenshot(1080, 4540, 60, 36)
    [reading] = model.read([Frame.of(image)])
    assert len(reading.regions) == 60
    assert words_read(reading.text, story) >= 0.95 * words_of_library(image, story)


def words_of_library(image: Image.Image, story: list[str]) -> int:
    """How many words RapidOCR finds in the whole picture."""
    library = rapidocr.RapidOCR(params={"Global.log_level": "critical", "Global.max_side_len": 10_000})
    found = library(np.asarray(image)[..., ::-1].copy())
    read = words_read(" ".join(found.txts), story)
    assert read > 0.7 * len(story)
    return read


def test_scanned_pages_are_read_with_less_than_2_errors_in_100_characters(model: TextReader) -> None:
    if not _TEXTS.is_dir():
        pytest.skip("the photos of text are not there (KIZU_TESTDATA names their folder)")
    for name, gold in (("phototest.tif", "phototest.gold.txt"), ("eurotext.tif", "eurotext.txt")):
        frame = Frame.of(open_picture(_TEXTS / name).upright())
        [reading] = model.read([frame])
        assert character_error(reading.text, (_TEXTS / gold).read_text("utf-8")) < 0.02


def test_nothing_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert reader().read([Frame.of(page(["Offline"]))])[0].text == "Offline"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder of weights in the package, in whose place it is looked at."""
    copytree(Path(rapidocr.__file__).parent / "models", tmp_path / "models")
    monkeypatch.setattr(rapidocr, "__file__", str(tmp_path / "__init__.py"))
    return tmp_path / "models"


@pytest.mark.parametrize("part", ["det", "cls", "rec"])
def test_a_damaged_package_is_told_from_one_that_lacks_a_file(part: str, package: Path) -> None:
    [graph] = package.glob(f"*_{part}_*.onnx")
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    with pytest.raises(BadWeights, match="install rapidocr again"):
        reader()
    graph.unlink()
    with pytest.raises(WeightsMissing, match="install it again"):
        reader()


@pytest.mark.parametrize("languages", [("ru",), ("en", "th")])
def test_a_language_it_does_not_read_is_refused(languages: tuple[str, ...]) -> None:
    with pytest.raises(UnknownModel, match="easyocr"):
        SPEC.select(ModelSettings(_env_file=None, ocr_languages=languages))


def test_the_languages_are_those_of_the_packaged_model() -> None:
    theirs = set(rapidocr.RapidOCR.list_supported_langs("rec", "PP-OCRv6", "small"))
    names = {"ch_sim": "ch", "ch_tra": "chinese_cht", "ja": "japan"}
    assert {names.get(language, language) for language in LANGUAGES} <= theirs


def test_its_terms_are_free() -> None:
    variant = SPEC.select(ModelSettings(_env_file=None))
    assert (variant.version, variant.licence.name, variant.licence.use) == (
        "rapidocr-2",
        "Apache-2.0",
        "free",
    )
