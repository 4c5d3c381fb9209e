"""`kizu storage`: Keep the project's files in order."""

from __future__ import annotations

import asyncio

import click

from worker.context import files_for
from worker.files.sources import ASSETS_BUCKET
from worker.files.sweep import orphans
from worker.output import Group, as_json, print_json, say
from worker.project.connection import Connection
from worker.settings import Settings
from worker.target import read_target


@click.group(cls=Group)
def storage() -> None:
    """Keep the project's files in order."""


@storage.command()
@click.option("--dry-run", is_flag=True, help="Only say which files would be removed.")
@click.option(
    "--older-than",
    type=click.FloatRange(min=0, max=1_000_000),
    metavar="HOURS",
    help="Leave files younger than this; default: ORPHAN_HOURS.",
)
@as_json
def sweep(dry_run: bool, older_than: float | None, as_json: bool) -> None:
    """Remove files that no row refers to: those of attempts that were lost, cancelled or replaced.

    What a job that still runs has written stays, and so do originals.
    """
    settings = read_target()
    hours = settings.orphan_hours if older_than is None else older_than
    found, removed = asyncio.run(
        _sweep(settings, older_than_hours=hours, dry_run=dry_run, tell=dry_run and not as_json)
    )
    if as_json:
        print_json({"dry_run": dry_run, "orphans": found, "removed": removed})
    elif dry_run:
        say(f"{found} files would be removed")
    else:
        say(f"{removed} of {found} files removed")


async def _sweep(
    settings: Settings, *, older_than_hours: float, dry_run: bool, tell: bool
) -> tuple[int, int]:
    """How many orphans there were, and how many of them Storage has removed."""
    found = removed = 0
    async with Connection(settings) as connection, files_for(connection, settings) as files:
        async for keys in orphans(connection, older_than_hours=older_than_hours):
            found += len(keys)
            if tell:
                for key in keys:
                    say(key)
            if not dry_run:
                removed += await files.delete(ASSETS_BUCKET, keys)
    return found, removed


COMMAND = storage
