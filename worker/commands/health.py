"""`kizu health`: Ask the worker running on this machine how it is; exit code 1 if it does not answer."""

from __future__ import annotations

import asyncio
import sys

import click

from worker import health as checks
from worker.output import as_json, print_json, say
from worker.target import read_target


@click.command()
@click.option("--worker-id", help="Which worker; default: WORKER_ID or the host name.")
@as_json
def health(worker_id: str | None, as_json: bool) -> None:
    """Ask the worker running on this machine how it is; exit code 1 if it does not answer."""
    settings = read_target(running=False)
    name = worker_id or settings.worker_id
    status = asyncio.run(checks.ask(name, settings.url))
    if as_json:
        print_json({"worker_id": name, "healthy": status is not None, **(status or {})})
    elif status is None:
        say(f"worker {name} does not answer on this machine", err=True)
    else:
        lanes = ", ".join(f"{lane} {use['running']}/{use['slots']}" for lane, use in status["lanes"].items())
        state = "is stopping" if status["stopping"] else "is up"
        down = "".join(f"; {what} down for {seconds:.0f} s" for what, seconds in status["down"].items())
        say(f"worker {name} {state}: {lanes}; realtime {'on' if status['realtime'] else 'off'}{down}")
    sys.exit(status is None)


COMMAND = health
