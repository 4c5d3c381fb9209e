from uuid import uuid4

import pytest

from worker.core.errors import Unreadable
from worker.core.job import Failed, Job, Retry
from worker.core.retry import RetryPolicy, as_job_error

POLICY = RetryPolicy(base_seconds=4, cap_seconds=900)


def job(attempt: int) -> Job:
    return Job(table="t", id=uuid4(), kind="k", user_id=uuid4(), epoch=1, attempt=attempt, max_attempts=20)


@pytest.mark.parametrize(
    ("attempt", "jitter", "seconds"),
    [
        (1, 1.0, 4),  # base
        (2, 1.0, 8),  # doubles
        (3, 0.5, 8),  # half of 16
        (3, 0.0, 0),  # full jitter reaches down to nothing
        (9, 1.0, 900),  # 1024, capped
        (10_000, 1.0, 900),  # no overflow
    ],
)
def test_delay_doubles_up_to_its_cap(attempt: int, jitter: float, seconds: float) -> None:
    assert POLICY.delay(attempt, jitter=jitter) == seconds


def test_a_transient_error_is_retried_later() -> None:
    assert POLICY.outcome_of(TimeoutError(), job(2), jitter=0.5) == Retry(
        code="timeout", message="The job took longer than its kind allows.", delay_seconds=4
    )


def test_a_permanent_error_fails_at_once() -> None:
    assert POLICY.outcome_of(Unreadable("cut off"), job(1), jitter=0.5) == Failed(
        code="unreadable", message="cut off"
    )


def test_a_foreign_exception_keeps_its_text_to_itself() -> None:
    error = as_job_error(ValueError("https://x/?token=secret"))
    assert "secret" not in str(error)
    assert "ValueError" in str(error)


def test_messages_are_cut_to_what_the_apps_expect() -> None:
    outcome = POLICY.outcome_of(Unreadable("x" * 5000), job(1), jitter=0)
    assert isinstance(outcome, Failed)
    assert len(outcome.message) == 500
