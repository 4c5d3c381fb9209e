"""Applies `supabase/migrations` the way the Supabase CLI does: in order of version, each once, each whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from worker.core.errors import StartupError

_RECORD = """
    insert into supabase_migrations.schema_migrations (version, name, statements) values (%s, %s, %s)
"""
_NAME = re.compile(r"(?P<version>\d{14})_(?P<name>.+)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    version: str
    name: str
    path: Path


def find_migrations(folder: Path) -> Iterator[Migration]:
    """Every migration file, oldest first. Other files are not looked at."""
    for path in sorted(folder.glob("*.sql")):
        if parts := _NAME.fullmatch(path.name):
            yield Migration(parts["version"], parts["name"], path)


def apply_migrations(database_url: str, folder: Path) -> list[str]:
    """Apply the migrations that the ledger does not list; returns the names of their files.

    A file and its line in the ledger are one transaction: a file that fails leaves nothing behind and
    stops the rest with a `StartupError` that names it.
    """
    applied = []
    with psycopg.connect(database_url, autocommit=True) as connection:
        known = {
            version
            for (version,) in connection.execute("select version from supabase_migrations.schema_migrations")
        }
        for migration in find_migrations(folder):
            if migration.version not in known:
                _apply(connection, migration)
                applied.append(migration.path.name)
        if applied:
            connection.execute("notify pgrst, 'reload schema'")
    return applied


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    text = migration.path.read_text()
    try:
        with connection.transaction():
            connection.execute(text.encode())
            connection.execute(_RECORD, (migration.version, migration.name, [text]))
    except psycopg.Error as error:
        line = _line_of(text, error.diag.statement_position)
        raise StartupError(f"{migration.path.name}{line}: {error}") from error


def _line_of(text: str, position: str | None) -> str:
    return f", line {text.count(chr(10), 0, int(position)) + 1}" if position else ""
