"""Words for the classes that detectors know."""

from __future__ import annotations

import pytest

from models.coco import CLASSES
from models.search.languages import LANGUAGES
from models.search.query import ThingsPart
from tests.models.search.library import ask

ENGLISH = """
person: women, kids, toddler
bicycle: bike, mountain bikes
car: taxi, automobiles
motorcycle: scooter, motorbikes
airplane: plane, aeroplanes, airliner
boat: ships, sailing boat, ferries, kayak
bird: ducks, geese, seagull
dog: puppy, puppies, golden retriever
cat: kittens, kitty
sheep: lambs
cow: cattle, calves
bottle: water bottles
cup: mug
couch: sofa, sofas
tv: television, TVs
cell phone: phone, smartphones, mobile phone
refrigerator: fridge
knife: knives
sports ball: football
cake: birthday cake
teddy bear: teddy
hot dog: hotdogs
"""
GERMAN = """
person: Frauen, Kinder, Mädchen
bicycle: Fahrräder, Rennrad, Mountainbike
car: Autos, Taxi, Sportauto
motorcycle: Motorräder
airplane: Flugzeuge, Flieger, Segelflugzeug
train: Züge, Straßenbahn
boat: Schiffe, Segelboot, Kreuzfahrtschiff
bird: Möwen, Vögel, Singvogel
dog: Welpe, Dackel, Schäferhunde
cat: Kätzchen, Hauskatze
horse: Pferde, Fohlen, Rennpferd
cow: Kühe, Kälber
bottle: Weinflasche
cup: Kaffeetasse
couch: Sofa
tv: Fernseher
cell phone: Handys, Mobiltelefon
refrigerator: Kühlschrank
knife: Messer
cake: Torte, Apfelkuchen
book: Bücher
umbrella: Regenschirm
scissors: Schere
"""


def words(table: str) -> list[tuple[str, str]]:
    """Each word with its class."""
    rows = [line.partition(": ") for line in table.strip().splitlines()]
    return [(word, name) for name, _, listed in rows for word in listed.split(", ")]


@pytest.mark.parametrize(("word", "name"), words(ENGLISH))
def test_english_word_is_of_a_class(word: str, name: str) -> None:
    assert _classes(f"a {word} at the lake", "en") == [name]


@pytest.mark.parametrize(("word", "name"), words(GERMAN))
def test_german_word_is_of_a_class(word: str, name: str) -> None:
    assert _classes(f"{word} am See", "de") == [name]


@pytest.mark.parametrize("word", ["Seehund", "Nilpferd", "Lebkuchen", "Anzug", "Fahrstuhl", "Spassvogel"])
def test_compound_of_another_kind_is_none(word: str) -> None:
    assert _classes(f"{word} am See", "de") == []


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_class_has_a_word(code: str) -> None:
    assert set(LANGUAGES[code].things.meanings.values()) == set(CLASSES)


def _classes(text: str, language: str) -> list[str]:
    return [part.name for part in ask(text, language).parts if isinstance(part, ThingsPart)]
