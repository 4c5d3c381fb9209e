"""Every kind of part that may begin at a word, in one language; the longest is what is meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from models.search.cameras import Cameras, camera_at
from models.search.dates import Dates
from models.search.languages.language import Language
from models.search.names import Names
from models.search.people import person_at
from models.search.places import is_led_to as is_led_to_a_place
from models.search.places import place_at
from models.search.query import FacesPart, MediaPart, Part, WritingPart
from models.search.remainder import is_leading
from models.search.spans import Hemisphere
from models.search.things import things_at
from models.search.words import Line

_FILLERS_AFTER_NOT: Final = 3

Found = tuple[int, Part]
"""Where a part ends, as the place of a token, and the part."""


@dataclass(frozen=True, slots=True)
class Library:
    """What is the same for every reading of a text."""

    today: date
    hemisphere: Hemisphere
    people: Names
    places: Names
    cameras: Cameras


class Reading:
    """Every kind of part, at places of the tokens, in one language."""

    def __init__(
        self,
        found: Line,
        language: Language,
        library: Library,
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
        opens = language.media_opens | language.joining | language.media.first_words()
        self._opening = next(
            (at for at, token in enumerate(found) if token.word and token.folded not in opens),
            len(found),
        )
        said = [at for at, token in enumerate(found) if not is_leading(token)] or list(range(len(found)))
        self._first_said, self._last_said = (said[0], said[-1]) if said else (0, 0)

    def best(self, at: int, after_a_person: bool) -> Found | None:
        """The longest part that begins here; of equals the first kind, and what the words around say."""
        date_found = self._date(at)
        person = self._person(at, after_a_person)
        place = self._place(at)
        kinds: list[Found | None] = [date_found, person, place]
        if person and place and is_led_to_a_place(self._tokens, at, self.language):
            kinds = [date_found, place, person]
        if date_found and not self._dates.is_led_to(at):
            kinds = [*(kind for kind in kinds if kind is not date_found), date_found]
        kinds += [self._camera(at), self._faces(at), self._writing(at), self._media(at), self._things(at)]
        return max((kind for kind in kinds if kind), key=lambda kind: kind[0], default=None)

    def excluded(self, at: int) -> Found | None:
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

    def joined_exclusion(self, at: int, part: Part) -> tuple[int, Found] | None:
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

    def _excludable(self, at: int) -> Found | None:
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

    def _date(self, at: int) -> Found | None:
        return self._dates.at(at, alone=self._alone(at))

    def _person(self, at: int, after_a_person: bool) -> Found | None:
        return person_at(
            self._tokens,
            at,
            self._people,
            self.language,
            alone=self._alone(at),
            after_a_person=after_a_person,
        )

    def _place(self, at: int) -> Found | None:
        return place_at(
            self._tokens,
            at,
            self._places,
            self.language,
            ends_a_phrase=lambda end: self._dates.ends_a_phrase(end) or bool(self._person(end, False)),
        )

    def _camera(self, at: int) -> Found | None:
        return camera_at(
            self._tokens, at, self._cameras, self.language, ends_a_phrase=self._dates.ends_a_phrase
        )

    def _faces(self, at: int) -> Found | None:
        phrase = self.language.with_faces.at(self._tokens.run(at))
        if not phrase or not self._dates.ends_a_phrase(phrase[0]):
            return None
        return phrase[0], self._part(FacesPart, at, phrase[0])

    def _writing(self, at: int) -> Found | None:
        phrase = self.language.with_writing.at(self._tokens.run(at))
        return (phrase[0], self._part(WritingPart, at, phrase[0])) if phrase else None

    def _media(self, at: int) -> Found | None:
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

    def _media_word(self, at: int) -> Found | None:
        phrase = self.language.media.at(self._tokens.run(at))
        if not phrase:
            return None
        end, media = phrase
        return end, MediaPart(start=self._tokens[at].start, end=self._tokens[end - 1].end, media=media)

    def _things(self, at: int) -> Found | None:
        return things_at(self._tokens, at, self.language)

    def _part(self, kind: Callable[..., Part], at: int, end: int, *, negated: bool = False) -> Part:
        return kind(start=self._tokens[at].start, end=self._tokens[end - 1].end, negated=negated)

    def _alone(self, at: int) -> int:
        """Where a part from here on ends if it is all that the text says; -1 if more comes before it."""
        return self._last_said + 1 if at == self._first_said else -1
