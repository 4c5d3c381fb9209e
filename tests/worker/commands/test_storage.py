"""`kizu storage sweep`: which files it says and which it removes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from worker.commands import storage as module
from worker.commands.storage import storage

PAGES = [["a/1.jpg", "a/2.jpg"], ["b/3.jpg"]]


class Project:
    """Has these orphans, of which Storage removes all but the last of each page."""

    def __init__(self) -> None:
        self.hours: list[float] = []
        self.deleted: list[str] = []
        self.emptied = 0

    async def empty_trash(self, connection: Any, files: Any) -> tuple[int, bool]:
        self.emptied += 1
        return 0, self.emptied == 1

    async def orphans(self, connection: Any, *, older_than_hours: float) -> AsyncIterator[list[str]]:
        self.hours.append(older_than_hours)
        for page in PAGES:
            yield page

    async def delete(self, bucket: str, keys: list[str]) -> int:
        assert bucket == "assets"
        self.deleted += keys
        return len(keys) - 1

    @asynccontextmanager
    async def opened(self, *_: Any) -> AsyncIterator[Project]:
        yield self


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Project:
    project = Project()
    monkeypatch.setattr(module, "read_target", lambda: SimpleNamespace(orphan_hours=24.0))
    monkeypatch.setattr(module, "Connection", project.opened)
    monkeypatch.setattr(module, "files_for", project.opened)
    monkeypatch.setattr(module, "orphans", project.orphans)
    monkeypatch.setattr(module, "empty_trash", project.empty_trash)
    return project


def sweep(*arguments: str) -> Result:
    return CliRunner().invoke(storage, ["sweep", *arguments])


def test_what_storage_removed_is_counted(project: Project) -> None:
    assert sweep().output == "1 of 3 files removed\n"
    assert project.deleted == ["a/1.jpg", "a/2.jpg", "b/3.jpg"]
    assert json.loads(sweep("--json").output) == {"dry_run": False, "orphans": 3, "removed": 1}


def test_a_dry_run_says_which_and_removes_none(project: Project) -> None:
    said = sweep("--dry-run").output
    assert said.splitlines() == ["a/1.jpg", "a/2.jpg", "b/3.jpg", "3 files would be removed"]
    assert json.loads(sweep("--dry-run", "--json").output) == {"dry_run": True, "orphans": 3, "removed": 0}
    assert project.deleted == []
    assert project.emptied == 0


def test_what_was_deleted_goes_first_until_none_is_left(project: Project) -> None:
    sweep()
    assert project.emptied == 2


@pytest.mark.parametrize(
    ("arguments", "hours"), [([], 24.0), (["--older-than", "0"], 0.0), (["--older-than", "0.5"], 0.5)]
)
def test_the_age_is_the_settings_unless_it_is_said(
    project: Project, arguments: list[str], hours: float
) -> None:
    sweep(*arguments)
    assert project.hours == [hours]


@pytest.mark.parametrize("hours", ["-1", "a day", "1e9"])
def test_an_age_that_makes_no_sense_removes_nothing(project: Project, hours: str) -> None:
    assert sweep("--older-than", hours).exit_code == 2
    assert project.deleted == []
