"""Things of the 80 classes that detectors know, in words: two dogs, a couple of bikes, no cars.

A thing that is counted or excluded is a condition. A bare one (dog on a beach) is a hint: detectors miss
things, and a condition would leave out the pictures where they did; the ranking takes it as one more piece of
evidence.
"""

from __future__ import annotations

from typing import Final

from models.search.languages.language import Language
from models.search.query import ThingsPart
from models.search.words import HYPHENS, Line

_NO_COUNT: Final = 1000  # who writes 2019 dogs means the year
LONGEST_COMPOUND: Final = 12  # letters
MOST: Final = 99
"""Things that can be asked for at least; a larger number asks for so many."""


def things_at(
    found: Line, at: int, language: Language, *, negated: bool = False
) -> tuple[int, ThingsPart] | None:
    """The things that are named from this token on, with their number if it stands there, and the end."""
    least, thing_at = _number_at(found, at, language)
    counted = thing_at > at
    if counted and thing_at < len(found) and found[thing_at].folded in language.adjectives:
        thing_at += 1
    named = _thing_at(found, thing_at, language)
    if not named:
        return None
    end, name = named
    certain = counted or negated
    if not certain and end == at + 1 and found[at].folded in language.doubtful_things:
        return None
    start = found[at].start
    return end, ThingsPart(
        start=start, end=found[end - 1].end, negated=negated, name=name, least=least, hint=not certain
    )


def _number_at(found: Line, at: int, language: Language) -> tuple[int, int]:
    """How many at least, and where the number ends; one, and this token, if there is none."""
    run = found.run(at)
    if quantity := language.quantities.at(run):
        return quantity[1], quantity[0]
    more = language.at_least.at(run)
    number_at, added = more or (at, 0)
    if number_at >= len(found):
        return 1, at
    token = found[number_at]
    number = token.number if token.number is not None else language.numbers.get(token.folded)
    end = _over_second_number(found, number_at + 1, language)
    is_article = token.folded in language.articles and not more and end == number_at + 1
    if number is None or not 0 < number < _NO_COUNT or is_article:
        return 1, at
    return (min(number + added, MOST), end) if not found.among(end, language.measures) else (1, at)


def _over_second_number(found: Line, at: int, language: Language) -> int:
    """Where 2-3, 2 to 3 and 2 or 3 end; the first is the least."""
    goes_on = language.range_goes_on.at(found.run(at))
    is_sign = found.sign(at, HYPHENS) or found.among(at, language.joining)
    second = goes_on[0] if goes_on else at + 1
    if (goes_on or is_sign) and second < len(found):
        token = found[second]
        if token.number is not None or token.folded in language.numbers.keys() - language.articles:
            return second + 1
    return at


def _thing_at(found: Line, at: int, language: Language) -> tuple[int, str] | None:
    if at >= len(found):
        return None
    if named := language.things.at(found.run(at)):
        return named
    word = found[at].folded
    if word in language.no_compounds:
        return None
    for length in range(min(len(word) - 2, LONGEST_COMPOUND), 2, -1):
        if name := language.compounds.get(word[-length:]):
            return at + 1, name
    return None
