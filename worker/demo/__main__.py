"""`python -m worker.demo` takes a folder of photos through the embedded Supabase and a worker.

Started again it goes on where it was: the demo user, the uploads and the finished jobs are all found again.
"""

from __future__ import annotations

import asyncio
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
from worker.library.ingest import IMAGES, find_files, ingest
from worker.library.missing import enqueue_missing, versions_of, without_weights
from worker.local.stack import LocalStack, StackInfo
from worker.log import configure, printable
from worker.operations import discover
from worker.output import as_json, print_json
from worker.project.connection import Connection
from worker.settings import Settings, read_settings

TOLD = ("assets", "jobs", "errors", "operations", "suggestion", "url")
"""Fields of the summary that `--json` prints."""


@click.command()
@click.argument("folder", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--no-open", is_flag=True, help="Do not open the contact sheet.")
@as_json
def main(folder: Path | None, no_open: bool, as_json: bool) -> None:
    """Take a folder of photos through the embedded Supabase and a worker."""
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
    elif not find_files([folder]):
        raise click.UsageError(f"no picture is in {folder}: expected files ending in {', '.join(IMAGES)}")
    summary = asyncio.run(take_through(folder, info, console))
    seconds = round(time.monotonic() - began, 2)
    if as_json:
        fields = asdict(summary)
        print_json(
            {
                **{name: fields[name] for name in TOLD},
                "seconds": seconds,
            }
        )
    else:
        print_summary(summary, info, seconds)
        if not no_open:
            webbrowser.open(summary.contact_sheet.as_uri())


async def take_through(folder: Path, info: StackInfo, console: Console) -> Summary:
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
        found = find_files([folder])
        with _progress(console) as progress:
            uploading = progress.add_task("photos uploaded", total=len(found))

            def on_progress(what: str, amount: int) -> None:
                if what in ("uploaded", "already_there", "failed"):
                    progress.advance(uploading, amount)

            report, _ = await asyncio.gather(
                ingest(connection, files, found, on_progress=on_progress), prepare(settings, progress)
            )
            for failure in report.failures:
                line = f"left out: {failure.path}: {failure.code}: {failure.reason}"
                progress.console.print(printable(line), markup=False)
            await _enqueue_missing(connection, settings, models, generations)
            await work(connection, info, settings, progress, progress.add_task("jobs finished", total=None))
        return await summarize(connection, files, info, settings)


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
