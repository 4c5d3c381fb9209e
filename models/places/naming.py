"""Names of places in a person's language: Munich, Bavaria, Germany is München, Bayern, Deutschland."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from models.places.languages import LANGUAGES
from models.places.zones import countries_of

if TYPE_CHECKING:
    from babel import Locale

ENGLISH: Final = "en"


def language_of(tag: str) -> str:
    """The language of a tag such as de, de-AT or de_AT.UTF-8; English if nobody has names in it."""
    code = tag.replace("_", "-").split("-")[0].split(".")[0].lower()
    return code if _locale(code) else ENGLISH


@lru_cache(maxsize=16384)
def name_of(city: str, region: str, country: str, language: str) -> str:
    """City, region and country, as far as they are known, in a language that `language_of` has said.

    A region or a country that says the same as the city is left out: Berlin, Germany; Singapore.
    """
    words = LANGUAGES.get(language)
    here = _city_name(city, country, language)
    there = words.regions.get((country, region), region) if words else region
    is_same = any(_says(one, other) or _says(other, one) for one, other in ((city, region), (here, there)))
    pieces = [piece for piece in (here, "" if is_same else there) if piece]
    whole = country_name(country, language)
    if not any(_plain(piece) == _plain(whole) for piece in pieces):
        pieces.append(whole)
    return ", ".join(pieces)


def _city_name(city: str, country: str, language: str) -> str:
    words = LANGUAGES.get(language)
    own = words.cities.get((country, city)) if words else None
    return own or _cities_of_clocks(language).get((country, city), city)


def country_name(code: str, language: str) -> str:
    """Of a country by its code of two letters; the code where nobody has a name for it."""
    for locale in (_locale(language), _locale(ENGLISH)):
        if locale and code in locale.territories:
            return str(locale.territories[code])
    return code


@lru_cache(maxsize=64)
def _locale(code: str) -> Locale | None:
    from babel import Locale, UnknownLocaleError

    try:
        return Locale.parse(code)
    except (UnknownLocaleError, ValueError):
        return None


@lru_cache(maxsize=8)
def _cities_of_clocks(language: str) -> dict[tuple[str, str], str]:
    """Cities that time zones are named after, in the words of CLDR, by country and English name."""
    there, english = _locale(language), _locale(ENGLISH)
    if there is None or english is None or language == ENGLISH:
        return {}
    names: dict[tuple[str, str], str] = {}
    for zone, words in there.time_zones.items():
        city = words.get("city")
        known = english.time_zones.get(zone, {}).get("city") or zone.split("/")[-1].replace("_", " ")
        if city:
            names.update({(country, known): str(city) for country in countries_of((zone,))})
    return names


def _says(long: str, short: str) -> bool:
    """Whether the words of one are among the other's, one after the other, whatever their accents."""
    return bool(short) and f" {_plain(short)} " in f" {_plain(long)} "


@lru_cache(maxsize=16384)
def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    bare = (letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join("".join(letter if letter.isalnum() else " " for letter in bare).split())
