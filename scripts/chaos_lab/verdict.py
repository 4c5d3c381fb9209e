"""What SQL finds afterwards: every check is a query for the jobs that break a promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import psycopg


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A promise, and the query for the ids (of jobs, or assets) that break it, each at least once."""

    name: str
    promise: str
    sql: str


ORDER = (
    "lost",
    "doubled",
    "half_written",
    "stale",
    "mistaken",
    "misfiled",
    "misremembered",
    "survived",
    "unreleased",
    "unaccounted",
    "trespassed",
    "failed",
    "mixed",
    "fewer",
    "unnamed",
    "unrecognised",
    "changed",
    "left_over",
)
FOLDER = Path(__file__).with_name("checks")


def read_checks(*folders: str) -> tuple[Check, ...]:
    """The checks of some folders in `checks`: each is a query, whose comment is the promise.

    Raises:
        FileNotFoundError: there is no such folder, so that no run passes for want of a question.
    """
    queries = [[path for path in (FOLDER / folder).iterdir() if path.suffix == ".sql"] for folder in folders]
    return tuple(_read(path) for paths in queries for path in sorted(paths, key=_place))


def _read(path: Path) -> Check:
    lines = path.read_text().splitlines()
    promise = [line.removeprefix("-- ") for line in takewhile(lambda line: line.startswith("-- "), lines)]
    return Check(name=path.stem, promise=" ".join(promise), sql="\n".join(lines[len(promise) :]))


def _place(path: Path) -> int:
    """The worst first, as reports list them."""
    return ORDER.index(path.stem)


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


JOB_CHECKS = read_checks("jobs", "queue")
IMAGE_CHECKS = read_checks("images", "queue")
GENERATION_CHECKS = read_checks("generations")


def judge(db: psycopg.Connection[Any], checks: Sequence[Check] = JOB_CHECKS) -> Verdict:
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
