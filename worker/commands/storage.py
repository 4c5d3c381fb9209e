"""`kizu storage`: Keep the project's files in order."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import click

from worker.context import files_for
from worker.files.comparison import missing_files, unnamed_files
from worker.files.sources import ASSETS_BUCKET
from worker.files.sweep import orphans
from worker.files.trash import empty_trash
from worker.output import Group, as_json, print_json, say
from worker.project.connection import Connection
from worker.settings import Settings
from worker.target import read_target


@click.group(cls=Group)
def storage() -> None:
    """Keep the project's files in order."""


older_than = click.option(
    "--older-than",
    type=click.FloatRange(min=0, max=1_000_000),
    metavar="HOURS",
    help="Leave files younger than this; default: ORPHAN_HOURS.",
)


@storage.command()
@click.option("--dry-run", is_flag=True, help="Only say which files would be removed.")
@older_than
@as_json
def sweep(dry_run: bool, older_than: float | None, as_json: bool) -> None:
    """Remove files that no row refers to: those of attempts that were lost, cancelled or replaced.

    Files of photos and accounts that were deleted go, too, as workers see to by themselves. What a job that
    still runs has written stays, and so do originals.
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
        more = not dry_run
        while more:
            more = (await empty_trash(connection, files))[1]
        async for keys in orphans(connection, older_than_hours=older_than_hours):
            found += len(keys)
            if tell:
                for key in keys:
                    say(key)
            if not dry_run:
                removed += await files.delete(ASSETS_BUCKET, keys)
    return found, removed


@storage.command()
@older_than
@click.option("--delete", is_flag=True, help="Remove the files that no row names.")
@as_json
@click.pass_context
def check(ctx: click.Context, older_than: float | None, delete: bool, as_json: bool) -> None:
    """Say which rows lack their file, which files no row names, and what waits to be deleted.

    Of your own or, with a secret key, of everybody. Originals count, parts, and files made of them. Exit
    code 1 says that files are missing.
    """
    settings = read_target()
    hours = settings.orphan_hours if older_than is None else older_than
    found = asyncio.run(_check(settings, older_than_hours=hours, delete=delete))
    if as_json:
        print_json(found)
    else:
        _tell(found)
    if found["missing"]:
        ctx.exit(1)


async def _check(settings: Settings, *, older_than_hours: float, delete: bool) -> dict[str, Any]:
    """{missing: rows, unnamed: files older than that, trash: how much waits, removed: of the unnamed}."""
    missing: list[Mapping[str, Any]] = []
    unnamed: list[Mapping[str, Any]] = []
    removed = 0
    async with Connection(settings) as connection, files_for(connection, settings) as files:
        async for rows in missing_files(connection):
            missing += rows
        async for page in unnamed_files(connection, older_than_hours=older_than_hours):
            unnamed += page
            if delete:
                keys = defaultdict[str, list[str]](list)
                for file in page:
                    keys[file["bucket"]].append(file["key"])
                removed += sum([await files.delete(bucket, some) for bucket, some in keys.items()])
        trash = await connection.rpc("trash_waiting")
    return {
        "missing": missing,
        "unnamed": unnamed,
        "older_than_hours": older_than_hours,
        "trash": trash,
        "removed": removed,
    }


def _tell(found: Mapping[str, Any]) -> None:
    for row in found["missing"]:
        say(f"missing: {row['bucket']}/{row['key']} ({row['table']} {row['id']})")
    for file in found["unnamed"]:
        say(f"unnamed: {file['bucket']}/{file['key']}")
    say(f"{len(found['missing'])} rows name a file that is not in Storage")
    mebibytes = sum(file["bytes"] or 0 for file in found["unnamed"]) / 2**20
    removed = f", {found['removed']} removed" if found["removed"] else ""
    say(
        f"{len(found['unnamed'])} files of more than {found['older_than_hours']:g} hours are named by no row"
        f" ({mebibytes:.1f} MiB){removed}"
    )
    trash = found["trash"]
    tried = f", {trash['tried']} of them asked for in vain" if trash["tried"] else ""
    say(f"{trash['waiting']} files and folders wait to be deleted{tried}")


COMMAND = storage
