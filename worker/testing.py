"""Fakes for the seams, kept honest by suites that the real parts pass too."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID, uuid4

from models.errors import UnknownModel
from models.serving.asking import ModelAnswer, ModelMetrics
from models.settings import ModelSettings
from models.spec import Choice, ModelIdentity
from models.tasks import Task
from worker.core.errors import BadParams, DatabaseUnavailable, LeaseLost
from worker.core.job import (
    Ask,
    AttemptId,
    Cancelled,
    Done,
    Failed,
    Job,
    Outcome,
    Released,
    Retry,
    Run,
    Staged,
)
from worker.core.queue import Claim, Heartbeat, SettleAnswer, Settled, Verdict
from worker.core.rows import Page, every_page
from worker.core.rows import Row as ReadRow
from worker.core.staging import pages_of

MAX_CRASHES = 3


@dataclass(slots=True, kw_only=True)
class Row:
    """A job row of the in-memory queue."""

    id: UUID = field(default_factory=uuid4)
    kind: str
    user_id: UUID = field(default_factory=uuid4)
    params: Mapping[str, Any] = field(default_factory=dict)
    dedupe: str | None = None
    status: Literal["pending", "processing", "completed", "failed", "cancelled"] = "pending"
    run_at: float = 0.0
    attempts: int = 0
    max_attempts: int = 5
    crashes: int = 0
    epoch: int = 0
    settled_epoch: int | None = None
    lease_until: float = 0.0
    claim_id: UUID | None = None
    worker: str | None = None
    progress: int = 0
    cancel_requested: bool = False
    error_code: str | None = None
    result: Mapping[str, Any] | None = None


class MemoryTable:
    """The rows that several `MemoryQueue`s share, and their clock."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.rows: dict[UUID, Row] = {}
        self.clock = clock

    def add(self, kind: str, **columns: Any) -> Row:
        row = Row(kind=kind, **columns)
        self.rows[row.id] = row
        return row

    def ask(self, ask: Ask, by: Row) -> None:
        """Add the job that another asks for, unless the same request waits already."""
        twins = [row for row in self.rows.values() if row.kind == ask.kind and row.user_id == by.user_id]
        active = ("pending",) if ask.dedupe else ("pending", "processing")
        if not any(
            row.status in active and (row.dedupe, row.params) == (ask.dedupe, ask.params) for row in twins
        ):
            self.add(
                ask.kind,
                user_id=by.user_id,
                params=ask.params,
                dedupe=ask.dedupe,
                run_at=self.clock() + ask.delay_seconds,
            )

    def cancel(self, row: Row) -> None:
        if row.status == "pending":
            row.status = "cancelled"
        row.cancel_requested = True

    def rescue(self) -> None:
        for row in self.rows.values():
            if row.status == "processing" and row.lease_until <= self.clock():
                row.crashes += 1
                if row.crashes >= MAX_CRASHES:
                    row.status, row.error_code = "failed", "worker_lost"
                else:
                    row.status = "cancelled" if row.cancel_requested else "pending"


