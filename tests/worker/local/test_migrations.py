"""Which files are migrations; test_stack applies them."""

from __future__ import annotations

from pathlib import Path

from worker.local.migrations import find_migrations


def test_migrations_are_read_in_order_and_others_not_at_all(tmp_path: Path) -> None:
    names = ["20260102000000_b.sql", "20260101000000_a_long_name.sql", "notes.sql", "2026_x.sql", "README.md"]
    for name in names:
        (tmp_path / name).touch()
    found = [(one.version, one.name) for one in find_migrations(tmp_path)]
    assert found == [("20260101000000", "a_long_name"), ("20260102000000", "b")]
