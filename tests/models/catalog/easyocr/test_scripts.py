"""Which recogniser reads which languages; test_easyocr compares them with the library's own choice."""

from __future__ import annotations

import pytest

from models.catalog.easyocr.scripts import SCRIPTS, script_of, weights_of
from models.errors import UnknownModel


@pytest.mark.parametrize(
    ("languages", "file"),
    [
        (("en",), "english_g2.pth"),
        (("fr",), "latin_g2.pth"),
        (("en", "de", "pl"), "latin_g2.pth"),
        (("de", "de"), "latin_g2.pth"),
        (("ja", "en"), "japanese_g2.pth"),
        (("ru", "uk", "en"), "cyrillic_g2.pth"),
        (("ar",), "arabic.pth"),
        (("hi", "en"), "devanagari.pth"),
        (("ch_tra",), "chinese.pth"),
        (("as",), "bengali.pth"),  # named by two, of which the library takes the first
    ],
)
def test_the_languages_choose_the_recogniser(languages: tuple[str, ...], file: str) -> None:
    assert script_of(languages).file == file


@pytest.mark.parametrize("languages", [(), ("xx",), ("ru", "fr"), ("ja", "ko"), ("ch_sim", "de"), ("EN",)])
def test_languages_that_no_recogniser_reads_together_are_refused(languages: tuple[str, ...]) -> None:
    with pytest.raises(UnknownModel, match=f"OCR_LANGUAGES={','.join(languages)}, but"):
        script_of(languages)


def test_each_recognisers_weights_are_a_file_of_a_release() -> None:
    files = [weights_of(script) for script in SCRIPTS]
    assert len({file.path for file in files}) == len(SCRIPTS)
    english = files[0]
    assert english.path == "easyocr/english_g2.pth"
    assert english.member == "english_g2.pth"
    assert english.url == "https://github.com/JaidedAI/EasyOCR/releases/download/v1.3/english_g2.zip"
    assert english.size == 15_143_997