class MemoryQueue:
    """One worker's view of a `MemoryTable`; implements `worker.core.queue.Queue`.

    While `down` is true every call raises DatabaseUnavailable.
    """

    def __init__(self, table: MemoryTable, worker_id: str = "memory", lease_seconds: float = 60.0) -> None:
        self.table = table
        self.down = False
        self.calls: list[str] = []
        self._worker = worker_id
        self._lease = lease_seconds

    async def claim(self, kinds: Sequence[str], limit: int, claim_id: UUID) -> Claim:
        self._call("claim")
        self.table.rescue()
        now = self.table.clock()
        rows = [row for row in self.table.rows.values() if row.claim_id == claim_id and self._holds(row)]
        if not rows:
            due = [row for row in self._pending(kinds) if row.run_at <= now]
            rows = due[:limit]
            for row in rows:
                row.status, row.worker, row.claim_id = "processing", self._worker, claim_id
                row.lease_until = now + self._lease
                row.attempts += 1
                row.epoch += 1
        waits = [max(0.0, row.run_at - now) for row in self._pending(kinds)]
        return Claim(jobs=[_job(row) for row in rows], next_due_seconds=min(waits, default=None))

    async def extend(self, heartbeats: Sequence[Heartbeat]) -> Mapping[AttemptId, Verdict]:
        self._call("extend")
        return {beat.job.attempt_id: self._extend(beat) for beat in heartbeats}

    def _extend(self, beat: Heartbeat) -> Verdict:
        row = self.table.rows[beat.job.id]
        if not self._holds(row) or row.epoch != beat.job.epoch:
            return Verdict.LOST
        row.lease_until = self.table.clock() + self._lease
        row.progress = max(row.progress, beat.progress)
        return Verdict.CANCEL if row.cancel_requested else Verdict.KEPT

    async def settle(self, job: Job, outcome: Outcome, run: Run) -> Settled:
        self._call("settle")
        row = self.table.rows[job.id]
        if row.settled_epoch == job.epoch:
            return Settled(answer=SettleAnswer.REPEATED, status=row.status)
        if not self._holds(row) or row.epoch != job.epoch:
            return Settled(answer=SettleAnswer.LOST)
        match outcome:
            case Done(result=result, writes=writes, next=asks):
                if refused := [write.table for write in writes if write.table == "unregistered"]:
                    return Settled(
                        answer=SettleAnswer.REFUSED, error=f"results are not written to {refused[0]}"
                    )
                row.status, row.result = "completed", result
                for ask in asks:
                    self.table.ask(ask, row)
            case Failed(code=code):
                row.status, row.error_code = "failed", code
            case _ if row.cancel_requested:
                row.status = "cancelled"
            case Retry(code=code, delay_seconds=delay):
                row.error_code = code
                row.status = "pending" if row.attempts < row.max_attempts else "failed"
                row.run_at = self.table.clock() + delay
            case Released(delay_seconds=delay, code=code):
                row.status, row.error_code = "pending", code
                row.attempts -= 1
                if delay:
                    row.run_at = self.table.clock() + delay
            case Cancelled():
                row.status = "cancelled"
        row.crashes = 0
        row.settled_epoch = job.epoch
        return Settled(answer=SettleAnswer.SETTLED, status=row.status)

    async def release_all(self) -> int:
        self._call("release_all")
        held = [row for row in self.table.rows.values() if self._holds(row)]
        for row in held:
            row.status = "pending"
            row.attempts -= 1
        return len(held)

    async def tidy(self) -> bool:
        self._call("tidy")
        return False

    async def announce(self, info: Mapping[str, Any]) -> None:
        self._call("announce")

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.down:
            raise DatabaseUnavailable("the in-memory queue is switched off")

    def _holds(self, row: Row) -> bool:
        return row.status == "processing" and row.worker == self._worker

    def _pending(self, kinds: Sequence[str]) -> list[Row]:
        return [row for row in self.table.rows.values() if row.status == "pending" and row.kind in kinds]


def _job(row: Row) -> Job:
    return Job(
        table="jobs",
        id=row.id,
        kind=row.kind,
        user_id=row.user_id,
        params=row.params,
        attempt=row.attempts,
        max_attempts=row.max_attempts,
        epoch=row.epoch,
        crashes=row.crashes,
    )


class MemoryRows:
    """Answers read verbs from memory, page by page; implements `worker.core.rows.Rows`.

    `verbs` maps a verb to what it answers for given args, in order. While `lost` is true the lease is.
    """

    def __init__(
        self, verbs: Mapping[str, Callable[[Mapping[str, Any]], Sequence[ReadRow]]] | None = None
    ) -> None:
        self.verbs = verbs or {}
        self.lost = False

    async def call(self, verb: str, args: Mapping[str, Any]) -> Page:
        if self.lost:
            raise LeaseLost
        if verb not in self.verbs:
            raise BadParams(f"verb: there is no {verb!r}")
        rows = self.verbs[verb](args)
        start, limit = args.get("after") or 0, args.get("limit", 1000)
        page = rows[start : start + limit]
        return Page(rows=page, next=start + limit if len(page) == limit else None)

    def pages(self, verb: str, args: Mapping[str, Any]) -> AsyncIterator[Sequence[ReadRow]]:
        return every_page(self, verb, args)


