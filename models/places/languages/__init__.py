"""Names of places that the data has in another language only: one file per language, named by its code."""

from __future__ import annotations

from typing import Final

from models.places.languages.english import ENGLISH
from models.places.languages.german import GERMAN
from models.places.languages.words import Words

LANGUAGES: Final[dict[str, Words]] = {words.code: words for words in (ENGLISH, GERMAN)}
