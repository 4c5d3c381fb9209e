"""From a text to what it asks for: the longest condition at each word, from left to right.

What is found is cut out, and the rest is read again until nothing more is found: what is left says no date
and nobody's name, however the words came together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import Final

from models.search.cameras import Cameras
from models.search.languages import LANGUAGES
from models.search.languages.language import Language, known_words
from models.search.names import Known, Names
from models.search.query import (
    DatePart,
    MediaPart,
    Part,
    PersonPart,
    PlacePart,
    TextPart,
    ThingsPart,
    Understood,
)
from models.search.quotes import quoted
from models.search.reading import Found, Library, Reading
from models.search.remainder import left
from models.search.spans import Hemisphere
from models.search.words import Line, tokens

LONGEST_TEXT: Final = 500
"""Code points of a query."""
_DEFAULT_LANGUAGE: Final = "en"
_MOST_PASSES: Final = 8
"""Over one text; a person's is read in two or three."""


def understand(
    text: str,
    *,
    today: date,
    hemisphere: Hemisphere = "north",
    people: Names | Iterable[Known] = (),
    places: Names | Iterable[Known] = (),
    cameras: Cameras | Iterable[str] = (),
    language: str | None = None,
) -> Understood:
    """What the text asks for on the day that it is `today` where the person is.

    Who asks often gives what `people_names`, `place_names` and `Cameras.of` made once.

    Args:
        text: At most 500 code points.
        today: Dates are local days of the zone in which it is this day.
        hemisphere: Where summer is from June (north) or from December (south).
        people: The contacts.
        places: The places of the library.
        cameras: The cameras of the library.
        language: The language that decides when the text does not, as de or de-AT; an unknown one is none.

    Raises:
        ValueError: the text is too long.
    """
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"a query has at most {LONGEST_TEXT} characters, this one has {len(text)}")
    found = Line(tokens(text))
    library = Library(
        today,
        hemisphere,
        people_names(people),
        place_names(places),
        cameras if isinstance(cameras, Cameras) else Cameras.of(cameras),
    )
    parts = _quoted(text, found, languages_of(found, language))
    passed_over: set[int] = set()
    in_quotes = _points(parts)
    # What leads to a part is only cut once all are known: with text is one, and `with` leads to many.
    rest = Line(token for token in found if token.start not in in_quotes)
    for _ in range(_MOST_PASSES):
        # What is left is read in its own language, as it would be if nothing else had been asked.
        new, unclaimed = _Pass(rest, languages_of(rest, language), library, parts).read()
        replaced = _points(new)
        parts = [part for part in parts if part.start not in replaced and part.end - 1 not in replaced] + new
        passed_over |= unclaimed
        cut = [(part.start, part.end) for part in parts if not part.stays]
        before, rest = rest, Line(left(found, cut, passed_over))
        if rest == before:
            break
    else:
        passed_over = {token.start for token in found}
    return Understood(
        text=text,
        language=languages_of(found, language)[0].code,
        parts=tuple(sorted(parts, key=lambda part: part.start)),
        passed_over=frozenset(passed_over),
    )


def people_names(people: Names | Iterable[Known]) -> Names:
    """The contacts by their names, by first names too."""
    return people if isinstance(people, Names) else Names(people, first_names=True)


def place_names(places: Names | Iterable[Known]) -> Names:
    """The places by their names."""
    return places if isinstance(places, Names) else Names(places)


def languages_of(found: Line, asked: str | None = None) -> tuple[Language, ...]:
    """The language that has most of the words; of several that have as many all, the one asked for first."""
    scores = {
        code: sum(token.folded in known_words(language) for token in found)
        for code, language in LANGUAGES.items()
    }
    code = (asked or "").partition("-")[0].lower()
    first = code if code in LANGUAGES else _DEFAULT_LANGUAGE
    most = max(scores.values())
    codes = [code for code, score in scores.items() if score == most]
    return tuple(LANGUAGES[code] for code in sorted(codes, key=lambda code: code != first))


