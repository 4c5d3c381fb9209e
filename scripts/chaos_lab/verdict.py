"""What SQL finds afterwards: every check is a query for the jobs that break a promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """`sql` answers one column: the ids (of jobs, or assets) that break it, each at least once."""

    name: str
    promise: str
    sql: str


QUEUE_CHECKS = (
    Check(
        name="unreleased",
        promise="no job is held any more",
        sql="""
        select id
          from chaos.jobs
         where status = 'processing' or lease_expires_at is not null or claim_id is not null
        """,
    ),
    Check(
        name="unaccounted",
        promise="every claim ended, once, in the ledger",
        sql="""
        select job.id
          from chaos.jobs as job
          left join public.runs as run on run.job_id = job.id
         group by job.id, job.lease_epoch
        having count(run.id) <> job.lease_epoch
            or count(run.id) filter (where run.epoch not between 1 and job.lease_epoch) > 0
        """,
    ),
    Check(
        name="trespassed",
        promise="a personal worker never had another user's job",
        sql="""
        select run.job_id
          from public.runs as run
          join chaos.jobs as job on job.id = run.job_id
          join public.workers as worker on worker.worker_id = run.worker_id
         where worker.owner is not null
           and run.user_id <> worker.owner
        """,
    ),
)
"""Of every job, whatever it does."""

CHECKS = (
    Check(
        name="lost",
        promise="every wish has a job that ended as it had to: completed, with rows, or failed with its code",
        sql="""
        select wish.asset_id
          from chaos.wishes as wish
         where not exists (
                 select from chaos.jobs as job where job.asset_id = wish.asset_id and job.slot = wish.slot
               )
         union
        select id
          from chaos.jobs
         where case expected
                 when 'completed' then status <> 'completed'
                 else status <> 'failed' or error_code is distinct from expected
               end
         union
        select id
          from chaos.jobs as job
         where status = 'completed'
           and not exists (select from public.chaos_facts where job_id = job.id)
        """,
    ),
    Check(
        name="doubled",
        promise="a wish is one job, and a job is executed and applied once",
        sql="""
        select max(id::text)::uuid from chaos.jobs group by asset_id, slot having count(*) > 1
         union
        select job_id from chaos.done group by job_id having count(*) > 1
         union
        select job_id from chaos.applied group by job_id having count(distinct run_id) > 1
         union
        select job_id from chaos.marked group by job_id having count(*) > 1
        """,
    ),
    Check(
        name="half_written",
        promise="a job's rows and its mark on the asset are all there, from one settled run, or not at all",
        sql="""
        select applied.job_id
          from chaos.applied
          join chaos.jobs as job on job.id = applied.job_id
         group by applied.job_id, applied.run_id, job.rows
        having count(*) <> job.rows or count(distinct applied.place) <> job.rows
         union
        select fact.job_id
          from public.chaos_facts as fact
          join chaos.jobs as job on job.id = fact.job_id
         group by fact.job_id, job.rows
        having count(*) <> job.rows or count(distinct fact.run_id) > 1
         union
        select applied.job_id
          from chaos.applied
          left join chaos.done on done.id = applied.run_id and done.job_id = applied.job_id
          left join chaos.jobs as job on job.id = applied.job_id
         where done.id is null or job.status is distinct from 'completed'
         union
        select coalesce(done.job_id, marked.job_id)
          from chaos.done
          full join chaos.marked on marked.job_id = done.job_id and marked.epoch = done.epoch
         where done.id is null or marked.id is null
        """,
    ),
    Check(
        name="stale",
        promise="what is there was written under the last claim, and nothing older came after it",
        sql="""
        select fact.job_id
          from public.chaos_facts as fact
          join chaos.jobs as job on job.id = fact.job_id
          left join chaos.done on done.id = fact.run_id
         where done.epoch is distinct from fact.epoch or fact.epoch <> job.lease_epoch
         union
        select job.id
          from chaos.jobs as job
          join chaos.done on done.job_id = job.id
         where done.epoch <> job.lease_epoch
            or (job.result ->> 'epoch')::bigint is distinct from done.epoch
         union
        select job_id
          from (select job_id, epoch, max(epoch) over (partition by job_id order by id) as latest
                  from chaos.applied) as history
         where epoch < latest
         union
        select asset.id
          from public.assets as asset
          join lateral (
                 select job_id, epoch from chaos.marked where asset_id = asset.id order by id desc limit 1
               ) as last on true
         where (asset.ai_model_versions ->> 'job')::uuid is distinct from last.job_id
            or (asset.ai_model_versions ->> 'epoch')::bigint is distinct from last.epoch
        """,
    ),
    *QUEUE_CHECKS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`broken` has the ids that break each check, by the check's name; all empty is a pass."""

    jobs: int
    completed: int
    failed_as_expected: int
    rescued: int
    released: int
    retried: int
    poisoned: int
    """Times a job was given up because three workers were lost with it; each was put back."""
    broken: Mapping[str, Sequence[str]]

    @property
    def is_clean(self) -> bool:
        return not any(self.broken.values())


COUNTS = """
select count(*),
       count(*) filter (where status = 'completed'),
       count(*) filter (where status = 'failed' and error_code = expected),
       (select count(*) from public.runs where outcome = 'worker_lost'),
       (select count(*) from public.runs where outcome = 'released'),
       (select count(*) from public.runs where outcome = 'retry'),
       (select count(*) from public.job_events where status = 'failed' and error_code = 'worker_lost')
  from chaos.jobs
"""


def judge(db: psycopg.Connection[Any], checks: Sequence[Check] = CHECKS) -> Verdict:
    """Look at everything; nothing may be running any more."""
    row = db.execute(COUNTS).fetchone()
    assert row is not None
    jobs, completed, failed, rescued, released, retried, poisoned = row
    return Verdict(
        jobs=jobs,
        completed=completed,
        failed_as_expected=failed,
        rescued=rescued,
        released=released,
        retried=retried,
        poisoned=poisoned,
        broken={check.name: [str(one) for (one,) in db.execute(check.sql)] for check in checks},
    )
