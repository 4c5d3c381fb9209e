"""A claimed job, what it writes, and the five outcomes it can have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias
from uuid import UUID


@dataclass(frozen=True, slots=True)
class AttemptId:
    """Names one attempt of a job: ids repeat across job tables, and epochs across jobs."""

    table: str
    job_id: UUID
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One claimed row of a job table."""

    table: str
    id: UUID
    kind: str
    user_id: UUID
    asset_id: UUID | None = None
    asset: Mapping[str, Any] = field(default_factory=dict)
    """Of the asset, as it was at the claim: `path` (key in the bucket `assets`), `web_uri`, `file_name`,
    `file_modified_at` (ISO 8601), and the keys of its `sidecars`.
    """
    params: Mapping[str, Any] = field(default_factory=dict)
    """Untrusted until the handler's params type has read it."""
    attempt: int = 1
    max_attempts: int = 5
    epoch: int
    """The fencing token: rises with every claim, quoted by every later call, part of every file's path."""
    crashes: int = 0
    priority: int = 100
    """The job's level; the lower, the sooner."""

    @property
    def is_urgent(self) -> bool:
        """Whether somebody waits for its answer, as jobs below level 100 say."""
        return self.priority < 100

    @property
    def attempt_id(self) -> AttemptId:
        return AttemptId(self.table, self.id, self.epoch)


@dataclass(frozen=True, slots=True)
class Staged:
    """Rows that this attempt has sent ahead (`worker.core.staging`), under a name, in so many pages."""

    name: str
    pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace:
    """A write that puts `rows` in place of the rows of this job's asset, or user, that match `scope`.

    Whose the rows are, `result_tables` says. A row's `children` are {table: rows} that are written with it.
    """

    table: str
    scope: Mapping[str, Any] = field(default_factory=dict)
    rows: Sequence[Mapping[str, Any]] | Staged = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Upsert:
    """A write that puts each of `rows` in place of the one of this job's asset with the same key."""

    table: str
    rows: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """A write to the job's asset row: columns to `set`, and keys to `merge` into those that are maps."""

    table: str
    set: Mapping[str, Any] = field(default_factory=dict)
    merge: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


Write: TypeAlias = Replace | Upsert | Update


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A job to enqueue for the same user when this one is done.

    Requests with the same `params`, or with the same `dedupe` where that is given, are one while they wait. A
    job that has begun counts for the former only: with `dedupe` it is asked to look at what may be newer.
    """

    kind: str
    asset_id: UUID | Literal["same"] | None = "same"
    params: Mapping[str, Any] = field(default_factory=dict)
    delay_seconds: float = 0.0
    dedupe: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The ledger's record of one attempt: code and models, seconds per stage, counts of what was found."""

    handler: str = ""
    handler_version: str = ""
    models: Sequence[Mapping[str, Any]] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    """Seconds per stage."""
    counts: Mapping[str, int] = field(default_factory=dict)
    content: str | None = None
    """Which bytes of the asset's file it looked at, as Storage names them; None where it looked at none."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The job is finished: `result` goes on its row, `writes` and `next` are done in the same transaction."""

    result: Mapping[str, Any] = field(default_factory=dict)
    writes: Sequence[Write] = ()
    next: Sequence[Ask] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """The job is to be tried again in `delay_seconds`, unless its attempts are used up."""

    code: str
    message: str
    delay_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The job has failed for good, because trying again would not help."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The job is given back, because the worker stops or for want of something, which costs no attempt.

    It keeps its place in line, unless it is not to be claimed for `delay_seconds`.
    """

    delay_seconds: float = 0.0
    code: str | None = None
    """What was missing, as an error code."""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The job was stopped because its owner asked."""


Outcome: TypeAlias = Done | Retry | Failed | Released | Cancelled
