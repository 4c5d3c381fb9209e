"""`scripts/chaos`: everything is killed while jobs run, and SQL counts what that did to them."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from scripts.chaos_lab.experiment import Experiment
from scripts.chaos_lab.plan import FULL, SHORT, Plan
from scripts.chaos_lab.report import Report

TELL_SECONDS = 5


@click.command()
@click.option("--short", is_flag=True, help="Fewer jobs and workers, about half a minute.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.option(
    "--seed", type=int, help="Draw the same wishes and the same trouble again (not the same timing)."
)
@click.option("--keep", is_flag=True, help="Keep the database and the logs, and say where they are.")
def main(short: bool, as_json: bool, seed: int | None, keep: bool) -> None:
    """Run jobs while workers are killed, stopped and drained, requests and answers are lost, Realtime is
    closed or goes silent, and Postgres is killed and restarted. Exits with 1 when a job was lost, applied
    twice, half written, overwritten by a late worker, or is still held."""
    forget_other_projects()
    console = Console(stderr=as_json)
    home = Path(tempfile.mkdtemp(prefix="kizu-chaos-"))
    is_clean = False
    try:
        report = run(
            SHORT if short else FULL, home, random.randrange(10**6) if seed is None else seed, console
        )
        report.show(console)
        if as_json:
            print(json.dumps(report.as_json()))
        is_clean = report.is_clean
    finally:
        if is_clean and not keep:
            shutil.rmtree(home)
        else:
            console.print(f"database and logs are kept in {home}")
    sys.exit(not is_clean)


def run(plan: Plan, home: Path, seed: int, console: Console) -> Report:
    """Tells how far it is: on a terminal all the time, elsewhere now and then."""
    with console.status("starting") as status:
        told_at = 0.0

        def tell(text: str) -> None:
            nonlocal told_at
            if console.is_terminal:
                status.update(text)
            elif time.monotonic() - told_at >= TELL_SECONDS:
                told_at = time.monotonic()
                console.print(text, highlight=False)

        experiment = Experiment(plan, home=home, seed=seed, tell=tell)
        return asyncio.run(ended_by_sigterm(experiment.run()))


def forget_other_projects() -> None:
    """The environment's own project and keys must reach no worker of ours."""
    for name in list(os.environ):
        if name.startswith(("SUPABASE_", "KIZU_", "WORKER_ID", "LANES", "WAKE")):
            del os.environ[name]


async def ended_by_sigterm(work: Coroutine[Any, Any, Report]) -> Report:
    """SIGTERM ends it as Ctrl-C does: with everything it started stopped."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


if __name__ == "__main__":
    main()
