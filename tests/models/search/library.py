"""What the library of the tests knows, and a short way to write what was understood."""

from __future__ import annotations

from datetime import date

from models.search.cameras import Cameras
from models.search.names import Known
from models.search.query import (
    CameraPart,
    DatePart,
    MediaPart,
    Part,
    PersonPart,
    PlacePart,
    TextPart,
    ThingsPart,
    Understood,
)
from models.search.understanding import people_names, place_names, understand

TODAY = date(2025, 10, 15)
_PEOPLE = people_names(
    [
        Known(ids=("anna-1",), names=("Anna Schmidt", "Annie")),
        Known(ids=("anna-2",), names=("Anna",)),
        Known(ids=("ben",), names=("Ben", "Benno")),
        Known(ids=("juergen",), names=("Jürgen Klein",)),
        Known(ids=("zoe",), names=("Zoë",)),
        Known(ids=("hans",), names=("Hans",)),
        Known(ids=("rose",), names=("Rose Miller",)),
        Known(ids=("mark",), names=("Mark",)),
        Known(ids=("will",), names=("Will",)),
        Known(ids=("ernst",), names=("Ernst",)),
        Known(ids=("may",), names=("May",)),
        Known(ids=("april",), names=("April",)),
        Known(ids=("florence",), names=("Florence",)),
        Known(ids=("mum",), names=("Mum", "Mama")),
        Known(ids=("bob",), names=("Uncle Bob",)),
        Known(ids=("obrien",), names=("Sean O'Brien",)),
        Known(ids=("an",), names=("An",)),
        Known(ids=("me",), names=("Me", "Ich")),
    ]
)
_PLACES = place_names(
    [
        Known(ids=("new-york",), names=("New York", "NYC")),
        Known(names=("York",)),
        Known(ids=("berlin",), names=("Berlin",)),
        Known(ids=("gallen",), names=("St. Gallen",)),
        Known(ids=("munich",), names=("München", "Munich")),
        Known(ids=("florence-it",), names=("Florence",)),
        Known(ids=("christmas-island",), names=("Christmas Island",)),
        Known(ids=("nice",), names=("Nice",)),
    ]
)
_CAMERAS = Cameras.of(["Apple iPhone 12", "Apple iPhone 12 Pro", "Canon EOS R5", "Pixel", "Google Pixel 7"])


def ask(text: str, language: str | None = None) -> Understood:
    """What the text asks of this library."""
    return understand(text, today=TODAY, people=_PEOPLE, places=_PLACES, cameras=_CAMERAS, language=language)


def written(text: str) -> tuple[str, str]:
    """The parts in short, as `person ben; not 1 dog; 1 cat?` (a `?` for a hint), and what is left."""
    understood = ask(text)
    return "; ".join(map(_short, understood.parts)), understood.semantic


def _short(part: Part) -> str:
    match part:
        case PersonPart():
            said = f"person {'/'.join(part.ids)}"
        case PlacePart():
            said = f"{'near' if part.near else 'place'} {'/'.join(part.names)}"
        case ThingsPart():
            said = f"{part.least} {part.name}{'?' if part.hint else ''}"
        case TextPart():
            said = f"text {part.text}"
        case MediaPart():
            said = part.media
        case CameraPart():
            said = f"camera {part.name}"
        case DatePart():
            said = "date"
        case _:
            said = part.kind
    return f"not {said}" if part.negated else said
