"""The recognisers of EasyOCR: which languages each reads, and where its weights are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from models.errors import UnknownModel
from models.spec import WeightFile


class Script(NamedTuple):
    """One recogniser: its file of weights and the languages it reads."""

    file: str
    release: str
    archive: str
    languages: str
    sha256: str | None = None
    size: int | None = None


RELEASES: Final = "https://github.com/JaidedAI/EasyOCR/releases/download"
_LATIN: Final = (
    "af az bs cs cy da de en es et fr ga hr hu id is it ku la lt lv mi ms mt nl no oc pi pl pt ro rs_latin "
    "sk sl sq sv sw tl tr uz vi"
)
_CYRILLIC: Final = "ru rs_cyrillic be bg uk mn abq ady kbd ava dar inh che lbe lez tab tjk"
_DEVANAGARI: Final = "hi mr ne bh mai ang bho mah sck new gom"
ARABIC: Final = "ar fa ug ur"
SCRIPTS: Final = (
    Script(
        "english_g2.pth",
        "v1.3",
        "english_g2.zip",
        "en",
        "e2272681d9d67a04e2dff396b6e95077bc19001f8f6d3593c307b9852e1c29e8",
        15_143_997,
    ),
    Script("thai.pth", "pre-v1.1.6", "thai.zip", "th"),
    Script("chinese.pth", "pre-v1.1.6", "chinese.zip", "ch_tra"),
    Script(
        "zh_sim_g2.pth",
        "v1.3",
        "zh_sim_g2.zip",
        "ch_sim",
        "cb678fdef09d651e7763ca551ad790dc89f0b2e3d2a640484330e338fb574c7a",
        21_951_421,
    ),
    Script("japanese_g2.pth", "v1.3", "japanese_g2.zip", "ja"),
    Script("korean_g2.pth", "v1.3", "korean_g2.zip", "ko"),
    Script("tamil.pth", "v1.1.7", "tamil.zip", "ta"),
    Script("telugu.pth", "v1.2", "telugu.zip", "te"),
    Script("kannada.pth", "v1.2", "kannada.zip", "kn"),
    Script("bengali.pth", "v1.1.8", "bengali.zip", "bn as"),
    Script(
        "arabic.pth",
        "pre-v1.1.6",
        "arabic.zip",
        ARABIC,
        "2a9afd42c374deb98aed0b53c9b77d75e1d00d4e0501f3b0276c54190c89b1a8",
    ),
    Script("devanagari.pth", "pre-v1.1.6", "devanagari.zip", _DEVANAGARI),
    Script(
        "cyrillic_g2.pth",
        "v1.6.1",
        "cyrillic_g2.zip",
        _CYRILLIC,
        "48d0f3b58f28aa64651ab1032cc2d498c4de25135829668e87c14e7a07529f29",
    ),
    Script(
        "latin_g2.pth",
        "v1.3",
        "latin_g2.zip",
        _LATIN,
        "aaa95be1c4a9cb3496879bed7c520886ce1164f89e026f0c54488394e74e8c55",
        15_406_141,
    ),
)
"""The recognisers that the library picks, in its order; each reads English besides.

Three languages that it names are left out: it fails on them, as its package does not have their letters.
"""


def script_of(languages: Sequence[str]) -> Script:
    """The recogniser that reads all of `languages`.

    Raises:
        UnknownModel: none does.
    """
    asked = set(languages)
    for script in SCRIPTS:
        if asked and asked <= {*script.languages.split(), "en"}:
            return script
    known = "; ".join(script.languages for script in SCRIPTS)
    raise UnknownModel(
        f"OCR_LANGUAGES={','.join(languages)}, but EasyOCR reads English and the languages of one script "
        f"at a time: {known}"
    )


def weights_of(script: Script) -> WeightFile:
    """The recogniser's file of weights."""
    return WeightFile(
        path=f"easyocr/{script.file}",
        url=f"{RELEASES}/{script.release}/{script.archive}",
        member=script.file,
        sha256=script.sha256,
        size=script.size,
    )
