"""The queue as the daemon sees it: verbs, and no columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from worker.core.job import AttemptId, Job, Outcome, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The answer to a claim: the jobs, and when it is worth asking again."""

    jobs: Sequence[Job] = ()
    next_due_seconds: float | None = None
    """Until the earliest pending job of these kinds is due, by the database's clock; None: none pending."""


class Verdict(StrEnum):
    """What the queue says of a running job when its lease is extended."""

    KEPT = "kept"
    LOST = "lost"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """A running job's sign of life, with how far it has come."""

    job: Job
    progress: int
    """Percent, 0 to 100."""
    step: str


class SettleAnswer(StrEnum):
    """What became of a settlement."""

    SETTLED = "settled"
    REPEATED = "repeated"
    """It had been settled by an earlier call whose answer was lost."""
    LOST = "lost"
    """The job is no longer ours; nothing was changed."""
    REFUSED = "refused"
    """The writes broke a rule of the database; nothing was changed and the job is still ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    answer: SettleAnswer
    status: str | None = None
    """The job's status now: pending, completed, failed, cancelled."""
    error: str | None = None
    """Why the writes were refused."""


class Queue(Protocol):
    """The queue's verbs, each safe to repeat; all raise DatabaseUnavailable when no answer came in time."""

    async def claim(self, kinds: Sequence[str], limit: int, claim_id: UUID) -> Claim:
        """Take up to `limit` due jobs; the same `claim_id` again answers with the same jobs."""
        ...

    async def extend(self, heartbeats: Sequence[Heartbeat]) -> Mapping[AttemptId, Verdict]:
        """Keep the leases of running jobs; returns what the queue says of each attempt."""
        ...

    async def settle(self, job: Job, outcome: Outcome, run: Run) -> Settled:
        """End the job: its result, its outcome and its run record in one transaction, or nothing."""
        ...

    async def release_all(self) -> int:
        """Release every job this worker holds, also of claims whose answer was lost; returns how many."""
        ...

    async def tidy(self) -> bool:
        """Do a little of what the database does by the clock, if it is due; returns whether there is more."""
        ...

    async def announce(self, info: Mapping[str, Any]) -> None:
        """Tell the `workers` table that this worker lives and what it can do."""
        ...
