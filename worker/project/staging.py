"""Results sent ahead over PostgREST: one RPC a page, which checks that the job is still held."""

from __future__ import annotations

from collections.abc import Iterable

from worker.core.job import AttemptId, Staged
from worker.core.rows import Row
from worker.core.staging import pages_of
from worker.project.queue import Rpc
from worker.project.rows import WITHIN_SECONDS


class SupabaseStaging:
    """The staged rows of one attempt of a job; implements `worker.core.staging.Staging`."""

    def __init__(self, rpc: Rpc, worker_id: str, attempt: AttemptId) -> None:
        self._rpc = rpc
        self._held = {
            "p_worker": worker_id,
            "p_table": attempt.table,
            "p_id": str(attempt.job_id),
            "p_epoch": attempt.epoch,
        }

    async def keep(self, name: str, rows: Iterable[Row]) -> Staged:
        pages = 0
        for page in pages_of(rows):
            said = {"p_name": name, "p_page": pages, "p_rows": [dict(row) for row in page]}
            await self._rpc("stage_for_job", {**self._held, **said}, within=WITHIN_SECONDS)
            pages += 1
        return Staged(name, pages)
