"""`kizu`: every command, and the exit codes they share.

0  done
1  something failed that should not have, or what was named is not there; the message or the log says what
2  wrong usage, wrong settings, a project that refuses us, or a name that is taken (`StartupError`)
3  stopped with jobs given back unfinished
"""

from __future__ import annotations

import sys

import click

from worker import log
from worker.commands.doctor import doctor
from worker.commands.health import health
from worker.commands.ingest import ingest_command
from worker.commands.jobs import jobs
from worker.commands.local import local
from worker.commands.models import models
from worker.commands.search import search
from worker.commands.storage import storage
from worker.commands.worker import serve
from worker.core.errors import JobError, StartupError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kizu-worker")
def kizu() -> None:
    """Private photo and video intelligence on Supabase, from your own machines."""
    log.configure("warning", "auto")


for command in (serve, local, ingest_command, search, jobs, models, storage, doctor, health):
    kizu.add_command(command)


def main() -> None:
    """Run `kizu`; errors that have a code end as one line, not as a traceback."""
    try:
        kizu()
    except StartupError as error:
        click.echo(f"kizu: {error.code}: {error}", err=True)
        sys.exit(2)
    except (OSError, UnicodeDecodeError) as error:
        click.echo(f"kizu: {type(error).__name__}: {error}", err=True)
        sys.exit(1)
    except JobError as error:
        click.echo(f"kizu: {error.code}: {error}", err=True)
        sys.exit(1)
