"""Where it is measured: an embedded Supabase of our own, and the users and jobs in it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from scripts.bench_lab.noop_handler import NOOP
from worker.local.stack import LocalStack, StackInfo

LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """`db` is a superuser's connection where each statement is its own transaction."""

    info: StackInfo
    db: psycopg.Connection[Any]
    home: Path
    quick: bool
    vectors: int | None
    """How many the section `generations` is to have; None: as many as it likes."""
    plots: Path | None
    """The folder for charts; None: none are wanted."""
    tell: Callable[[str], None]
    """Says on the screen what is being measured."""

    def pick(self, *, full: int, quick: int) -> int:
        return quick if self.quick else full

    def add_user(self) -> UUID:
        user_id = uuid.uuid4()
        self.db.execute("insert into auth.users (id) values (%s)", [user_id])
        return user_id

    def add_noops(self, user_id: UUID, count: int) -> None:
        """In one statement, as a large import would."""
        self.db.execute(
            "insert into public.ai_processing_jobs (user_id, job_type)"
            " select %s, %s from generate_series(1, %s)",
            [user_id, NOOP, count],
        )

    def add_image_jobs(self, user_id: UUID, params: Mapping[str, Any]) -> None:
        """One job for each asset of the user; what `image_processing_jobs` held before is gone."""
        self.db.execute("delete from public.image_processing_jobs")
        self.db.execute(
            "insert into public.image_processing_jobs (user_id, asset_id, params)"
            " select user_id, id, %s from public.assets where user_id = %s",
            [Jsonb(dict(params)), user_id],
        )

    def wait_until_finished(self, kind: str, *, within: float) -> None:
        """Until no job of this kind is pending or processing.

        Raises:
            TimeoutError: one still was.
        """
        deadline = time.monotonic() + within
        while self.value(
            "select exists (select from public.jobs"
            " where status in ('pending', 'processing') and job_type = %s)",
            kind,
        ):
            if time.monotonic() > deadline:
                raise TimeoutError(f"jobs of kind {kind} were not finished within {within:g} s")
            time.sleep(LOOK_SECONDS)

    def working_seconds(self, kind: str) -> float:
        """By the database's clock: from the first claim of the jobs of this kind to the last settlement.

        Raises:
            RuntimeError: not every job was completed.
        """
        completed, jobs, seconds = self.row(
            "select count(*) filter (where status = 'completed'), count(*),"
            " extract(epoch from max(completed_at) - min(picked_up_at))::float8"
            " from public.jobs where job_type = %s",
            kind,
        )
        if completed != jobs:
            raise RuntimeError(f"{jobs - completed} of {jobs} jobs of kind {kind} were not completed")
        return float(seconds)

    def forget_noops(self) -> None:
        self.db.execute("delete from public.ai_processing_jobs where job_type = %s", [NOOP])
        self.db.execute("vacuum analyze public.ai_processing_jobs, public.job_events, public.runs")

    def value(self, query: str, *parameters: Any) -> Any:
        return self.row(query, *parameters)[0]

    def row(self, query: str, *parameters: Any) -> tuple[Any, ...]:
        found = self.db.execute(query, parameters).fetchone()
        assert found is not None
        return tuple(found)


@contextmanager
def lab_at(
    home: Path,
    *,
    quick: bool,
    tell: Callable[[str], None],
    vectors: int | None = None,
    plots: Path | None = None,
) -> Iterator[Lab]:
    """A fresh installation below `home`, stopped afterwards."""
    stack = LocalStack(home / "stack")
    tell("starting the embedded Supabase")
    try:
        info = stack.up()
        with psycopg.connect(info.database_url, autocommit=True) as db:
            db.execute(
                "insert into public.job_kinds (kind, table_name) values (%s, 'ai_processing_jobs')", [NOOP]
            )
            yield Lab(info=info, db=db, home=home, quick=quick, vectors=vectors, plots=plots, tell=tell)
    finally:
        stack.down()
