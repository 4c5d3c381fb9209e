"""Answers for people (rich) and for programs (one JSON value on standard output)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

WIDE = 200
"""Columns of a table that goes into a pipe or a file."""

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON value instead of text.")


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, default=str))


def print_table(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, title: str | None = None
) -> None:
    """Print rows as a table; missing and null values stay blank. Nothing is cut off, for grep's sake."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column == "id", overflow="fold")
    for row in rows:
        table.add_row(*("" if row.get(column) is None else str(row[column]) for column in columns))
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)
