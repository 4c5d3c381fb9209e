"""`python -m worker.demo` takes a folder of photos through the embedded Supabase and a worker.

Started again it goes on where it was: the demo user, the uploads and the finished jobs are all found again.
"""

from __future__ import annotations

import asyncio
import sys
import time
import webbrowser
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from models.serving.asking import Models
from models.serving.profile import resolved
from models.serving.remote import RemoteModels
from worker.context import files_for
from worker.demo.account import sign_up
from worker.demo.preparing import prepare, selected
from worker.demo.samples import write_samples
from worker.demo.summary import Summary, print_summary, summarize
from worker.demo.working import work
from worker.generations import Generations
from worker.library.ingest.bringing import ingest
from worker.library.ingest.finding import Unused, find
from worker.library.ingest.report import NAMED, Report
from worker.library.missing import enqueue_missing, versions_of, without_weights
from worker.local.stack import LocalStack, StackInfo
from worker.log import configure, printable
from worker.operations import discover
from worker.output import as_json, print_json
from worker.project.connection import Connection
from worker.settings import Settings, read_settings

TOLD = ("assets", "jobs", "errors", "operations", "suggestion", "url")
"""Fields of the summary that `--json` prints, beside what became of the files."""


@click.command()
@click.argument("folder", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--no-open", is_flag=True, help="Do not open the contact sheet.")
@as_json
def main(folder: Path | None, no_open: bool, as_json: bool) -> None:
    """Take a folder of photos through the embedded Supabase and a worker.

    What does not come in is named with its reason, and the rest goes on; the exit code is then 1.
    """
    began = time.monotonic()
    configure("warning", "auto")
    console = Console(stderr=True, quiet=as_json)
    home = read_settings().kizu_home
    with console.status("starting the embedded Supabase"):
        info = LocalStack(home).up()
    console.print(f"Supabase runs at [bold]{info.url}[/]; its data are in {info.home}")
    if folder is None:
        folder = write_samples(home / "samples")
        console.print(f"no folder given, so these sample photos are used: {folder}")
    else:
        _expect_pictures(folder)
    report = Report(most=None if as_json else NAMED)
    summary = asyncio.run(take_through(folder, info, console, report))
    seconds = round(time.monotonic() - began, 2)
    if as_json:
        fields = asdict(summary)
        print_json(
            {
                **{name: fields[name] for name in TOLD},
                "import": report.as_json(),
                "seconds": seconds,
            }
        )
    else:
        print_summary(summary, info, seconds)
        if not no_open:
            webbrowser.open(summary.contact_sheet.as_uri())
    sys.exit(report.has_failed)


def _expect_pictures(folder: Path) -> None:
    """Look until a picture is found.

    Raises:
        click.UsageError: there is none; it names what is there.
    """
    report = Report()
    for found in find([folder]):
        if not isinstance(found, Unused):
            return
        report.leave(found.left)
    said = [*report.summary(), *report.complaints()]
    raise click.UsageError("\n".join(map(printable, (f"no picture is in {folder}", *said[1:]))))


async def take_through(folder: Path, info: StackInfo, console: Console, report: Report) -> Summary:
    """Sign in, upload, enqueue, work until the queue is empty, and count what there is."""
    settings = await asyncio.to_thread(resolved, await sign_up(info))
    async with (
        Connection(settings) as connection,
        files_for(connection, settings) as files,
        RemoteModels(settings) as models,
    ):
        generations = Generations(connection.rpc, settings)
        settings = await generations.settings_of_library(settings)
        console.print(f"models: {', '.join(variant.version for variant in selected(settings))}")
        with _progress(console) as progress:
            uploading = progress.add_task("photos uploaded", total=0)

            def on_progress(what: str, amount: int) -> None:
                progress.update(uploading, total=report.counts["found"])
                if what in ("uploaded", "already_there", "failed"):
                    progress.advance(uploading, amount)

            importing = ingest(
                connection,
                files,
                [folder],
                most_bytes=settings.max_download_bytes,
                on_progress=on_progress,
                report=report,
            )
            await asyncio.gather(importing, prepare(settings, progress))
            for line in (*report.summary(), *report.complaints()):
                progress.console.print(printable(line), markup=False, highlight=False, soft_wrap=True)
            await _enqueue_missing(connection, settings, models, generations)
            await work(connection, info, settings, progress, progress.add_task("jobs finished", total=None))
        return await summarize(connection, files, info, settings, report)


async def _enqueue_missing(
    connection: Connection, settings: Settings, models: Models, generations: Generations
) -> None:
    """Enqueue what photos of an earlier run lack because it had no models for it."""
    operations = discover()
    absent = without_weights(operations.values(), settings)
    here = [operation for operation in operations.values() if operation.name not in absent]
    await enqueue_missing(connection, await versions_of(here, models, generations))


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


if __name__ == "__main__":
    main(prog_name="scripts/run")
