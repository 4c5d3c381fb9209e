"""The one door to terminals: answers for people, and for programs as one JSON value on standard output.

What users of the project wrote (names, kinds, errors) is shown to operators, so whatever could move a cursor,
set a title or hide a line is shown as an escape.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

import click

from worker.log import printable

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON value instead of text.")


class CommandFailed(click.ClickException):
    """Ends a command with exit code 1 and one line, which begins as those of all other errors do."""

    def format_message(self) -> str:
        return printable(self.message)

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"kizu: {self.format_message()}", file=file, err=file is None)


class Group(click.Group):
    """A command with commands below it, whose help says of each all of its first sentence."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        found = [(word, self.get_command(ctx, word)) for word in self.list_commands(ctx)]
        rows = [(word, command.get_short_help_str(limit=1000)) for word, command in found if command]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def say(value: object = "", *, err: bool = False) -> None:
    """Print a line, or the lines of an error; what may not break lines is made `printable` by the caller."""
    for line in str(value).split("\n"):
        click.echo(printable(line), err=err)


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, default=str))  # which escapes all that is not ASCII


def print_table(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, title: str | None = None
) -> None:
    """Print rows as a table, after an empty line and its title if it has one; nulls stay blank.

    Nothing is cut off, for grep's sake.
    """
    lines = [
        columns,
        *(["" if row.get(name) is None else printable(row[name]) for name in columns] for row in rows),
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    if title:
        say()
        say(printable(title))
    for number, line in enumerate(lines):
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        click.echo(click.style(text, bold=True) if number == 0 else text)
