"""Contacts in words: Anna, Anna Schmidt, Anna's, Annas.

A name that is a word as well (Rose, Mark, Will) is read only with a capital letter, after a word such as
with, with an 's, beside another person, or if nothing else is asked for.
"""

from __future__ import annotations

from models.search.languages.language import Language, known_words
from models.search.names import Found, Names
from models.search.query import PersonPart
from models.search.words import APOSTROPHES, HYPHENS, Line, fold, joins, touch


def person_at(
    found: Line,
    at: int,
    people: Names,
    language: Language,
    *,
    alone: int,
    after_a_person: bool,
) -> tuple[int, PersonPart] | None:
    """The contact who is named from this token on, and where the name ends.

    `alone` is where it must end so that nothing else is asked for; `after_a_person` says that it stands
    after somebody and an `and`.
    """
    name, end, possessive = _name_at(found, at, people, language)
    if not name or _is_within_a_word(found, at, end):
        return None
    folded = found[at].folded
    if name.words == 1 and folded in language.pronouns:
        return None
    if name.words == 1 and not possessive and end != alone and not after_a_person:
        is_word = folded in language.common_names or folded in known_words(language)
        says_nothing = folded in language.leading  # An, In, Do: capitals where sentences begin
        if is_word and not is_led_to(found, at, language) and (says_nothing or not found[at].capital):
            return None
    part = PersonPart(start=found[at].start, end=found[end - 1].end, ids=name.ids, name=name.name)
    return end, part


def is_led_to(found: Line, at: int, language: Language) -> bool:
    """Whether a word before this token says that a person follows."""
    return at > 0 and found[at - 1].folded in language.with_someone


def _name_at(found: Line, at: int, people: Names, language: Language) -> tuple[Found | None, int, bool]:
    name = people.at(found.run(at), genitive=language.genitive)
    if not name or (name.genitive and name.words == 1 and fold(name.name) in language.common_names):
        return None, at, False
    end = name.end
    if end < len(found) and found[end].text in APOSTROPHES and touch(found, end - 1):
        if touch(found, end) and found[end + 1].folded == "s":
            return name, end + 2, True
        if not touch(found, end) and found[end - 1].folded[-1] in "sxz":
            return name, end + 1, True
    return name, end, name.genitive


def _is_within_a_word(found: Line, at: int, end: int) -> bool:
    """Whether a hyphen ties the name to another word, as in Anna-Lena."""
    if at and found[at - 1].text in HYPHENS and joins(found, at - 1):
        return True
    return end < len(found) and found[end].text in HYPHENS and joins(found, end)
