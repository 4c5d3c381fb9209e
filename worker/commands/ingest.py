"""`kizu ingest`: Upload photos (files, or folders with everything below them) and enqueue their jobs."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict
from pathlib import Path

import click
from rich.progress import Progress

from worker.context import files_for
from worker.core.errors import NotFound
from worker.library.ingest import IMAGES, Report, find_files, ingest
from worker.output import as_json, print_json, say
from worker.project.connection import Connection
from worker.target import read_target


@click.command("ingest")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@as_json
def ingest_command(paths: tuple[Path, ...], as_json: bool) -> None:
    """Upload photos (files, or folders with everything below them) and enqueue their jobs.

    Signs in with KIZU_EMAIL and KIZU_PASSWORD. What is already in the library is not uploaded again. A file
    that cannot be read, or is too large, is named and left out; the exit code is then 1.
    """
    files = find_files(paths)
    if not files:
        raise NotFound(f"no picture is there: expected files ending in {', '.join(IMAGES)}")
    report = asyncio.run(ingest_files(files, quiet=as_json))
    if as_json:
        failures = [{**asdict(failure), "path": str(failure.path)} for failure in report.failures]
        print_json({"files": len(files), **report.counts, "failures": failures})
    else:
        said = ", ".join(f"{count} {what}" for what, count in report.counts.items())
        say(f"{len(files)} pictures: {said}")
        for failure in report.failures:
            say(f"{failure.path}: {failure.code}: {failure.reason}", err=True)
    sys.exit(bool(report.failures))


async def ingest_files(files: list[Path], *, quiet: bool) -> Report:
    settings = read_target()
    with Progress(transient=True, disable=quiet) as progress:
        bar = progress.add_task("uploading", total=len(files))

        def on_progress(what: str, amount: int) -> None:
            if what in ("uploaded", "already_there", "failed"):
                progress.advance(bar, amount)

        async with Connection(settings) as connection, files_for(connection, settings) as store:
            return await ingest(connection, store, files, on_progress=on_progress)


COMMAND = ingest_command
