"""`kizu jobs`: Look at the queue, retry what failed, cancel what is not wanted."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import click

from worker.log import printable
from worker.output import CommandFailed, Group, as_json, print_json, print_table, say
from worker.project.connection import Connection
from worker.target import read_target

if TYPE_CHECKING:
    from worker.project.tables import Row

T = TypeVar("T")
PRUNE_PAGE = 5000
"""Rows of each kind that one call looks at."""
STATUSES = ("pending", "processing", "completed", "failed", "cancelled")
BRIEF = "id,job_type,status,priority,attempts,progress,current_step,error_code,worker_id,created_at,result"


def lacking(result: Any) -> str | None:
    """What a completed job was asked to find out and did not, and why; None where nothing is missing."""
    parts = result.items() if isinstance(result, dict) else ()
    failed = {
        name: part.get("error") or "unknown"
        for name, part in parts
        if isinstance(part, dict) and part.get("success") is False
    }
    return ", ".join(f"{name}: {code}" for name, code in sorted(failed.items())) or None


def with_connection(act: Callable[[Connection], Awaitable[T]]) -> T:
    """Sign in as the environment says, act, sign off."""

    async def run() -> T:
        async with Connection(read_target()) as connection:
            return await act(connection)

    return asyncio.run(run())


@click.group(cls=Group)
def jobs() -> None:
    """Look at the queue, retry what failed, cancel what is not wanted."""


@jobs.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only jobs in this state.")
@click.option("--kind", help="Only this job type.")
@click.option("--code", help="Only this error code.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@as_json
def list_jobs(status: str | None, kind: str | None, code: str | None, limit: int, as_json: bool) -> None:
    """The newest jobs."""
    from worker.project.tables import Store

    filters = {"status": status, "job_type": kind, "error_code": code}

    async def act(connection: Connection) -> list[Row]:
        wanted = {column: value for column, value in filters.items() if value}
        return await Store(connection).select(
            "jobs", BRIEF, equal=wanted, newest_by="created_at", limit=limit
        )

    rows = [{**row, "lacks": lacking(row.pop("result"))} for row in with_connection(act)]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["id", "job_type", "status", "attempts", "error_code", "lacks", "created_at"])


@jobs.command()
@click.argument("job_id", type=click.UUID)
@as_json
def show(job_id: UUID, as_json: bool) -> None:
    """One job with its history: every step, every attempt and what it took."""

    from worker.project.tables import Store

    async def act(connection: Connection) -> Row | None:
        store = Store(connection)
        rows = await store.select("jobs", equal={"id": job_id})
        if not rows:
            return None
        return {
            **rows[0],
            "events": await store.select("job_events", equal={"job_id": job_id}, newest_by="at"),
            "runs": await store.select("runs", equal={"job_id": job_id}, newest_by="finished_at"),
        }

    job = with_connection(act)
    if job is None:
        raise CommandFailed(f"not_found: there is no job {job_id}, or it is not yours")
    if as_json:
        print_json(job)
        return
    job["lacks"] = lacking(job["result"])
    for name, value in job.items():
        if value not in (None, [], {}) and name not in ("events", "runs"):
            say(printable(f"{name}: {json.dumps(value) if isinstance(value, dict | list) else value}"))
    if job["events"]:
        print_table(job["events"], ["at", "status", "step", "error_code", "worker_id"], title="events")
    if job["runs"]:
        print_table(
            job["runs"],
            ["finished_at", "attempt", "outcome", "error_code", "worker_id", "timings"],
            title="runs",
        )


@jobs.command()
@as_json
def stats(as_json: bool) -> None:
    """How many jobs there are of each kind, state and error code."""

    async def act(connection: Connection) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = await connection.rpc("job_stats")
        return rows

    rows = with_connection(act)
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["kind", "status", "error_code", "count", "oldest_seconds"])


@jobs.command()
@click.argument("job_ids", nargs=-1, type=click.UUID)
@click.option("--kind", "kinds", multiple=True, help="Only these job types.")
@click.option("--code", "codes", multiple=True, help="Only these error codes.")
@click.option("--limit", type=click.IntRange(1, 1000), default=1000, show_default=True)
@click.option("--yes", is_flag=True, help="Do it; without, only say what would be done.")
@as_json
def retry(
    job_ids: tuple[UUID, ...],
    kinds: tuple[str, ...],
    codes: tuple[str, ...],
    limit: int,
    yes: bool,
    as_json: bool,
) -> None:
    """Put failed or cancelled jobs back into the queue, with fresh attempts."""
    chosen: dict[str, Any] = {"ids": [str(job_id) for job_id in job_ids], "kinds": kinds, "codes": codes}
    chosen = {name: list(values) for name, values in chosen.items() if values}
    if not chosen:
        raise click.UsageError("name jobs, or choose them with --kind or --code")

    async def act(connection: Connection) -> dict[str, Any]:
        answer: dict[str, Any] = await connection.rpc(
            "retry_jobs", {"p_filter": {**chosen, "limit": limit}, "p_dry_run": not yes}
        )
        return answer

    answer = with_connection(act)
    if as_json:
        print_json(answer)
        return
    for job_id in answer["ids"]:
        say(job_id)
    many = f"{answer['count']} job{'' if answer['count'] == 1 else 's'}"
    if not answer["count"]:
        say("no failed job is meant by that; `kizu jobs stats` lists kinds and codes")
    else:
        say(f"{many} put back" if yes else f"{many} would be put back; add --yes")


@jobs.command()
@click.argument("job_ids", nargs=-1, required=True, type=click.UUID)
@as_json
def cancel(job_ids: tuple[UUID, ...], as_json: bool) -> None:
    """Stop jobs: pending ones at once, running ones at their next heartbeat.

    Exit code 1 says that there is no such job, or that it is not yours; the others are stopped all the same.
    """

    async def act(connection: Connection) -> list[dict[str, str]]:
        return [
            {"id": str(job_id), "status": await connection.rpc("cancel_job", {"p_id": str(job_id)})}
            for job_id in job_ids
        ]

    rows = with_connection(act)
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["id", "status"])
    sys.exit(any(row["status"] == "not_found" for row in rows))


@jobs.command()
@click.option("--yes", is_flag=True, help="Do it; without, only say what would be done.")
@as_json
def prune(yes: bool, as_json: bool) -> None:
    """Delete what is older than the rows of `queue_settings` say, as workers do now and then."""

    async def act(connection: Connection) -> dict[str, Any]:
        pruned: Counter[str] = Counter()
        while True:
            answer: dict[str, Any] = await connection.rpc(
                "prune_by_policy", {"p_limit": PRUNE_PAGE, "p_dry_run": not yes}
            )
            pruned.update(answer["pruned"])
            if not answer["more"]:
                return {"days": answer["days"], "pruned": dict(pruned), "dry_run": not yes}

    answer = with_connection(act)
    if as_json:
        print_json(answer)
        return
    for what, days in answer["days"].items():
        kept = f"kept for {days} days" if days else "kept for ever"
        say(f"{what}: {kept}" + (f", {answer['pruned'].get(what, 0)} deleted" if yes else ""))
    if not yes:
        say("add --yes to delete what is older")


@jobs.command()
@click.argument("names", metavar="[OPERATION]...", nargs=-1)
@click.option("--force", is_flag=True, help="Also photos that lack nothing: all of it again.")
@click.option("--yes", is_flag=True, help="Do it; without, only say what would be done.")
@as_json
def missing(names: tuple[str, ...], force: bool, yes: bool, as_json: bool) -> None:
    """Enqueue what photos lack: facts never found out, or told by another model than is used.

    Without an OPERATION: all of them. A fact is not missing where a photo was looked at in vain.

    Left alone, but for --force or another version of the model: what failed three times, tried ever more
    seldom; and what neither this machine nor a worker of the last 30 days has the model for.
    """
    from models.errors import ModelError
    from models.serving.profile import resolved
    from models.serving.remote import RemoteModels
    from worker.generations import Generations
    from worker.library.abilities import lacks_of
    from worker.library.missing import enqueue_what_can_be_found, versions_of
    from worker.operations import discover

    operations = discover()
    if unknown := [name for name in names if name not in operations]:
        raise click.BadParameter(f"{unknown[0]!r} is not one of {', '.join(operations)}.")
    settings = resolved(read_target())
    chosen = [operations[name] for name in names or operations]

    async def act() -> dict[str, Any]:
        async with Connection(settings) as connection, RemoteModels(settings) as models:
            generations = Generations(connection.rpc, settings)
            versions = await versions_of(chosen, models, generations)
            lacks = lacks_of(chosen, settings, generations.known)
            total = await enqueue_what_can_be_found(connection, versions, lacks, force=force, dry_run=not yes)
        return {**total, "versions": versions, "dry_run": not yes}

    try:
        answer = asyncio.run(act())
    except ModelError as error:
        raise CommandFailed(f"{error.code}: {error}") from None
    for name, lack in answer["lacking"].items():
        done = "enqueued all the same" if force else "left alone (--force enqueues everything again)"
        say(f"{name}: {lack['message']}, and no worker says that it can tell it: {done}", err=True)
    if as_json:
        print_json(answer)
        return
    for name, model_version in answer["versions"].items():
        left = ", ".join(f"{photos} {why}" for why, photos in sorted(answer["left"].get(name, {}).items()))
        say(
            f"{name}: missing in {answer['facts'].get(name, 0)} photos, as {model_version} would tell it"
            + (f"; left alone: {left}" if left else "")
        )
    done = f"{answer['enqueued']} jobs enqueued" if yes else "add --yes to enqueue their jobs"
    say(f"{answer['missing']} of {answer['looked_at']} photos lack something; {done}")


COMMAND = jobs
