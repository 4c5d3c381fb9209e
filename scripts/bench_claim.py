"""How long a claim takes with a small and with a large backlog, and whether heartbeats are HOT.

    python scripts/bench_claim.py postgresql://…  [--large 1000000] [--users 100] [--rounds 500]

Works in a kind of its own and removes it; needs a direct connection as the owner of the tables. Prints one
JSON object; `ratio` is large over small.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from statistics import quantiles
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

SMALL = 1_000


def measure(
    database_url: str,
    *,
    large: int = 1_000_000,
    users: int = 100,
    rounds: int = 500,
    told: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Milliseconds of SQL per claim at 1,000 pending, and at `large` pending with as many finished.

    `users` share each backlog evenly. Each round claims, times it, and gives the jobs back.
    """
    with psycopg.connect(database_url, autocommit=True) as db, _scratch(db, users) as kind:
        _fill(db, kind, SMALL)
        told(f"{SMALL} pending")
        small = _claims(db, kind, rounds)
        told(f"{large} pending and {large} finished")
        _fill(db, kind, large - SMALL)
        _fill(db, kind, large, finished=True)
        db.execute("vacuum (analyze) public.ai_processing_jobs")
        big = _claims(db, kind, rounds)
        hot = _hot_share(db, kind)
    return {
        "users": users,
        "rounds": rounds,
        "pending": {"small": SMALL, "large": large},
        "small": small,
        "large": big,
        "ratio": {name: round(big[name] / small[name], 2) for name in small},
        "heartbeats_hot": hot,
    }


@contextmanager
def _scratch(db: psycopg.Connection, users: int) -> Iterator[str]:
    """A kind and users that are gone afterwards, with their jobs."""
    kind = f"bench_{uuid.uuid4().hex}"
    with suppress(psycopg.errors.InsufficientPrivilege):
        db.execute("set session_replication_role = replica")  # quick loading; not for the claims
    db.execute("insert into public.job_kinds (kind, table_name) values (%s, 'ai_processing_jobs')", (kind,))
    db.execute("create temporary table bench_users (id uuid default gen_random_uuid(), place serial)")
    db.execute("insert into bench_users select from generate_series(1, %s)", (users,))
    db.execute("insert into auth.users (id) select id from bench_users")
    try:
        yield kind
    finally:
        db.execute("set session_replication_role = replica")
        for statement in (
            "delete from public.ai_processing_jobs where job_type = %(kind)s",
            "delete from public.job_events where user_id in (select id from bench_users)",
            "delete from public.runs where kind = %(kind)s",
            "delete from auth.users where id in (select id from bench_users)",
            "delete from public.job_kinds where kind = %(kind)s",
        ):
            db.execute(statement, {"kind": kind})
        db.execute("vacuum public.ai_processing_jobs")


def _fill(db: psycopg.Connection, kind: str, count: int, *, finished: bool = False) -> None:
    db.execute(
        """
        insert into public.ai_processing_jobs (user_id, job_type, status, run_at, picked_up_at, completed_at)
        select owner.id,
               %(kind)s,
               case when %(finished)s then 'completed' else 'pending' end,
               now() - number * interval '1 ms',
               case when %(finished)s then now() - interval '1 hour' end,
               case when %(finished)s then now() end
          from generate_series(1, %(count)s) as number
          join bench_users as owner on owner.place = 1 + number %% (select count(*) from bench_users)
        """,
        {"kind": kind, "count": count, "finished": finished},
    )


def _claims(db: psycopg.Connection, kind: str, rounds: int) -> dict[str, float]:
    db.execute("set session_replication_role = origin")
    result: dict[str, float] = {}
    for limit in (1, 8):
        seconds = []
        for number in range(rounds + 20):
            started = time.perf_counter()
            row = db.execute("select claim_jobs('bench', %s, %s, 60)", ([kind], limit)).fetchone()
            if number >= 20:  # the first ones make the plans
                seconds.append(time.perf_counter() - started)
            jobs = row[0]["jobs"] if row else []
            if len(jobs) != limit:
                raise RuntimeError(f"asked for {limit} jobs and got {len(jobs)}")
            db.execute("select release_jobs('bench')")
        cuts = quantiles(seconds, n=100)
        result |= {
            f"claim_{limit}_p50_ms": round(cuts[49] * 1e3, 3),
            f"claim_{limit}_p99_ms": round(cuts[98] * 1e3, 3),
        }
    return result


def _hot_share(db: psycopg.Connection, kind: str) -> float:
    """The share of 2,000 heartbeats (100 jobs, 20 times) that were HOT updates."""
    row = db.execute("select claim_jobs('bench', %s, 100, 600)", ([kind],)).fetchone()
    jobs = row[0]["jobs"] if row else []
    before = _updates(db)
    for beat in range(20):
        beats = [{**job, "progress": beat, "step": f"step {beat}"} for job in jobs]
        db.execute("select extend_leases('bench', 600, %s)", (Jsonb(beats),))
    after = _updates(db)
    db.execute("select release_jobs('bench')")
    return round((after[1] - before[1]) / (after[0] - before[0]), 4)


def _updates(db: psycopg.Connection) -> tuple[int, int]:
    """All updates of the table so far, and those that were HOT."""
    db.execute("select pg_stat_force_next_flush()")
    db.execute("select pg_stat_clear_snapshot()")
    query = "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'ai_processing_jobs'"
    row = db.execute(query).fetchone()
    if row is None:
        raise RuntimeError("ai_processing_jobs has no statistics")
    return row[0], row[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("database_url")
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=500)
    arguments = parser.parse_args()
    print(
        json.dumps(
            measure(
                arguments.database_url,
                large=arguments.large,
                users=arguments.users,
                rounds=arguments.rounds,
                told=lambda text: print(text, file=sys.stderr),
            ),
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
