"""Contacts in words: Anna, Anna Schmidt, Anna's, Annas.

A name that is a word as well (Rose, Mark, Will) is read only with a capital letter, after a word such as
with, with an 's, beside another person, or if nothing else is asked for.
"""

from __future__ import annotations

from models.search.languages.language import Language, known_words
from models.search.names import Found, Names
from models.search.query import PersonPart
from models.search.words import APOSTROPHES, HYPHENS, Line, Run, joins, touch

_SHORTEST_GENITIVE = 4  # letters, so that Is and Das are nobody's


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
        if is_word and not found[at].capital and not is_led_to(found, at, language):
            return None
    part = PersonPart(start=found[at].start, end=found[end - 1].end, ids=name.ids, name=name.name)
    return end, part


def is_led_to(found: Line, at: int, language: Language) -> bool:
    """Whether a word before this token says that a person follows."""
    return at > 0 and found[at - 1].folded in language.with_someone


def _name_at(found: Line, at: int, people: Names, language: Language) -> tuple[Found | None, int, bool]:
    run = found.run(at)
    name = people.at(run)
    in_genitive = people.at(_without_genitive(run, language)) if language.genitive else None
    if in_genitive and (not name or in_genitive.words > name.words):
        return in_genitive, in_genitive.end, True
    if not name:
        return None, at, False
    end = name.end
    if end < len(found) and found[end].text in APOSTROPHES and touch(found, end - 1):
        if touch(found, end) and found[end + 1].folded == "s":
            return name, end + 2, True
        if not touch(found, end) and found[end - 1].folded[-1] in "sxz":
            return name, end + 1, True
    return name, end, False


def _without_genitive(run: Run, language: Language) -> Run:
    """The run in which a name's last word may stand for its genitive: each word that ends in s, without."""
    return Run(
        tuple(_stem(word, language) for word in run.folded),
        tuple(_stem(word, language) for word in run.plain),
        run.ends,
    )


def _stem(word: str, language: Language) -> str:
    is_genitive = (
        len(word) >= _SHORTEST_GENITIVE and word[-1] == "s" and word[:-1] not in language.common_names
    )
    return word[:-1] if is_genitive else word


def _is_within_a_word(found: Line, at: int, end: int) -> bool:
    """Whether a hyphen ties the name to another word, as in Anna-Lena."""
    if at and found[at - 1].text in HYPHENS and joins(found, at - 1):
        return True
    return end < len(found) and found[end].text in HYPHENS and joins(found, end)
