"""What an error means for a job: try again later, or give up."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from worker.core.errors import DiskFull, InternalError, JobError, OutOfMemory, TimedOut
from worker.core.job import Failed, Job, Retry

LONGEST_MESSAGE = 500
"""Characters of an error message that are stored on the job row, as the original apps expect."""


def as_job_error(error: BaseException) -> JobError:
    """The JobError for any exception; a library's loses its text, which may hold URLs or data."""
    match error:
        case JobError():
            return error
        case TimeoutError():
            return TimedOut()
        case MemoryError():
            return OutOfMemory()
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return DiskFull()
        case _:
            return InternalError(f"{type(error).__name__}: the worker's log has the traceback")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Capped exponential backoff with full jitter.

    Source: M. Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): of the schemes
    compared there, a delay drawn uniformly from 0 to the cap costs least when many clients come back at once.
    """

    base_seconds: float = 4.0
    cap_seconds: float = 900.0

    def outcome_of(self, error: BaseException, job: Job, *, jitter: float) -> Retry | Failed:
        """Retry or Failed for an error of this attempt; `jitter` is uniform in [0, 1)."""
        named = as_job_error(error)
        message = str(named)[:LONGEST_MESSAGE]
        if not named.retryable or job.attempt >= job.max_attempts:
            return Failed(code=named.code, message=message)
        return Retry(code=named.code, message=message, delay_seconds=self.delay(job.attempt, jitter=jitter))

    def delay(self, attempt: int, *, jitter: float) -> float:
        """Seconds before the next attempt after `attempt` (1, 2, …) failed."""
        return jitter * min(self.cap_seconds, self.base_seconds * 2.0 ** min(attempt - 1, 30))
