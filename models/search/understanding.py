"""From a text to what it asks for: the longest condition at each word, from left to right.

What is found is cut out, and the rest is read again until nothing more is found: what is left says no date
and nobody's name, however the words came together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from models.search.dates import Dates
from models.search.languages import LANGUAGES
from models.search.languages.language import Language, known_words
from models.search.names import Known, Names
from models.search.people import person_at
from models.search.places import is_led_to as is_led_to_a_place
from models.search.places import place_at
from models.search.query import (
    CameraPart,
    DatePart,
    FacesPart,
    MediaPart,
    Part,
    PersonPart,
    TextPart,
    ThingsPart,
    Understood,
    WritingPart,
)
from models.search.quotes import quoted
from models.search.remainder import is_leading, left
from models.search.spans import Hemisphere
from models.search.things import things_at
from models.search.words import Line, tokens

LONGEST_TEXT: Final = 500
"""Code points of a query."""
_DEFAULT_LANGUAGE: Final = "en"
_FILLERS_AFTER_NOT: Final = 3
_MOST_PASSES: Final = 8
"""Over one text; a person's is read in two or three."""

_Found = tuple[int, Part]


def understand(
    text: str,
    *,
    today: date,
    hemisphere: Hemisphere = "north",
    people: Names | Iterable[Known] = (),
    places: Names | Iterable[Known] = (),
    cameras: Names | Iterable[str] = (),
    language: str | None = None,
) -> Understood:
    """What the text asks for on the day that it is `today` where the person is.

    Who asks often gives `Names` made once by `people_names`, `place_names` and `camera_names`.

    Args:
        text: At most 500 code points.
        today: Dates are local days of the zone in which it is this day.
        hemisphere: Where summer is from June (north) or from December (south).
        people: The contacts.
        places: The places of the library.
        cameras: The cameras of the library.
        language: The code of the language that decides when the text does not; an unknown one is none.

    Raises:
        ValueError: the text is too long.
    """
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"a query has at most {LONGEST_TEXT} characters, this one has {len(text)}")
    found = Line(tokens(text))
    library = _Library(
        today,
        hemisphere,
        people_names(people),
        place_names(places),
        camera_names(cameras),
    )
    parts = _quoted(text, found, languages_of(found, language))
    passed_over: set[int] = set()
    for _ in range(_MOST_PASSES):
        rest = Line(left(found, [(part.start, part.end) for part in parts if not part.stays], passed_over))
        # What is left is read in its own language, as it would be if nothing else had been asked.
        new, unclaimed = _Pass(rest, languages_of(rest, language), library, parts).read()
        if not new and not unclaimed:
            break
        replaced = _points(new)
        parts = [part for part in parts if part.start not in replaced and part.end - 1 not in replaced] + new
        passed_over |= unclaimed
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


def camera_names(cameras: Names | Iterable[str]) -> Names:
    """The cameras by their names, and by what follows the maker's if that holds a letter and two words."""
    if isinstance(cameras, Names):
        return cameras
    known = []
    for camera in cameras:
        _, _, model = camera.strip().partition(" ")
        names = (camera, model) if " " in model.strip() and any(map(str.isalpha, model)) else (camera,)
        known.append(Known(ids=(camera,), names=names))
    return Names(known)


def languages_of(found: Line, asked: str | None = None) -> tuple[Language, ...]:
    """The language that has most of the words; of several that have as many all, the one asked for first."""
    scores = {
        code: sum(token.folded in known_words(language) for token in found)
        for code, language in LANGUAGES.items()
    }
    first = asked if asked in LANGUAGES else _DEFAULT_LANGUAGE
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


@dataclass(frozen=True, slots=True)
class _Library:
    """What is the same for every reading of a text."""

    today: date
    hemisphere: Hemisphere
    people: Names
    places: Names
    cameras: Names


