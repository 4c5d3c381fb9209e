"""What `scripts/run` does once everything is installed: photos in, thumbnails out, on the embedded Supabase.

Started again it goes on where it was: the demo user, the uploads and the finished jobs are all found again.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import subprocess
import sys
import time
import webbrowser
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from worker.context import files_for
from worker.core.errors import StartupError
from worker.demo.contact_sheet import write_contact_sheet
from worker.demo.samples import write_samples
from worker.library.ingest import find_files, ingest
from worker.library.missing import enqueue_missing, versions_of, without_weights
from worker.local.stack import LocalStack, StackInfo
from worker.operations import discover
from worker.output import as_json, print_json
from worker.project.connection import Connection
from worker.project.tables import Store
from worker.settings import Settings, read_settings

KINDS = ("optimize_image", "image_ai")
EMAIL = "demo@kizu.example"
SIGN_IN = ("KIZU_WORKER_TOKEN", "KIZU_EMAIL", "KIZU_PASSWORD")
LEASE_SECONDS = 20
"""Short, so that a demo that was killed goes on soon after it is started again."""
LOOK_SECONDS = 0.3
"""Between two looks at the queue for the progress display."""
ROUNDS = 5
"""Workers started one after the other before giving up on jobs that never end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What there is at the end."""

    assets: int
    jobs: dict[str, int]
    errors: dict[str, int]
    operations: dict[str, dict[str, Any]]
    """By name: how many photos are `done` and how many `missing`, and `why`."""
    url: str
    thumbnails: int
    web_versions: int
    contact_sheet: Path


@click.command()
@click.argument("folder", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--no-open", is_flag=True, help="Do not open the contact sheet.")
@as_json
def main(folder: Path | None, no_open: bool, as_json: bool) -> None:
    """Take a folder of photos through the embedded Supabase and a worker."""
    began = time.monotonic()
    console = Console(stderr=True, quiet=as_json)
    home = read_settings().kizu_home
    with console.status("starting the embedded Supabase"):
        info = LocalStack(home).up()
    console.print(f"Supabase runs at [bold]{info.url}[/]; its data are in {info.home}")
    if folder is None:
        folder = write_samples(home / "samples")
        console.print(f"no folder given, so these sample photos are used: {folder}")
    summary = asyncio.run(take_through(folder, info, console))
    seconds = round(time.monotonic() - began, 2)
    if as_json:
        fields = asdict(summary)
        print_json(
            {
                **{name: fields[name] for name in ("assets", "jobs", "errors", "operations", "url")},
                "seconds": seconds,
            }
        )
    else:
        _print(summary, info, seconds)
        if not no_open:
            webbrowser.open(summary.contact_sheet.as_uri())


async def take_through(folder: Path, info: StackInfo, console: Console) -> Summary:
    """Sign in, upload, enqueue, work until the queue is empty, and count what there is."""
    email, password = await _sign_up(info)
    settings = read_settings(
        supabase_url=info.url,
        supabase_publishable_key=info.publishable_key,
        supabase_secret_key=None,
        kizu_worker_token=None,
        kizu_email=email,
        kizu_password=password,
    )
    async with Connection(settings) as connection, files_for(connection, settings) as files:
        found = find_files([folder])
        with _progress(console) as progress:
            uploading = progress.add_task("photos uploaded", total=len(found))

            def told(what: str, amount: int) -> None:
                if what in ("uploaded", "already_there"):
                    progress.advance(uploading, amount)

            await ingest(connection, files, found, told=told)
            await _ask_again(connection, settings)
            await _work(connection, info, progress, progress.add_task("jobs finished", total=None))
        store = Store(connection)
        derived = [row async for row in store.every("derived_assets", "id,user_id,asset_id,kind,key")]
        sheet = await write_contact_sheet(info.home / "contact-sheet", files, derived)
        jobs = [
            row
            async for row in store.every("jobs", "id,asset_id,job_type,status,error_code,result,completed_at")
        ]
        kinds = Counter(row["kind"] for row in derived)
        states = Counter(row["status"] for row in jobs)
        return Summary(
            assets=len([row async for row in store.every("assets", "id")]),
            jobs={"completed": states["completed"], "failed": states["failed"]},
            errors=dict(Counter(row["error_code"] for row in jobs if row["status"] == "failed")),
            operations=_operations([row for row in jobs if row["job_type"] == "image_ai" and row["result"]]),
            url=info.url,
            thumbnails=kinds["thumbnail"],
            web_versions=kinds["web"],
            contact_sheet=sheet,
        )


async def _ask_again(connection: Connection, settings: Settings) -> None:
    """Photos of an earlier run lack what it had no models for: ask for what can be told now."""
    operations = discover()
    absent = without_weights(operations.values(), settings)
    here = [operation for operation in operations.values() if operation.name not in absent]
    await enqueue_missing(connection, await versions_of(here, settings))


def _operations(jobs: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What became of each operation: of several jobs about one photo the last one counts."""
    last: dict[tuple[str, str], dict[str, Any]] = {}
    for job in sorted(jobs, key=lambda job: str(job["completed_at"])):
        for name, said in job["result"].items():
            if name not in ("asset_id", "_meta"):
                last["describe" if name == "description" else name, job["asset_id"]] = said
    found: dict[str, dict[str, Any]] = {}
    for (name, _), said in last.items():
        entry = found.setdefault(name, {"done": 0, "missing": 0, "why": None})
        entry["done" if said["success"] else "missing"] += 1
        entry["why"] = entry["why"] or said.get("error")
    return dict(sorted(found.items()))