def _quoted(text: str, found: Line, languages: Sequence[Language]) -> list[Part]:
    """What stands in quotes, and what excludes it: without "sale"."""
    excluding = {
        found[negation[0]].start: token.start
        for at, token in enumerate(found)
        for language in languages
        if (negation := language.negations.at(found.run(at))) and negation[0] < len(found)
    }
    return [
        TextPart(start=excluding.get(start, start), end=end, text=words, negated=start in excluding)
        for start, end, words in quoted(text)
    ]


def _points(parts: Iterable[Part]) -> set[int]:
    """The code points that parts stand on."""
    return {point for part in parts for point in range(part.start, part.end)}


class _Pass:
    """One way over the tokens that are left, for parts that are new."""

    def __init__(
        self, found: Line, languages: Sequence[Language], library: Library, known: Sequence[Part]
    ) -> None:
        self._tokens = found
        apart = any(language.nouns_stand_apart for language in languages)
        self._readings = [
            Reading(found, language, library, nouns_stand_apart=apart) for language in languages
        ]
        self._cut = _points(part for part in known if not part.stays)
        self._hinted = _points(part for part in known if part.stays)
        self._new: list[Part] = []
        self._unclaimed: set[int] = set()

    def read(self) -> tuple[list[Part], set[int]]:
        """New parts; and the starts of words that only came to say something by a cut."""
        at = 0
        while at < len(self._tokens):
            at = self._negated(at) or self._plain(at) or at + 1
        return self._new, self._unclaimed

    def _plain(self, at: int) -> int | None:
        after = self._after_a_person(at)
        found = [best for reading in self._readings if (best := reading.best(at, after))]
        return self._take(at, max(found, key=lambda best: best[0])) if found else None

    def _negated(self, at: int) -> int | None:
        """Without Anna and Ben: as far as `and` joins more of the same kind."""
        for reading in self._readings:
            if excluded := reading.excluded(at):
                end = self._take(at, excluded)
                last = end
                while last and (joined := reading.joined_exclusion(last, excluded[1])):
                    start, excluded = joined
                    last = self._take(start, excluded)
                    end = last or end
                return end
        return None

    def _take(self, at: int, found: Found) -> int | None:
        """Keep the part, unless it is there, or its words only stand together because of a cut."""
        end, part = found
        points = range(part.start, part.end)
        if any(point in self._cut for point in points):
            if not isinstance(part, DatePart | PersonPart):
                return None
            self._unclaimed.add(self._tokens[at].start)
            return end
        if isinstance(part, ThingsPart) and any(point in self._hinted for point in points):
            return None
        self._join(part, at)
        return end

    def _join(self, part: Part, at: int) -> None:
        """Keep the part; with the one that `or` joins it to, of places also `and`, as one for either.

        Photos and videos are everything there is, and so no condition.
        """
        joined = at >= 2 and self._new and self._new[-1].end == self._tokens[at - 2].end
        words = [reading.language for reading in self._readings]
        is_joined = joined and any(self._tokens.among(at - 1, language.joining) for language in words)
        is_either = joined and any(self._tokens.among(at - 1, language.either) for language in words)
        before = self._new.pop() if is_joined else None
        match before, part:
            case (PersonPart(negated=False), PersonPart(negated=False)) if is_either:
                ids = tuple(dict.fromkeys((*before.ids, *part.ids)))
                name = f"{before.name} / {part.name}"
                self._new.append(replace(before, end=part.end, ids=ids, name=name))
            case PlacePart(negated=False), PlacePart(negated=False):
                ids = tuple(dict.fromkeys((*before.ids, *part.ids)))
                names = tuple(dict.fromkeys((*before.names, *part.names)))
                near = before.near or part.near
                self._new.append(replace(before, end=part.end, ids=ids, names=names, near=near))
            case MediaPart(negated=False), MediaPart(negated=False) if before.media != part.media:
                whole = range(before.start, part.end)
                self._unclaimed |= {token.start for token in self._tokens if token.start in whole}
            case _:
                self._new += [before, part] if before else [part]

    def _after_a_person(self, at: int) -> bool:
        """Whether a person and an `and` stand before this token."""
        if at < 2 or not self._new or not isinstance(self._new[-1], PersonPart):
            return False
        return self._new[-1].end == self._tokens[at - 2].end and any(
            self._tokens[at - 1].folded in reading.language.joining for reading in self._readings
        )
