"""Places that the library knows, in words: in New York, near Berlin, Rome 2019.

A name without a word such as `in` before it is a place only where no noun follows: New York pizza is none.
What the library does not know is no place, and a name that is a person's too is the person's, unless a word
such as `in` comes before it.
"""

from __future__ import annotations

from collections.abc import Callable

from models.search.languages.language import Language, known_words
from models.search.names import Names
from models.search.query import PlacePart
from models.search.words import HYPHENS, Line, joins


def place_at(
    found: Line,
    at: int,
    places: Names,
    language: Language,
    *,
    ends_a_phrase: Callable[[int], bool],
) -> tuple[int, PlacePart] | None:
    """The known place that is named from this token on, and where the name ends."""
    name = places.at(found.run(at))
    if not name or (at and joins(found, at - 1) and found[at - 1].text in HYPHENS):
        return None
    end = name.end
    tied = end < len(found) and joins(found, end)
    word = found[at].folded
    led = is_led_to(found, at, language)
    if tied or not (led or ends_a_phrase(end)):
        return None
    if name.words == 1 and not led and word in known_words(language) and not found[at].capital:
        return None
    if name.words == 1 and word in language.leading | language.pronouns:
        return None
    part = PlacePart(
        start=found[at].start,
        end=found[end - 1].end,
        ids=name.ids,
        names=(name.shown,),
        near=led and found[at - 1].folded in language.near,
    )
    return end, part


def is_led_to(found: Line, at: int, language: Language) -> bool:
    """Whether the word before this token says that a place follows."""
    return at > 0 and found[at - 1].folded in language.in_places
