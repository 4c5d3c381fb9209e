"""The languages that moments are named in: one file per language, named by its code, ending in its words."""

from __future__ import annotations

from typing import Final

from models.moments.languages.english import ENGLISH
from models.moments.languages.german import GERMAN
from models.moments.languages.words import Words

LANGUAGES: Final[dict[str, Words]] = {words.code: words for words in (ENGLISH, GERMAN)}


def words_of(language: str) -> Words:
    """Of a tag such as de, de-AT or de_AT.UTF-8; English where its language has none."""
    return LANGUAGES.get(language.replace("_", "-").split("-")[0].lower(), ENGLISH)
