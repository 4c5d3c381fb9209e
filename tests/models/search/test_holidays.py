"""Days that move, against calendars."""

from __future__ import annotations

from datetime import date

import pytest

from models.search.holidays import HOLIDAYS, easter_sunday
from models.search.languages import LANGUAGES


@pytest.mark.parametrize(
    "day",
    ["1818-03-22", "1943-04-25", "1961-04-02", "2000-04-23", "2008-03-23", "2011-04-24", "2024-03-31"],
)
def test_easter_is_when_it_was(day: str) -> None:
    assert easter_sunday(date.fromisoformat(day).year) == date.fromisoformat(day)


@pytest.mark.parametrize(
    ("holiday", "first", "last"),
    [
        ("thanksgiving", "2023-11-23", "2023-11-23"),
        ("thanksgiving", "2024-11-28", "2024-11-28"),
        ("mothers_day", "2022-05-08", "2022-05-08"),
        ("fathers_day", "2025-06-15", "2025-06-15"),
        ("memorial_day", "2021-05-31", "2021-05-31"),
        ("labor_day", "2025-09-01", "2025-09-01"),
        ("advent", "2022-11-27", "2022-12-24"),
        ("advent", "2023-12-03", "2023-12-24"),
        ("ascension", "2008-05-01", "2008-05-01"),
        ("pentecost", "2024-05-19", "2024-05-20"),
        ("carnival", "2024-02-08", "2024-02-13"),
        ("ash_wednesday", "2024-02-14", "2024-02-14"),
        ("new_year", "2023-12-31", "2024-01-01"),
    ],
)
def test_holiday_is_when_it_was(holiday: str, first: str, last: str) -> None:
    span = HOLIDAYS[holiday](date.fromisoformat(last).year)

    assert span
    assert (str(span[0]), (span[1] - span[0]).days) == (
        first,
        (date.fromisoformat(last) - date.fromisoformat(first)).days + 1,
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_holiday_of_a_language_has_its_days(language: str) -> None:
    assert set(LANGUAGES[language].holidays.meanings.values()) <= set(HOLIDAYS)


def test_every_holiday_has_a_word() -> None:
    words = {key for language in LANGUAGES.values() for key in language.holidays.meanings.values()}

    assert words == set(HOLIDAYS)
