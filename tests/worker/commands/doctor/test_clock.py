"""How far a clock is off, when the answer took its time."""

from __future__ import annotations

import pytest

from worker.commands.doctor.clock import check_clock, seconds_off

DATE = "Sun, 29 Nov 2026 12:00:00 GMT"
SERVER = 1_795_953_600.0


@pytest.mark.parametrize(
    ("asked", "answered", "off"),
    [
        (0, 0.1, 0),  # the same second
        (-5, 5, 0),  # a slow answer leaves that much open
        (0.9, 0.95, 0),  # the header has whole seconds
        (61, 61.2, 60),  # ahead
        (-60.3, -60, -60),  # behind
        (61, 91, 60),  # ahead, whatever the answer took
    ],
)
def test_only_what_the_round_trip_cannot_explain_counts(asked: float, answered: float, off: float) -> None:
    assert seconds_off(asked=SERVER + asked, answered=SERVER + answered, date=DATE) == pytest.approx(off)


@pytest.mark.parametrize(
    ("ahead", "state", "says"),
    [
        (0, "ok", "agrees"),
        (25, "ok", "agrees"),
        (90, "warning", "89 s ahead of"),
        (-90, "warning", "90 s behind"),
    ],
)
def test_a_clock_that_is_off_is_named(ahead: float, state: str, says: str) -> None:
    check = check_clock(asked=SERVER + ahead, answered=SERVER + ahead, date=DATE)
    assert check.state == state
    assert says in check.text


def test_an_answer_without_a_date_says_so() -> None:
    assert check_clock(asked=0, answered=0, date="").state == "warning"