async def _sign_up(info: StackInfo) -> tuple[str, str]:
    """E-mail and password of the demo user of this installation, who is made on first use."""
    path = info.home / "demo.json"
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"email": EMAIL, "password": secrets.token_urlsafe(18)}, file)
    account = json.loads(path.read_text())
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        answer = await client.post(
            f"{info.url}/auth/v1/signup", headers={"apikey": info.publishable_key}, json=account
        )
    known_already = answer.status_code in (400, 422)
    if not answer.is_success and not known_already:
        raise StartupError(f"the demo user could not be signed up: {answer.status_code}")
    return account["email"], account["password"]


async def _work(connection: Connection, info: StackInfo, progress: Progress, bar: TaskID) -> None:
    """Run workers until no job is left; what a killed worker held comes back when its lease runs out."""
    for _ in range(ROUNDS):
        with _worker(info) as process:
            while process.poll() is None:
                await _show(connection, progress, bar)
                await asyncio.sleep(LOOK_SECONDS)
        if process.returncode != 0:
            raise StartupError(f"the worker ended with {process.returncode}; see {_log_of(info)}")
        if not await _show(connection, progress, bar):
            return
        await asyncio.sleep(LEASE_SECONDS)
    raise StartupError(f"some jobs did not end; see `kizu jobs list` and {_log_of(info)}")


@contextmanager
def _worker(info: StackInfo) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker in a process of its own, ended with this one."""
    environment = {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith("SUPABASE_") and name not in SIGN_IN
        },
        "SUPABASE_URL": info.url,
        "SUPABASE_SECRET_KEY": info.secret_key,
        "LEASE_SECONDS": str(LEASE_SECONDS),
        "LOG_FORMAT": "json",
    }
    command = [sys.executable, "-m", "worker", "worker", "--drain", "--worker-id", f"demo-{os.getpid()}"]
    descriptor = os.open(_log_of(info), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _log_of(info: StackInfo) -> Path:
    return info.home / "logs" / "worker.log"


async def _show(connection: Connection, progress: Progress, bar: TaskID) -> int:
    """Bring the display up to date; answers how many jobs are not finished."""
    stats = [row for row in await connection.rpc("job_stats") if row["kind"] in KINDS]
    total = sum(row["count"] for row in stats)
    left: int = sum(row["count"] for row in stats if row["status"] in ("pending", "processing"))
    progress.update(bar, total=total, completed=total - left)
    return left


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def _print(summary: Summary, info: StackInfo, seconds: float) -> None:
    table = Table(title=f"done in {seconds} s", box=None, show_header=False, title_justify="left")
    table.add_row("photos in the library", str(summary.assets))
    table.add_row("thumbnails", str(summary.thumbnails))
    table.add_row("web versions", str(summary.web_versions))
    table.add_row("jobs completed", str(summary.jobs["completed"]))
    table.add_row("jobs failed", str(summary.jobs["failed"]))
    for code, count in sorted(summary.errors.items()):
        table.add_row(f"  {code}", str(count))
    for name, entry in summary.operations.items():
        missing = f", {entry['missing']} missing: {entry['why']}" if entry["missing"] else ""
        table.add_row(f"  {name}", f"{entry['done']} photos{missing}")
    table.add_row("files", str(info.home / "storage"))
    table.add_row("contact sheet", str(summary.contact_sheet))
    table.add_row("look closer", "kizu jobs list, kizu jobs stats, kizu local status")
    Console().print(table)
    lacking = [name for name, entry in summary.operations.items() if entry["why"] == "weights_missing"]
    if lacking:
        Console().print(
            f"\nThe models for {', '.join(lacking)} are not on this machine, and no model hub answered. Where"
            " one can be reached, [bold]kizu models pull all[/] fetches them; started again, this enqueues"
            " what photos still lack, as [bold]kizu jobs missing --yes[/] does. Nothing is lost meanwhile."
        )


if __name__ == "__main__":
    main()