class _Pass:
    """One way over the tokens that are left, for parts that are new."""

    def __init__(
        self, found: Line, languages: Sequence[Language], library: _Library, known: Sequence[Part]
    ) -> None:
        self._tokens = found
        apart = any(language.nouns_stand_apart for language in languages)
        self._readings = [
            _InLanguage(found, language, library, nouns_stand_apart=apart) for language in languages
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

    def _take(self, at: int, found: _Found) -> int | None:
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
        self._new.append(part)
        return end

    def _after_a_person(self, at: int) -> bool:
        """Whether a person and an `and` stand before this token."""
        if at < 2 or not self._new or not isinstance(self._new[-1], PersonPart):
            return False
        return self._new[-1].end == self._tokens[at - 2].end and any(
            self._tokens[at - 1].folded in reading.language.joining for reading in self._readings
        )


class _InLanguage:
    """Every kind of part, at places of the tokens, in one language."""

    def __init__(
        self,
        found: Line,
        language: Language,
        library: _Library,
        *,
        nouns_stand_apart: bool,
    ) -> None:
        self.language = language
        self._tokens = found
        self._dates = Dates(
            found,
            language,
            today=library.today,
            hemisphere=library.hemisphere,
            nouns_stand_apart=nouns_stand_apart,
        )
        self._people = library.people
        self._places = library.places
        self._cameras = library.cameras
        self._opening = next(
            (at for at, token in enumerate(found) if token.word and token.folded not in language.media_opens),
            len(found),
        )
        said = [at for at, token in enumerate(found) if not is_leading(token)]
        self._first_said, self._last_said = (said[0], said[-1]) if said else (-1, -1)

    def best(self, at: int, after_a_person: bool) -> _Found | None:
        """The longest part that begins here; of equals the first kind, and what the words around say."""
        date_found = self._date(at)
        person = self._person(at, after_a_person)
        place = self._place(at)
        kinds: list[_Found | None] = [date_found, person, place]
        if person and place and is_led_to_a_place(self._tokens, at, self.language):
            kinds = [date_found, place, person]
        if date_found and not self._dates.is_led_to(at):
            kinds = [*(kind for kind in kinds if kind is not date_found), date_found]
        kinds += [self._camera(at), self._faces(at), self._writing(at), self._media(at), self._things(at)]
        return max((kind for kind in kinds if kind), key=lambda kind: kind[0], default=None)

    def excluded(self, at: int) -> _Found | None:
        """What is excluded from this token on, the word that excludes it included."""
        run = self._tokens.run(at)
        if nobody := self.language.nobody.at(run):
            return nobody[0], self._part(FacesPart, at, nobody[0], negated=True)
        negation = self.language.negations.at(run)
        if not negation:
            return None
        start = negation[0]
        for _ in range(_FILLERS_AFTER_NOT):
            reading = self._excludable(start)
            if reading:
                end, part = reading
                return end, replace(part, start=self._tokens[at].start, negated=True)
            if start >= len(self._tokens) or self._tokens[start].folded not in self.language.fillers:
                return None
            start += 1
        return None

    def joined_exclusion(self, at: int, part: Part) -> tuple[int, _Found] | None:
        """What an `and` adds to what was excluded, and where it begins."""
        if at >= len(self._tokens):
            return None
        if self._tokens[at].folded not in self.language.joining and self._tokens[at].text != ",":
            return None
        start = at + 1
        if start < len(self._tokens) and self._tokens[start].folded in self.language.articles:
            start += 1
        reading = self._excludable(start)
        if not reading or type(reading[1]) is not type(part):
            return None
        return start, (reading[0], replace(reading[1], negated=True))

    def _excludable(self, at: int) -> _Found | None:
        if at >= len(self._tokens):
            return None
        run = self._tokens.run(at)
        for phrases, kind in ((self.language.people, FacesPart), (self.language.writing, WritingPart)):
            if phrase := phrases.at(run):
                return phrase[0], self._part(kind, at, phrase[0])
        readings = [
            self._date(at),
            person_at(
                self._tokens, at, self._people, self.language, alone=self._alone(at), after_a_person=True
            ),
            self._place(at),
            self._camera(at),
            self._media_word(at),
            things_at(self._tokens, at, self.language, negated=True),
        ]
        return max((reading for reading in readings if reading), key=lambda reading: reading[0], default=None)

    def _date(self, at: int) -> _Found | None:
        return self._dates.at(at, alone=self._alone(at))

    def _person(self, at: int, after_a_person: bool) -> _Found | None:
        return person_at(
            self._tokens,
            at,
            self._people,
            self.language,
            alone=self._alone(at),
            after_a_person=after_a_person,
        )

    def _place(self, at: int) -> _Found | None:
        return place_at(
            self._tokens, at, self._places, self.language, ends_a_phrase=self._dates.ends_a_phrase
        )

    def _camera(self, at: int) -> _Found | None:
        run = self._tokens.run(at)
        led = self.language.taken_with.at(run)
        start = led[0] if led else at
        if led and start < len(self._tokens) and self._tokens[start].folded in self.language.articles:
            start += 1
        name = self._cameras.at(self._tokens.run(start))
        if not name:
            return None
        end = name.end
        if end < len(self._tokens) and self._tokens[end].folded in self.language.taken:
            end += 1
        return end, CameraPart(start=self._tokens[at].start, end=self._tokens[end - 1].end, name=name.ids[0])

    def _faces(self, at: int) -> _Found | None:
        phrase = self.language.with_faces.at(self._tokens.run(at))
        if not phrase or not self._dates.ends_a_phrase(phrase[0]):
            return None
        return phrase[0], self._part(FacesPart, at, phrase[0])

    def _writing(self, at: int) -> _Found | None:
        phrase = self.language.with_writing.at(self._tokens.run(at))
        return (phrase[0], self._part(WritingPart, at, phrase[0])) if phrase else None

    def _media(self, at: int) -> _Found | None:
        """Photos or videos, where the text asks for such and does not show one: photos of, all videos."""
        reading = self._media_word(at)
        if not reading:
            return None
        end = reading[0]
        opens = at <= self._opening
        is_last = end == len(self._tokens)
        goes_on = not is_last and (
            self._tokens[end].punctuation or self._tokens[end].folded in self.language.media_goes_on
        )
        if is_last:
            before = self._tokens[at - 1].folded if at else ""
            return reading if opens or before not in self.language.articles else None
        return (
            reading
            if opens and (goes_on or self._dates.at(end, alone=-1) or self._person(end, False))
            else None
        )

    def _media_word(self, at: int) -> _Found | None:
        phrase = self.language.media.at(self._tokens.run(at))
        if not phrase:
            return None
        end, media = phrase
        return end, MediaPart(start=self._tokens[at].start, end=self._tokens[end - 1].end, media=media)

    def _things(self, at: int) -> _Found | None:
        return things_at(self._tokens, at, self.language)

    def _part(self, kind: Callable[..., Part], at: int, end: int, *, negated: bool = False) -> Part:
        return kind(start=self._tokens[at].start, end=self._tokens[end - 1].end, negated=negated)

    def _alone(self, at: int) -> int:
        """Where a part from here on ends if it is all that the text says; -1 if more comes before it."""
        return self._last_said + 1 if self._first_said in {-1, at} else -1
