"""`kizu ingest`: Upload photos (files, or folders with everything below them) and enqueue their jobs."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from worker.context import files_for
from worker.library.ingest.bringing import ingest
from worker.library.ingest.report import NAMED, Report
from worker.output import as_json, print_json, say
from worker.project.connection import Connection
from worker.target import read_target


@click.command("ingest")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@as_json
def ingest_command(paths: tuple[Path, ...], as_json: bool) -> None:
    """Upload photos (files, or folders with everything below them) and enqueue their jobs.

    Signs in with KIZU_EMAIL and KIZU_PASSWORD. The content of a file decides whether it is a picture, not its
    ending. The film of a Live Photo, the raw beside a JPEG, the pictures of a burst and sidecars (.xmp,
    Takeout's .json) come in as parts of one photo, also when they are found later. What is in the library
    already is not uploaded again; it only learns what it did not know.

    Files are independent of each other: one that cannot be read or is refused is named with its reason, the
    others come in, and the exit code is 1; run again, it goes on. What is no photo (videos, too, as yet) is
    counted and listed by reason, up to 20 files each, with --json all of them.
    """
    report = asyncio.run(_ingest(paths, Report(most=None if as_json else NAMED), quiet=as_json))
    if as_json:
        print_json(report.as_json())
    else:
        for line in report.summary():
            say(line)
        for line in report.complaints():
            say(line, err=True)
    sys.exit(report.has_failed or not report.counts["found"])


async def _ingest(paths: tuple[Path, ...], report: Report, *, quiet: bool) -> Report:
    settings = read_target()
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        bar = progress.add_task("uploading", total=0)

        def on_progress(what: str, amount: int) -> None:
            progress.update(bar, total=report.counts["found"])
            if what in ("uploaded", "already_there", "failed"):
                progress.advance(bar, amount)

        async with Connection(settings) as connection, files_for(connection, settings) as files:
            return await ingest(
                connection,
                files,
                paths,
                most_bytes=settings.max_download_bytes,
                on_progress=on_progress,
                report=report,
            )


COMMAND = ingest_command
