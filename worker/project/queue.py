"""The queue, spoken to over PostgREST: one RPC per verb, and nothing but these RPCs."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

import structlog

from worker.core.errors import DatabaseUnavailable, JobError
from worker.core.job import (
    Ask,
    AttemptId,
    Cancelled,
    Done,
    Failed,
    Job,
    Outcome,
    Released,
    Replace,
    Retry,
    Run,
    Staged,
    Update,
    Upsert,
    Write,
)
from worker.core.queue import Claim, Heartbeat, SettleAnswer, Settled, Verdict
from worker.project.coalesce import Coalesced
from worker.project.rpc import plain

log = structlog.get_logger()

SETTLE_LIMIT = 32
"""Settlements per call, which then stays far below the 8 seconds that a statement may take."""
SETTLE_BYTES = 1024 * 1024
"""Of their JSON, in which a face's or an image's vector has 5 KB; one that is larger travels alone."""


class Rpc(Protocol):
    """Calls a function of the database, retrying passing faults for at most `within` seconds."""

    async def __call__(self, function: str, params: Mapping[str, Any], *, within: float) -> Any: ...


class SupabaseQueue:
    """The queue of a Supabase project; implements `worker.core.queue.Queue`."""

    def __init__(self, rpc: Rpc, worker_id: str, lease_seconds: int) -> None:
        self._rpc = rpc
        self._worker_id = worker_id
        self._lease_seconds = lease_seconds
        self._settle = Coalesced(
            self._settle_batch,
            limit=SETTLE_LIMIT,
            largest=SETTLE_BYTES,
            size_of=_size,
            is_divisible=lambda error: isinstance(error, JobError),  # else our key is at fault
        )

    async def claim(self, kinds: Sequence[str], limit: int, claim_id: UUID) -> Claim:
        answer = await self._rpc(
            "claim_jobs",
            {
                "p_worker": self._worker_id,
                "p_kinds": list(kinds),
                "p_limit": limit,
                "p_lease_seconds": self._lease_seconds,
                "p_claim_id": str(claim_id),
            },
            within=self._lease_seconds / 3,
        )
        return Claim(
            jobs=tuple(_job(row) for row in answer["jobs"]),
            next_due_seconds=answer["next_due_seconds"],
        )

    async def extend(self, heartbeats: Sequence[Heartbeat]) -> Mapping[AttemptId, Verdict]:
        answer = await self._rpc(
            "extend_leases",
            {
                "p_worker": self._worker_id,
                "p_lease_seconds": self._lease_seconds,
                "p_jobs": [
                    {**_fence(beat.job), "progress": beat.progress, "step": beat.step or None}
                    for beat in heartbeats
                ],
            },
            within=self._lease_seconds / 3,
        )
        return {_attempt(row): Verdict(row["verdict"]) for row in answer}

    async def settle(self, job: Job, outcome: Outcome, run: Run) -> Settled:
        settlement = {
            **_fence(job),
            "outcome": _outcome(outcome),
            "writes": [_write(write) for write in outcome.writes] if isinstance(outcome, Done) else [],
            "next": [_ask(ask) for ask in outcome.next] if isinstance(outcome, Done) else [],
            "run": _run(run),
        }
        try:
            return await self._settle(settlement)
        except JobError as error:
            if not _is_refusal(error):
                raise
            return Settled(answer=SettleAnswer.REFUSED, error=str(error))

    async def release_all(self) -> int:
        return int(await self._rpc("release_jobs", {"p_worker": self._worker_id}, within=5))

    async def tidy(self) -> bool:
        answer = await self._rpc("do_chores", {}, within=10)
        for chore, reason in answer["failed"].items():
            log.warning("chore failed", chore=chore, reason=reason)
        return bool(answer["more"])

    async def announce(self, info: Mapping[str, Any]) -> None:
        await self._rpc("announce_worker", {"p_worker": self._worker_id, "p_info": dict(info)}, within=10)

    async def _settle_batch(self, settlements: Sequence[dict[str, Any]]) -> Sequence[Settled]:
        # Together they are given up sooner: one may be what keeps the others' call from being answered.
        within = self._lease_seconds / (1 if len(settlements) == 1 else 3)
        answer = await self._rpc(
            "settle_jobs",
            {"p_worker": self._worker_id, "p_settlements": list(settlements)},
            within=within,
        )
        by_attempt = {
            _attempt(row): Settled(
                answer=SettleAnswer(row["answer"]), status=row.get("status"), error=row.get("error")
            )
            for row in answer
        }
        return [by_attempt[_attempt(settlement)] for settlement in settlements]


def _is_refusal(error: Exception) -> bool:
    """Whether what was sent is at fault, rather than the server, the network or our key."""
    return isinstance(error, JobError) and not isinstance(error, DatabaseUnavailable)


def _size(settlement: Mapping[str, Any]) -> float:
    """Bytes of JSON, about."""
    try:
        return len(json.dumps(settlement, default=plain))
    except (TypeError, ValueError, RecursionError):
        return math.inf  # it is refused, and shall be alone then


def _job(row: Mapping[str, Any]) -> Job:
    return Job(
        table=row["table"],
        id=UUID(row["id"]),
        kind=row["kind"],
        user_id=UUID(row["user_id"]),
        asset_id=UUID(row["asset_id"]) if row["asset_id"] else None,
        asset=row["asset"] or {},
        params=row["params"],
        attempt=row["attempt"],
        max_attempts=row["max_attempts"],
        epoch=row["epoch"],
        crashes=row["crashes"],
        priority=row["priority"],
    )


def _fence(job: Job) -> dict[str, Any]:
    return {"table": job.table, "id": str(job.id), "epoch": job.epoch}


def _attempt(row: Mapping[str, Any]) -> AttemptId:
    return AttemptId(row["table"], UUID(row["id"]), row["epoch"])


def _outcome(outcome: Outcome) -> dict[str, Any]:
    match outcome:
        case Done(result=result):
            return {"kind": "done", "result": dict(result)}
        case Retry(code=code, message=message, delay_seconds=delay):
            return {"kind": "retry", "code": code, "message": message, "delay_seconds": delay}
        case Failed(code=code, message=message):
            return {"kind": "failed", "code": code, "message": message}
        case Released(delay_seconds=delay, code=code, message=message):
            why = {"code": code, "message": message} if code else {}
            return {"kind": "released", "delay_seconds": delay, **why}
        case Cancelled():
            return {"kind": "cancelled"}


def _write(write: Write) -> dict[str, Any]:
    match write:
        case Replace(table=table, scope=scope, rows=rows):
            if isinstance(rows, Staged):
                return {"table": table, "scope": dict(scope), "staged": dataclasses.asdict(rows)}
            return {"table": table, "scope": dict(scope), "rows": [dict(row) for row in rows]}
        case Upsert(table=table, rows=rows):
            return {"table": table, "rows": [dict(row) for row in rows]}
        case Update(table=table, set=columns, merge=merge):
            return {"table": table, "set": dict(columns), "merge": dict(merge)}


def _ask(ask: Ask) -> dict[str, Any]:
    asset = {} if ask.asset_id == "same" else {"asset_id": ask.asset_id}
    return {
        "kind": ask.kind,
        **asset,
        "params": dict(ask.params),
        "delay_seconds": ask.delay_seconds,
        "dedupe": ask.dedupe,
    }


def _run(run: Run) -> dict[str, Any]:
    fields = dataclasses.asdict(run)
    fields["started_seconds_ago"] = fields.pop("seconds")
    return fields