class MemoryStaging:
    """Keeps staged rows in memory; implements `worker.core.staging.Staging`.

    While `lost` is true the lease is.
    """

    def __init__(self) -> None:
        self.pages: dict[tuple[str, int], Sequence[ReadRow]] = {}
        self.lost = False

    async def keep(self, name: str, rows: Iterable[ReadRow]) -> Staged:
        pages = 0
        for page in pages_of(rows):
            if self.lost:
                raise LeaseLost
            if not name.isidentifier() or name != name.lower():
                raise BadParams("name: expected a word")
            self.pages[name, pages] = page
            pages += 1
        return Staged(name, pages)

    def rows(self, staged: Staged) -> list[ReadRow]:
        """What a settlement would find, in order."""
        return [row for page in range(staged.pages) for row in self.pages[staged.name, page]]


class MemoryGenerations:
    """The project's verbs about generations of vectors, in memory; implements `worker.generations.Rpc`.

    While `down` is true every call raises DatabaseUnavailable.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.down = False

    async def __call__(self, function: str, params: Mapping[str, Any], *, within: float) -> Any:
        self.calls.append(function)
        if self.down:
            raise DatabaseUnavailable
        match function:
            case "generations":
                return [dict(row) for row in self.rows if row["state"] != "dropped"]
            case "begin_generation":
                return dict(self._begin(**params))
        raise AssertionError(f"no verb about generations: {function}")

    def _begin(
        self,
        *,
        p_kind: str,
        p_version: str,
        p_model: Mapping[str, str],
        p_dimension: int,
        p_digest: str | None = None,
        p_precision: str | None = None,
        p_same_face: float | None = None,
        p_maybe_face: float | None = None,
        p_face_margin: float | None = None,
        p_false_accepts: float | None = None,
        p_new: bool = False,
    ) -> dict[str, Any]:
        kind = [row for row in self.rows if row["kind"] == p_kind]
        active = next((row for row in kind if row["state"] == "active"), None)
        found = next((row for row in kind if row["model_version"] == p_version), None)
        told = {
            "model": dict(p_model),
            "weights_digest": p_digest,
            "precision": p_precision,
            "same_face": p_same_face,
            "maybe_face": p_maybe_face,
            "face_margin": p_face_margin,
            "false_accepts": p_false_accepts,
        }
        if found is None and (active is None or p_new):
            found = {
                "id": len(self.rows) + 1,
                "kind": p_kind,
                "model_version": p_version,
                "dimension": p_dimension,
                "cutoff": None,
                "state": "filling" if active else "active",
                **told,
            }
            self.rows.append(found)
        elif found is not None:
            found.update({name: found[name] or value for name, value in told.items()})
        answered = found if p_new else active or found
        assert answered is not None
        return answered


class FakeModels:
    """Answers by task name with what a function makes of an item, or raises an error; implements `Models`.

    A task without either has no model. What a choice says besides settings is part of the model's version.
    """

    def __init__(self, **answers: Callable[[Any], Any] | Exception) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str]] = []

    async def run(
        self,
        task: Task[Any],
        call: Callable[..., Any],
        item: Any,
        *,
        shape: Hashable = None,
        choice: Choice | None = None,
    ) -> ModelAnswer[Any]:
        self.asked.append((task.name, call.__name__))
        answer = self.answers.get(task.name, UnknownModel(f"no model of the catalog does {task.name!r}"))
        if isinstance(answer, Exception):
            raise answer
        return ModelAnswer(value=answer(item), model=await self.identity(task, choice))

    async def identity(self, task: Task[Any], choice: Choice | None = None) -> ModelIdentity:
        said = choice.settings if choice else ()
        chosen = [(name, value) for name, value in said if name not in ModelSettings.model_fields]
        return ModelIdentity(
            task=task.name,
            name="fake",
            version="-".join(["fake", task.name, *(value for _, value in chosen)]),
            digest="0" * 64,
            backend="none",
            precision="fp32",
            device="cpu",
            parameters={"fake": task.name, **dict(chosen)},
        )

    async def unload(self, task: Task[Any], choice: Choice | None = None) -> None:
        self.asked.append((task.name, "unload"))

    async def unload_all(self) -> None:
        self.asked.append(("", "unload_all"))

    async def metrics(self) -> Mapping[str, ModelMetrics]:
        return {}

    async def close(self) -> None:
        self.asked.append(("", "close"))
