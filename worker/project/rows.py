"""Reads for handlers over PostgREST: one RPC, which checks that the job is still held."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from worker.core.job import AttemptId
from worker.core.rows import Page, Row, every_page
from worker.project.queue import Rpc

WITHIN_SECONDS = 30.0
"""A read may take as long as an outage that a job should survive."""


class SupabaseRows:
    """The rows of one attempt of a job; implements `worker.core.rows.Rows`."""

    def __init__(self, rpc: Rpc, worker_id: str, attempt: AttemptId) -> None:
        self._rpc = rpc
        self._held = {
            "p_worker": worker_id,
            "p_table": attempt.table,
            "p_id": str(attempt.job_id),
            "p_epoch": attempt.epoch,
        }

    async def call(self, verb: str, args: Mapping[str, Any]) -> Page:
        question = {**self._held, "p_verb": verb, "p_args": dict(args)}
        answer = await self._rpc("read_for_job", question, within=WITHIN_SECONDS)
        return Page(rows=answer["rows"], next=answer["next"])

    def pages(self, verb: str, args: Mapping[str, Any]) -> AsyncIterator[Sequence[Row]]:
        return every_page(self, verb, args)
