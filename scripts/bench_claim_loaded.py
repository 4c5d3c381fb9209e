"""How long a claim takes under an old snapshot, and beside many jobs that are held, finished and pending.

    python -m scripts.bench_claim_loaded postgresql://…  [--consumed 40000] [--held 100000]
        [--finished 1000000] [--pending 300000] [--users 16] [--rounds 300]

Works in kinds of its own, in `ai_processing_jobs`, and removes them; needs a direct connection as owner of
the tables. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import quantiles
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

BATCH = 16
Seconds = list[float]


def measure(
    database_url: str,
    *,
    consumed: int = 40_000,
    held: int = 100_000,
    finished: int = 1_000_000,
    pending: int = 300_000,
    users: int = 16,
    rounds: int = 300,
    told: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Milliseconds of SQL per claim of 16 jobs, which are settled at once.

    `snapshot`: after `consumed` jobs, with a snapshot open since before them and without. `loaded`: a kind
    with so many jobs held, finished and pending, in turns with one that holds nothing but what is claimed;
    both have as many users waiting as a claim has jobs, since a claim looks at each.
    """
    with psycopg.connect(database_url, autocommit=True) as db, _scratch(db, users) as new_kind:
        plain, old = new_kind(), new_kind()
        told(f"consuming {consumed} jobs without a snapshot")
        _consume(db, plain, consumed, spare=rounds * BATCH)
        db.execute("vacuum (analyze) public.ai_processing_jobs")
        before = _claims(db, [plain], rounds)
        told(f"consuming {consumed} jobs under a snapshot")
        with psycopg.connect(database_url) as dump:
            dump.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            dump.execute("select count(*) from public.job_kinds")
            _consume(db, old, consumed, spare=rounds * BATCH)
            under = _claims(db, [old], rounds)
        snapshot = {"without": _cuts(before[plain]), "under": _cuts(under[old])}

        loaded, empty = new_kind(), new_kind()
        told(f"loading {held} held, {finished} finished, {pending} pending jobs")
        _load(db, loaded, finished, "completed")
        _load(db, loaded, held, "processing")
        _load(db, loaded, pending, "pending")
        db.execute("select kizu.reset_floors()")  # what no trigger has seen
        db.execute("vacuum (analyze) public.ai_processing_jobs")
        told("claims beside them, and from an empty queue")
        beside = _claims(db, [loaded, empty], rounds, fill=empty)
        return {
            "snapshot": _with_ratio(snapshot, "under", "without"),
            "loaded": _with_ratio(
                {"loaded": _cuts(beside[loaded]), "empty": _cuts(beside[empty])}, "loaded", "empty"
            ),
        }


@contextmanager
def _scratch(db: psycopg.Connection, users: int) -> Iterator[Callable[[], str]]:
    """Makes kinds, for users that are in `bench_users`; all is gone afterwards."""
    kinds: list[str] = []

    def new_kind() -> str:
        kinds.append(f"bench_{uuid.uuid4().hex}")
        db.execute(
            "insert into public.job_kinds (kind, table_name) values (%s, 'ai_processing_jobs')", [kinds[-1]]
        )
        return kinds[-1]

    db.execute("create temporary table bench_users (id uuid default gen_random_uuid(), place serial)")
    db.execute("insert into bench_users select from generate_series(1, %s)", [users])
    db.execute("insert into auth.users (id) select id from bench_users")
    try:
        yield new_kind
    finally:
        db.execute("set session_replication_role = replica")
        for statement in (
            "delete from public.jobs where job_type = any (%(kinds)s)",
            "delete from public.job_events where user_id in (select id from bench_users)",
            "delete from public.runs where kind = any (%(kinds)s)",
            "delete from auth.users where id in (select id from bench_users)",
            "delete from public.job_kinds where kind = any (%(kinds)s)",
            "delete from kizu.floors where job_type = any (%(kinds)s)",
            "drop table bench_users",
        ):
            db.execute(statement, {"kinds": kinds})
        db.execute("reset session_replication_role")


ADD = """
    insert into public.ai_processing_jobs (user_id, job_type, status, run_at, picked_up_at, completed_at,
                                           worker_id, claim_id, lease_expires_at)
    select owner.id,
           %(kind)s,
           %(status)s,
           now() - number * interval '1 ms',
           case when %(status)s <> 'pending' then now() - number * interval '1 ms' end,
           case when %(status)s = 'completed' then now() end,
           case when %(status)s = 'processing' then 'held ' || number %% 1000 end,
           case when %(status)s = 'processing' then gen_random_uuid() end,
           case when %(status)s = 'processing' then now() + interval '1 day' end
      from generate_series(1, %(count)s::int) as number
      join bench_users as owner on owner.place = 1 + number %% (select count(*) from bench_users)
"""


def _add(db: psycopg.Connection, kind: str, count: int, status: str = "pending") -> None:
    db.execute(ADD, {"kind": kind, "count": count, "status": status})


def _load(db: psycopg.Connection, kind: str, count: int, status: str) -> None:
    """Without triggers, which take minutes for a million rows."""
    db.execute("set session_replication_role = replica")
    _add(db, kind, count, status)
    db.execute("reset session_replication_role")


def _consume(db: psycopg.Connection, kind: str, count: int, *, spare: int) -> None:
    _add(db, kind, count + spare)
    while count > 0:
        jobs = _claim(db, kind, min(count, 100))
        _settle(db, jobs)
        count -= len(jobs)


def _claims(
    db: psycopg.Connection, kinds: list[str], rounds: int, *, fill: str | None = None
) -> dict[str, Seconds]:
    """Seconds of each claim, kind by kind in turns; `fill` gets its jobs just before each."""
    seconds: dict[str, Seconds] = {kind: [] for kind in kinds}
    for number in range(rounds):
        for kind in kinds:
            if kind == fill:
                _add(db, kind, BATCH)
            started = time.perf_counter()
            jobs = _claim(db, kind, BATCH)
            if number >= 10:  # the first ones make the plans
                seconds[kind].append(time.perf_counter() - started)
            if len(jobs) != BATCH:
                raise RuntimeError(f"asked for {BATCH} jobs and got {len(jobs)}")
            _settle(db, jobs)
    return seconds


def _claim(db: psycopg.Connection, kind: str, limit: int) -> list[dict[str, Any]]:
    row = db.execute("select claim_jobs('bench', %s, %s::int, 600)", ([kind], limit)).fetchone()
    return list(row[0]["jobs"]) if row else []


def _settle(db: psycopg.Connection, jobs: list[dict[str, Any]]) -> None:
    items = [
        {**{name: job[name] for name in ("table", "id", "epoch")}, "outcome": {"kind": "done"}}
        for job in jobs
    ]
    db.execute("select settle_jobs('bench', %s)", (Jsonb(items),))


def _cuts(seconds: Seconds) -> dict[str, float]:
    cuts = quantiles(seconds, n=100, method="inclusive")
    return {"p50_ms": round(cuts[49] * 1e3, 3), "p99_ms": round(cuts[98] * 1e3, 3)}


def _with_ratio(found: dict[str, dict[str, float]], one: str, other: str) -> dict[str, Any]:
    return {**found, "ratio": {name: round(found[one][name] / found[other][name], 2) for name in found[one]}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("database_url")
    sizes = {"consumed": 40_000, "held": 100_000, "finished": 1_000_000, "pending": 300_000}
    for name, size in {**sizes, "users": 16, "rounds": 300}.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    arguments = vars(parser.parse_args())
    found = measure(
        arguments.pop("database_url"), told=lambda text: print(text, file=sys.stderr), **arguments
    )
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
