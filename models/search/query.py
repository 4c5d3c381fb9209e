"""The understanding of a query: its parts, each of which a person sees and may take out, and what is left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, ClassVar

from models.search.remainder import remainder

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A condition that the text sets, in its code points from `start` to before `end`."""

    start: int
    end: int
    negated: bool = False
    kind: ClassVar[str]

    @property
    def stays(self) -> bool:
        """Whether the words also stay in what is left for the vector."""
        return False

    def facts(self) -> Json:
        """What the kind of part says, beside where it stands."""
        return {}

    def as_json(self) -> Json:
        """The part as SQL and apps read it."""
        return {
            "kind": self.kind,
            "from": self.start,
            "to": self.end,
            "not": self.negated,
            **self.facts(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DatePart(Part):
    """Local days from `since` to before `before`, and in them only these months, weekdays and hours.

    None and empty are no condition. Months count from 1, weekdays from 1 (Monday), hours from 0 to 23.
    """

    kind = "date"
    since: date | None = None
    before: date | None = None
    months: tuple[int, ...] = ()
    weekdays: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()

    def facts(self) -> Json:
        """Only the conditions there are."""
        facts: Json = {}
        if self.since:
            facts["since"] = self.since.isoformat()
        if self.before:
            facts["before"] = self.before.isoformat()
        for name, numbers in (("months", self.months), ("weekdays", self.weekdays), ("hours", self.hours)):
            if numbers:
                facts[name] = list(numbers)
        return facts


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonPart(Part):
    """Any of these contacts, who share the name, or whom `or` joins."""

    kind = "person"
    ids: tuple[str, ...]
    name: str

    def facts(self) -> Json:
        """The ids, and the name as the library writes it."""
        return {"ids": list(self.ids), "name": self.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacePart(Part):
    """Any of these places of the library, or what is `near` one of them."""

    kind = "place"
    ids: tuple[str, ...]
    names: tuple[str, ...]
    near: bool = False

    def facts(self) -> Json:
        """The names that they are shown by, the first alone too, their ids if any, and if nearby counts."""
        facts: Json = {"name": self.names[0], "names": list(self.names)}
        if self.ids:
            facts["ids"] = list(self.ids)
        if self.near:
            facts["near"] = True
        return facts


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingsPart(Part):
    """At least so many objects of a COCO class. A `hint` is evidence for the ranking and excludes nothing."""

    kind = "things"
    name: str
    least: int = 1
    hint: bool = False

    @property
    def stays(self) -> bool:
        """Whether the picture is to show the thing: a vector knows nothing of `without`."""
        return not self.negated

    def facts(self) -> Json:
        """The class, how many at least, and whether it is a hint only."""
        facts: Json = {"class": self.name, "least": self.least}
        return facts | {"hint": True} if self.hint else facts


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPart(Part):
    """Words in quotes, which must stand in the picture, its caption, its file's name or a tag."""

    kind = "text"
    text: str

    def facts(self) -> Json:
        """The words without the quotes."""
        return {"text": self.text}


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaPart(Part):
    """`photo` or `video`."""

    kind = "media"
    media: str

    def facts(self) -> Json:
        """Which of the two."""
        return {"media": self.media}


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraPart(Part):
    """Any of these cameras of the library, by the names they have there."""

    kind = "camera"
    name: str
    """What they have in common: Canon."""
    names: tuple[str, ...]

    def facts(self) -> Json:
        """What was named, and every camera that it may be."""
        return {"name": self.name, "names": list(self.names)}


@dataclass(frozen=True, slots=True, kw_only=True)
class FacesPart(Part):
    """Pictures with faces; negated, pictures without."""

    kind = "faces"


@dataclass(frozen=True, slots=True, kw_only=True)
class WritingPart(Part):
    """Pictures with text in them; negated, pictures without."""

    kind = "writing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What a text asks for: parts in its order, which all must hold, and the rest of its words.

    `passed_over` are the starts of words that say nothing (photos and videos), or that belong to nothing once
    the parts are cut out.
    """

    text: str
    language: str
    parts: tuple[Part, ...]
    passed_over: frozenset[int] = frozenset()

    @property
    def semantic(self) -> str:
        """The words left for a vector, with what is said of things; empty if no vector is needed."""
        cut = [(part.start, part.end) for part in self.parts if not part.stays]
        return remainder(self.text, cut, self.passed_over)

    def without(self, indices: Iterable[int]) -> Understood:
        """The same without these parts, whose words are left for the vector again; unknown ones are none."""
        taken = set(indices)
        kept = tuple(part for index, part in enumerate(self.parts) if index not in taken)
        given_back = {
            start
            for start in self.passed_over
            for index, part in enumerate(self.parts)
            if index in taken and part.start <= start < part.end
        }
        return replace(self, parts=kept, passed_over=self.passed_over - given_back)

    def as_json(self) -> Json:
        """The understanding as SQL and apps read it."""
        return {
            "text": self.text,
            "language": self.language,
            "parts": [part.as_json() for part in self.parts],
            "semantic": self.semantic,
        }
