"""The words of one language that the readers of dates, people, places and things look for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from models.search.words import Phrases

MORNING, FORENOON, NOON = tuple(range(5, 12)), tuple(range(8, 12)), (11, 12, 13)
AFTERNOON, EVENING = tuple(range(12, 18)), tuple(range(17, 22))
NIGHT = (20, 21, 22, 23, 0, 1, 2, 3, 4)
MIDNIGHT = (23, 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Language:
    """One language's tables. Every word in them is folded, and every phrase is found by its first words."""

    code: str
    nouns_stand_apart: bool
    """Whether a word may say of what kind the next one is (a Christmas tree); German writes both as one."""
    day_first: bool
    """Whether 3/6/2024 is in June."""

    leading: frozenset[str]
    """Words that say nothing without what follows them; they go when that is cut out."""
    trailing: frozenset[str]
    """Words that say nothing without what stands before them."""
    articles: frozenset[str]
    joining: frozenset[str]
    """and, or"""
    either: frozenset[str]
    """or"""
    pronouns: frozenset[str]
    """The speaker, who is no name, and others that are none."""

    # dates
    in_dates: frozenset[str]
    """Words after which a doubtful word is a date: in fall, during spring."""
    of_dates: frozenset[str]
    """Words between parts of a date: the 3rd of June in 2019."""
    numbers: dict[str, int]
    ordinals: dict[str, int]
    ordinal_endings: frozenset[str]
    months: dict[str, int]
    short_months: dict[str, int]
    """Read only beside a number."""
    weekdays: dict[str, int]
    every_weekday: Phrases[tuple[int, ...]]
    weekend: Phrases[None]
    seasons: dict[str, str]
    doubtful: frozenset[str]
    """Months and weekdays that mean something else as well, and are dates only where the words say so."""
    units: dict[str, str]
    """day, week, month, year, decade"""
    this: frozenset[str]
    last: frozenset[str]
    before_last: Phrases[None]
    ago: frozenset[str]
    """After a length of time: 3 days ago."""
    ago_before: frozenset[str]
    """Before a length of time: vor 3 Tagen."""
    couple: Phrases[int]
    """How many at most in a length of time that nobody counted, and at least 2: a few weeks ago."""
    days: Phrases[tuple[int, tuple[int, ...]]]
    """Days counted back from today, and their hours."""
    hours: Phrases[tuple[int, ...]]
    """Times of the day that need nothing before them: in the morning."""
    hours_of_a_day: dict[str, tuple[int, ...]]
    """Times of the day after a day: yesterday morning."""
    holidays: Phrases[str]
    thirds: Phrases[int]
    """early, mid, late: 0, 1, 2"""
    decades: dict[str, int]
    decade_endings: frozenset[str]
    years: frozenset[str]
    """year, years: before or after what is counted in them."""
    quarters: frozenset[str]
    range_opens: Phrases[bool]
    """from and between; True if an `and` follows."""
    range_goes_on: Phrases[None]
    since: Phrases[None]
    before: Phrases[None]
    after: Phrases[None]
    until: Phrases[None]
    onwards: Phrases[None]
    """After what `from` opened: from 2020 on."""
    or_earlier: Phrases[None]
    or_later: Phrases[None]
    """After a date, which then is the last or the first."""
    past: frozenset[str]
    """Before a length of time that ends today: the last 2 weeks."""

    # people and places
    with_someone: frozenset[str]
    """Words before a person."""
    in_places: frozenset[str]
    near: frozenset[str]
    """Words before a place that mean around it."""
    genitive: bool
    """Whether a name takes an s without an apostrophe."""
    common_names: frozenset[str]
    """Names that are words as well, which need a capital letter or a word before them."""
    titles: frozenset[str]
    """First words of a contact's name that name nobody."""

    # the rest
    negations: Phrases[None]
    fillers: frozenset[str]
    """Words that may stand between a negation and what it negates."""
    nobody: Phrases[None]
    people: Phrases[None]
    """What `without` excludes when it excludes everybody."""
    with_faces: Phrases[None]
    writing: Phrases[None]
    """What `without` excludes when it excludes text."""
    with_writing: Phrases[None]
    media: Phrases[str]
    media_opens: frozenset[str]
    """Words that may stand before what kind of file is asked for: show me all photos."""
    media_goes_on: frozenset[str]
    """Words after a kind of file: photos of, videos from."""
    taken_with: Phrases[None]
    by_camera: Phrases[None]
    """Before a kind of camera, or somebody or something else: from my, with the."""
    taken: frozenset[str]
    """After a camera: mit dem iPhone aufgenommen."""
    things: Phrases[str]
    doubtful_things: frozenset[str]
    """Words that are things only when they are counted: orange."""
    compounds: dict[str, str]
    """Endings of words that are things of a kind: Schäferhund."""
    no_compounds: frozenset[str]
    adjectives: frozenset[str]
    """Words that may stand between a number and a thing."""
    quantities: Phrases[int]
    """How many things at least: a couple of."""
    at_least: Phrases[int]
    """Before a number: what to add to it for the least."""
    at_most: Phrases[None]
    """Before a length of time: less than a week ago."""
    measures: frozenset[str]
    """After a number that is therefore no year: 2000 people."""


@cache
def known_words(language: Language) -> frozenset[str]:
    """Every word that a text in this language shows it by."""
    listed: list[frozenset[str] | set[str]] = [
        language.leading,
        language.trailing,
        language.articles,
        language.joining,
        language.pronouns,
        language.in_dates,
        language.with_someone,
        language.in_places,
        language.near,
        language.this,
        language.last,
        language.ago,
        language.ago_before,
        language.fillers,
        language.media_opens,
        language.adjectives,
        {*language.numbers, *language.ordinals, *language.months, *language.weekdays, *language.seasons},
        {*language.units, *language.decades, *language.hours_of_a_day},
        *(
            phrases.first_words()
            for phrases in (
                language.days,
                language.hours,
                language.thirds,
                language.holidays,
                language.negations,
                language.nobody,
                language.people,
                language.media,
                language.every_weekday,
                language.weekend,
                language.things,
            )
        ),
    ]
    return frozenset(word for word in frozenset[str]().union(*listed) if not word.isdigit())
