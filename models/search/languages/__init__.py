"""The languages that queries are read in: one file per language, named by its code, ending in its tables."""

from __future__ import annotations

from models.search.languages.english import ENGLISH
from models.search.languages.german import GERMAN
from models.search.languages.language import Language

LANGUAGES: dict[str, Language] = {language.code: language for language in (ENGLISH, GERMAN)}
