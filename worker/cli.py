"""`kizu`: the group of all commands, which are discovered, and imported when they are called.

Exit codes:

0  done
1  something failed that should not have, or what was named is not there; the message or the log says what
2  wrong usage, wrong settings, a project that refuses us, or a name that is taken (`StartupError`)
3  stopped with jobs given back unfinished
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path
from types import ModuleType
from typing import cast

import click

from worker import commands
from worker.core.errors import JobError, StartupError
from worker.output import say

# httpx has a command line of its own, for which it imports rich and pygments where they are there; without
# it, as where they are not, it goes on.
sys.modules.setdefault("httpx._main", cast(ModuleType, None))


class Words(click.Group):
    """One command per module of `worker.commands`, each ending in `COMMAND`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(module.name for module in pkgutil.iter_modules(commands.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"{commands.__name__}.{cmd_name}").COMMAND
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(word, summary_of(word)) for word in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def summary_of(word: str) -> str:
    """The command's help in one line, read from the head of its file: importing all takes a second."""
    path = Path(commands.__path__[0]) / word
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    with source.open(encoding="utf-8") as file:
        return file.readline().strip('"\n').partition(": ")[2]


@click.group(cls=Words, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kizu-worker")
def kizu() -> None:
    """Private photo and video intelligence on Supabase, from your own machines."""
    from worker import log

    log.configure_on_import("warning", "auto")


def main() -> None:
    """Run `kizu`; errors that have a code end as one line, not as a traceback."""
    try:
        kizu()
    except StartupError as error:
        say(f"kizu: {error.code}: {error}", err=True)
        sys.exit(2)
    except (OSError, UnicodeDecodeError) as error:
        say(f"kizu: {type(error).__name__}: {error}", err=True)
        sys.exit(1)
    except JobError as error:
        say(f"kizu: {error.code}: {error}", err=True)
        sys.exit(1)
