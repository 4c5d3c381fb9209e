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
from psycopg import sql
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

    `users` share each backlog evenly. The small backlog lies in one job table and the large one in another;
    rounds take turns, so that whatever else the machine does slows both. Each round gives its jobs back.
    """
    with psycopg.connect(database_url, autocommit=True) as db, _scratch(db, users) as kinds:
        told(f"loading {SMALL} pending, and {large} pending with {large} finished")
        _fill(db, kinds["small"], "image_processing_jobs", SMALL)
        _fill(db, kinds["large"], "ai_processing_jobs", large)
        _fill(db, kinds["large"], "ai_processing_jobs", large, finished=True)
        db.execute("vacuum (analyze) public.ai_processing_jobs")
        told("heartbeats")
        hot = _hot_share(db, kinds["large"])
        told("claims")
        result = {f"claim_{limit}": _claims(db, kinds, limit, rounds) for limit in (1, 8)}
    return {
        "users": users,
        "rounds": rounds,
        "pending": {"small": SMALL, "large": large},
        **result,
        "heartbeats_hot": hot,
    }


@contextmanager
def _scratch(db: psycopg.Connection, users: int) -> Iterator[dict[str, str]]:
    """Two kinds and their users, gone afterwards with all their jobs."""
    kinds = {size: f"bench_{size}_{uuid.uuid4().hex}" for size in ("small", "large")}
    db.execute(
        "insert into public.job_kinds (kind, table_name) select unnest(%s::text[]), 'ai_processing_jobs'",
        (list(kinds.values()),),
    )
    db.execute("create temporary table bench_users (id uuid default gen_random_uuid(), place serial)")
    db.execute("insert into bench_users select from generate_series(1, %s)", (users,))
    db.execute("insert into auth.users (id) select id from bench_users")
    try:
        yield kinds
    finally:
        for statement in (
            "delete from public.jobs where job_type = any (%(kinds)s)",
            "delete from public.job_events where user_id in (select id from bench_users)",
            "delete from public.runs where kind = any (%(kinds)s)",
            "delete from auth.users where id in (select id from bench_users)",
            "delete from public.job_kinds where kind = any (%(kinds)s)",
        ):
            with _without_triggers(db):
                db.execute(statement, {"kinds": list(kinds.values())})
        db.execute("vacuum public.ai_processing_jobs")


@contextmanager
def _without_triggers(db: psycopg.Connection) -> Iterator[None]:
    """Loads and clears quickly where the connection may; elsewhere it takes longer."""
    with suppress(psycopg.errors.InsufficientPrivilege):
        db.execute("set session_replication_role = replica")
    try:
        yield
    finally:
        db.execute("reset session_replication_role")


FILL = """
    insert into public.{} (user_id, job_type, status, run_at, picked_up_at, completed_at)
    select owner.id,
           %(kind)s,
           case when %(finished)s then 'completed' else 'pending' end,
           now() - number * interval '1 ms',
           case when %(finished)s then now() - interval '1 hour' end,
           case when %(finished)s then now() end
      from generate_series(1, %(count)s) as number
      join bench_users as owner on owner.place = 1 + number %% (select count(*) from bench_users)
"""


def _fill(db: psycopg.Connection, kind: str, table: str, count: int, *, finished: bool = False) -> None:
    with _without_triggers(db):
        statement = sql.SQL(FILL).format(sql.Identifier(table))
        db.execute(statement, {"kind": kind, "count": count, "finished": finished})
    db.execute("select kizu.reset_floors()")  # what no trigger has seen


def _claims(db: psycopg.Connection, kinds: dict[str, str], limit: int, rounds: int) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {size: [] for size in kinds}
    for number in range(rounds + 20):
        for size, kind in kinds.items():
            started = time.perf_counter()
            row = db.execute("select claim_jobs('bench', %s, %s, 60)", ([kind], limit)).fetchone()
            if number >= 20:  # the first ones make the plans
                seconds[size].append(time.perf_counter() - started)
            jobs = row[0]["jobs"] if row else []
            if len(jobs) != limit:
                raise RuntimeError(f"asked for {limit} jobs and got {len(jobs)}")
            db.execute("select release_jobs('bench')")
    cuts = {size: quantiles(values, n=100) for size, values in seconds.items()}
    result: dict[str, Any] = {
        size: {"p50_ms": round(cut[49] * 1e3, 3), "p99_ms": round(cut[98] * 1e3, 3)}
        for size, cut in cuts.items()
    }
    result["ratio"] = {
        name: round(result["large"][name] / result["small"][name], 2) for name in ("p50_ms", "p99_ms")
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
