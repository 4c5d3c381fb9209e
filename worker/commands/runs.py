"""`kizu runs`: Look at what was done with which model, and take it back."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import click

from worker.commands.jobs import with_connection
from worker.log import printable
from worker.output import CommandFailed, Group, as_json, print_json, print_table, say
from worker.project.connection import Connection

PAGE = 200
"""Runs that one call takes back: half a second, for which settlements of the same photos wait."""
UNITS = {"m": 60, "h": 3600, "d": 86_400}
COUNTED = ("deleted", "kept", "facts", "missing_from")
"""What a page says in numbers by name; of photos and facts a photo on two pages counts twice."""
MEANING = {"pictures": "searches", "faces": "recognition"}


def instant(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    """A time in ISO 8601, UTC where it names no zone; or so long ago, as in 90m, 12h, 7d."""
    if value is None:
        return None
    try:
        if value[-1:] in UNITS:
            return datetime.now(UTC) - timedelta(seconds=int(value[:-1]) * UNITS[value[-1]])
        given = datetime.fromisoformat(value)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{value!r} is no time: expected one as in 2026-12-01T08:00, or 90m, 12h, 7d"
        ) from None
    return given if given.tzinfo else given.replace(tzinfo=UTC)


def chosen_by(command: Any) -> Any:
    """The options that choose runs."""
    for option in (
        click.option("--until", callback=instant, help="Only runs that ended before: as with --since."),
        click.option(
            "--since", callback=instant, help="Only runs that ended since: a time, or 90m, 12h, 7d ago."
        ),
        click.option("--asset", type=click.UUID, help="Only runs of this photo."),
        click.option("--fact", help="Only runs that told this fact, as in `kizu jobs missing`."),
        click.option("--model", help="Only runs in which this model version told something."),
    ):
        command = option(command)
    return command


def filter_of(
    model: str | None, fact: str | None, asset: UUID | None, since: datetime | None, until: datetime | None
) -> dict[str, Any]:
    said = {"model": model, "fact": fact, "asset_id": asset, "since": since, "until": until}
    return {name: value for name, value in said.items() if value is not None}


@click.group(cls=Group)
def runs() -> None:
    """Look at what was done with which model, and take it back."""


@runs.command("list")
@chosen_by
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@as_json
def list_runs(limit: int, as_json: bool, **options: Any) -> None:
    """The newest runs: every attempt of a job that has ended, with what it was done with."""

    async def act(connection: Connection) -> list[dict[str, Any]]:
        answer = await connection.rpc("list_runs", {"p_filter": {**filter_of(**options), "limit": limit}})
        found: list[dict[str, Any]] = answer["runs"]
        return found

    found = with_connection(act)
    if as_json:
        print_json(found)
        return
    rows = [
        {
            **run,
            "outcome": outcome_of(run),
            "models": " ".join(sorted({model["version"] for model in run["models"]})) or None,
            "counts": " ".join(f"{name}={count}" for name, count in sorted(run["counts"].items())) or None,
            "asset": run["asset_id"],
        }
        for run in found
    ]
    print_table(rows, ["finished_at", "id", "kind", "outcome", "models", "counts", "asset"])


@runs.command()
@click.argument("run_id", type=click.UUID)
@as_json
def show(run_id: UUID, as_json: bool) -> None:
    """One run: what told each fact with which parameters, and what is left of what it wrote."""

    async def act(connection: Connection) -> dict[str, Any] | None:
        chosen = {"p_filter": {"ids": [run_id]}}
        found = (await connection.rpc("list_runs", chosen))["runs"]
        if not found:
            return None
        left = await connection.rpc("roll_back_runs", {**chosen, "p_dry_run": True})
        return {**found[0], "rows": dict(sorted((Counter(left["deleted"]) + Counter(left["kept"])).items()))}

    run = with_connection(act)
    if run is None:
        raise CommandFailed(f"not_found: there is no run {run_id}, or it is not yours")
    if as_json:
        print_json(run)
        return
    for name, value in run.items():
        if value not in (None, [], {}) and name != "models":
            say(printable(f"{name}: {json.dumps(value) if isinstance(value, dict | list) else value}"))
    if run["models"]:
        columns = ["fact", "name", "version", "backend", "precision", "device", "digest", "parameters"]
        rows = [{**model, "parameters": json.dumps(model.get("parameters", {}))} for model in run["models"]]
        print_table(rows, columns, title="models")


@runs.command()
@click.argument("run_ids", nargs=-1, type=click.UUID)
@chosen_by
@click.option("--yes", is_flag=True, help="Do it; without, only say what would be done.")
@as_json
def rollback(run_ids: tuple[UUID, ...], yes: bool, as_json: bool, **options: Any) -> None:
    """Take back what runs wrote, whole runs at a time, whichever of their facts chose them.

    What people said stays: faces that they named, and their tags. So do vectors and faces of other
    generations. What a run had put in the place of something is gone, and missing then: `kizu jobs missing
    --yes` has it found out anew. Until that is done, photos whose vectors go are in no search. Thumbnails are
    no fact: they need another `optimize_image` job, with `p_force`. Files are removed by the next sweep.

    A run that was rolled back stays in `kizu runs list`.
    """
    chosen = filter_of(**options)
    if run_ids:
        chosen["ids"] = list(run_ids)
    if not chosen:
        raise click.UsageError("name runs, or choose them with --model, --fact, --asset, --since or --until")

    async def act(connection: Connection) -> dict[str, Any]:
        total: dict[str, Any] = {"dry_run": not yes, "runs": 0, "photos": 0}
        counted = {name: Counter[str]() for name in COUNTED}
        page: Mapping[str, Any] | None = {**chosen, "limit": PAGE}
        while page is not None:
            answer = await connection.rpc("roll_back_runs", {"p_filter": page, "p_dry_run": not yes})
            page = answer["next"]
            total["runs"] += answer["runs"]
            total["photos"] += answer["photos"]
            for name, counter in counted.items():
                counter.update(answer[name])
            if page is not None and sys.stderr.isatty():
                say(f"{total['runs']} runs …", err=True)
        return {**total, **{name: dict(sorted(counter.items())) for name, counter in counted.items()}}

    answer = with_connection(act)
    missing = sorted({str(run_id) for run_id in run_ids}) if not answer["runs"] else []
    if as_json:
        print_json(answer)
    else:
        tell(answer, yes=yes)
    if missing:
        raise CommandFailed(f"not_found: no run of these is yours and not rolled back: {', '.join(missing)}")


def tell(answer: Mapping[str, Any], *, yes: bool) -> None:
    """What was taken back, or would be."""
    for table, rows in answer["deleted"].items():
        say(f"{table}: {many(rows, 'row')} deleted" if yes else f"{table}: {many(rows, 'row')} to delete")
    for table, rows in answer["kept"].items():
        say(f"{table}: {many(rows, 'row')} kept, as people spoke of what they show")
    for fact, photos in answer["facts"].items():
        say(f"{fact}: {many(photos, 'photo')} will not be known in that version")
    for kind, photos in answer["missing_from"].items():
        say(
            f"{many(photos, 'photo')} will be missing from {MEANING.get(kind, kind)} until found out again"
            if not yes
            else f"{many(photos, 'photo')} missing from {MEANING.get(kind, kind)}: `kizu jobs missing --yes`"
        )
    of = f"{many(answer['runs'], 'run')} of {many(answer['photos'], 'photo')}"
    say(f"{of} rolled back" if yes else f"{of} would be rolled back; add --yes")


def many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def outcome_of(run: Mapping[str, Any]) -> str:
    """How it ended, in words: with its error code, or that it was rolled back."""
    if run["rolled_back_at"]:
        return "rolled back"
    return ": ".join(filter(None, (run["outcome"], run["error_code"])))


COMMAND = runs
