"""A description made of what the other models found, where no model that writes sentences is at hand.

It says what was recognised, and no more: no colours, no doings, no places. Its rows say `composed-1`, so
that a real description takes their place once there is a model for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from models.results import Box, Caption, Seen
from models.settings import ModelSettings
from models.spec import Licence, Loading, ModelSpec, Variant
from models.tasks import CAPTION, COMPOSED, OBJECTS, Captioner, CaptionRequest

NUMBERS: Final = ("no", "a", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
IRREGULAR: Final = {"person": "people", "mouse": "mice", "knife": "knives", "sheep": "sheep", "skis": "skis"}
PAIRS: Final = ("scissors", "skis")
"""Names that are plural for one thing."""
HISSING: Final = ("s", "x", "ch", "sh")
LEAST_LETTERS: Final = 3
"""Of text that is quoted: what is shorter is seldom text."""
LONGEST_TEXT: Final = 200
"""Characters of the picture's text that a description quotes."""
THIRD: Final = 1 / 3


def select(settings: ModelSettings) -> Variant:
    return Variant(
        version="composed-1",
        licence=Licence(name="Apache-2.0", use="free"),
        needs=(OBJECTS.name,),
        megabytes=1,
        largest_batch={"cpu": 1, "cuda": 1, "mps": 1},
    )


def load(loading: Loading) -> Captioner:
    return Composer()


class Composer(Captioner):
    """Writes sentences about `CaptionRequest.seen`."""

    backend = "rules"

    def describe(self, requests: Sequence[CaptionRequest]) -> Sequence[Caption]:
        return [
            Caption(
                text=compose(request.seen or Seen(), request.level),
                level=request.level,
                seconds=0.0,
                cut_short=False,
            )
            for request in requests
        ]


def compose(seen: Seen, level: str) -> str:
    """What was seen, in English: `brief` counts people and things, `medium` quotes the text in the picture,
    too, and `detailed` says where each thing is."""
    counts = Counter(thing.name for thing in seen.objects)
    counts["person"] = max(counts["person"], seen.faces)
    things = [counted(name, number) for name, number in counts.most_common() if number]
    sentences = [f"{sentence_of(things)}."] if things else []
    if level != "brief" and sum(letter.isalnum() for letter in seen.text) >= LEAST_LETTERS:
        sentences.append(f"It reads: “{_cut(seen.text)}”.")
    if level == "detailed":
        sentences += [f"{_capital(counted(thing.name, 1))} is {place(thing.box)}." for thing in seen.objects]
    return " ".join(sentences) or "Nothing in it was recognised."


def counted(name: str, number: int) -> str:
    """A number of things in words, e.g. `a bus`, `three people`, `12 cars`."""
    if number == 1:
        if name in PAIRS:
            return f"a pair of {name}"
        return f"an {name}" if name[0] in "aeiou" else f"a {name}"
    how_many = NUMBERS[number] if number < len(NUMBERS) else str(number)
    return f"{how_many} {plural(name)}"


def plural(name: str) -> str:
    if name in PAIRS:
        return f"pairs of {name}"
    if name in IRREGULAR:
        return IRREGULAR[name]
    return f"{name}es" if name.endswith(HISSING) else f"{name}s"


def sentence_of(things: Sequence[str]) -> str:
    """A list in words, e.g. `Two people, a bus and a dog`."""
    *others, last = things
    return _capital(f"{', '.join(others)} and {last}" if others else last)


def place(box: Box) -> str:
    """In which ninth of the picture the middle of a box is, in words."""
    x, y = box.x + box.width / 2, box.y + box.height / 2
    across = "left" if x < THIRD else "right" if x > 1 - THIRD else ""
    down = "top" if y < THIRD else "bottom" if y > 1 - THIRD else ""
    if across and down:
        return f"at the {down} {across}"
    if across:
        return f"on the {across}"
    return f"at the {down}" if down else "in the middle"


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_TEXT else f"{line[: LONGEST_TEXT - 1]}…"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


SPEC = ModelSpec(task=CAPTION, name=COMPOSED, profile="free", select=select, load=load)
