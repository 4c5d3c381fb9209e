from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from worker.core.errors import (
    AuthFailed,
    DatabaseUnavailable,
    InternalError,
    ProjectUnreachable,
    StorageUnavailable,
)
from worker.project.waiting import Waiting, may_pass


@pytest.mark.parametrize(
    ("error", "patient", "passes"),
    [
        (DatabaseUnavailable(), True, True),
        (DatabaseUnavailable(), False, True),
        (ProjectUnreachable("f", "HTTP 404"), True, True),
        (ProjectUnreachable("f", "HTTP 404"), False, False),
        (StorageUnavailable(), True, False),
        (InternalError(), True, False),
        (AuthFailed(), True, False),
        (ValueError(), True, False),
    ],
)
def test_only_an_outage_may_pass(error: Exception, patient: bool, passes: bool) -> None:
    assert may_pass(error, patient=patient) is passes


def logged(within: float, *tries: tuple[int, float]) -> list[Any]:
    """What is logged when these tries, after so many seconds, have failed."""
    waiting = Waiting("claim_jobs", within)
    with capture_logs() as logs:
        for number, seconds in tries:
            outcome = SimpleNamespace(exception=lambda: DatabaseUnavailable("no answer"))
            state: Any = SimpleNamespace(attempt_number=number, seconds_since_start=seconds, outcome=outcome)
            waiting.tell(state)
    return logs


@pytest.mark.parametrize(
    ("tries", "told"),
    [
        ([(1, 0.1)], []),  # one lost answer is nothing to speak of
        ([(1, 0.1), (2, 0.5)], [2]),
        ([(2, 0.5), (3, 1.5), (9, 30.4)], [2]),
        ([(2, 0.5), (3, 1.5), (9, 30.6), (10, 60.0), (12, 61.0)], [2, 9, 12]),
        ([(1, 45.0), (2, 90.0)], [2]),
    ],
)
def test_waiting_is_told_soon_and_then_now_and_again(tries: list[tuple[int, float]], told: list[int]) -> None:
    assert [entry["tries"] for entry in logged(60, *tries)] == told


@pytest.mark.parametrize(
    ("within", "until"), [(math.inf, "it answers"), (60.0, "60 s have passed"), (0.5, "0.5 s have passed")]
)
def test_it_says_for_what_and_until_when(within: float, until: str) -> None:
    [entry] = logged(within, (2, 1.26))
    assert entry == {
        "event": "waiting for the project",
        "log_level": "warning",
        "call": "claim_jobs",
        "tries": 2,
        "waited": 1.3,
        "until": until,
        "reason": "no answer",
    }
