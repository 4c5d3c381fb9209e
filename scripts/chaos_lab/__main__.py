"""`scripts/chaos`: everything is killed while jobs run, and SQL counts what that did to them."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from scripts.chaos_lab.experiment import Experiment
from scripts.chaos_lab.images.trial import images_trial
from scripts.chaos_lab.jobs_trial import TRIAL
from scripts.chaos_lab.plan import FULL, IMAGES_FULL, IMAGES_SHORT, SHORT, Plan
from scripts.chaos_lab.report import Report
from scripts.chaos_lab.sieges import LONG_SIEGE, SHORT_SIEGE, SiegeReport, besiege
from scripts.chaos_lab.trial import Trial
from worker import log

T = TypeVar("T")
TELL_SECONDS = 5


@click.command()
@click.option("--images", is_flag=True, help="Look at photos, with tiny models, instead of invented jobs.")
@click.option("--sieges", is_flag=True, help="One fault at a time, kept up for long, instead of all at once.")
@click.option("--short", is_flag=True, help="Fewer jobs and workers: a minute; of sieges, a few.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.option(
    "--seed", type=int, help="Draw the same wishes and the same trouble again (not the same timing)."
)
@click.option("--keep", is_flag=True, help="Keep the database and the logs, and say where they are.")
def main(images: bool, sieges: bool, short: bool, as_json: bool, seed: int | None, keep: bool) -> None:
    """Run jobs while workers and their models are killed, workers are stopped and drained, requests and
    answers are lost, Realtime is closed or goes silent, and Postgres is killed and restarted. Exits with 1
    when a job was lost, applied twice, half written, overwritten by a late worker, or is still held."""
    log.configure("error", "auto")
    tiny_models = Path(os.environ.get("KIZU_HOME", ".kizu"), "test-models").absolute()
    forget_other_projects()
    console = Console(stderr=as_json)
    changed_models = tiny_models.with_name("siege-models")
    if images:
        make_models("scripts.test_models", tiny_models)
        trial, plan = images_trial(tiny_models), IMAGES_SHORT if short else IMAGES_FULL
    else:
        trial, plan = TRIAL, SHORT if short else FULL
    home = Path(tempfile.mkdtemp(prefix="kizu-chaos-"))
    is_clean = False
    try:
        report: Report | SiegeReport
        if sieges:
            make_models("scripts.chaos_lab.generations.models", changed_models)
            siege_plan = SHORT_SIEGE if short else LONG_SIEGE
            report = asyncio.run(ended_by_sigterm(besiege(home, changed_models, siege_plan)))
        else:
            report = run(trial, plan, home, random.randrange(10**6) if seed is None else seed, console)
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


def make_models(maker: str, folder: Path) -> None:
    """Those that are not there yet; in a process of its own, as their libraries are large."""
    subprocess.run([sys.executable, "-m", maker, folder], check=True)


def run(trial: Trial, plan: Plan, home: Path, seed: int, console: Console) -> Report:
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

        experiment = Experiment(trial, plan, home=home, seed=seed, tell=tell)
        return asyncio.run(ended_by_sigterm(experiment.run()))


def forget_other_projects() -> None:
    """The environment's own project and keys must reach no worker of ours."""
    for name in list(os.environ):
        if name.startswith(("SUPABASE_", "KIZU_", "WORKER_ID", "LANES", "WAKE")):
            del os.environ[name]


async def ended_by_sigterm(work: Coroutine[Any, Any, T]) -> T:
    """SIGTERM ends it as Ctrl-C does: with everything it started stopped."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


if __name__ == "__main__":
    main()
