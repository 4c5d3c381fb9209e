"""Waiting for a project that does not answer: for how long, and what is said meanwhile."""

from __future__ import annotations

import math

from tenacity import RetryCallState

from worker.core.errors import DatabaseUnavailable, ProjectUnreachable

TELL_AFTER_TRIES = 2
"""One lost answer is nothing to speak of."""
TELL_SECONDS = 30.0


def may_pass(error: BaseException, *, patient: bool) -> bool:
    """Whether trying again may help; who is not `patient` is told at once when somebody else answers."""
    return isinstance(error, DatabaseUnavailable) and (patient or not isinstance(error, ProjectUnreachable))


class Waiting:
    """Says that a call waits for the project: soon, and then now and again."""

    def __init__(self, function: str, within: float) -> None:
        self._function = function
        self._within = within
        self._told = 0.0

    def tell(self, state: RetryCallState) -> None:
        """Log the last failure, if the first or long after the last that was logged."""
        waited = state.seconds_since_start or 0.0
        if state.attempt_number < TELL_AFTER_TRIES or waited < self._told:
            return
        self._told = waited + TELL_SECONDS
        import structlog  # which a quick command never needs

        structlog.get_logger().warning(
            "waiting for the project",
            call=self._function,
            tries=state.attempt_number,
            waited=round(waited, 1),
            until="it answers" if math.isinf(self._within) else f"{self._within:g} s have passed",
            reason=str(state.outcome.exception()) if state.outcome else None,
        )
