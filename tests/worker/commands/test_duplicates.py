"""What `kizu duplicates` asks of the database and says of its answer; tests/acceptance has it on a stack."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from worker.commands.duplicates import duplicates
from worker.project.caller import Caller

A, B, C = (str(UUID(int=number)) for number in (1, 2, 3))


def member(asset: str, name: str | None, **more: Any) -> dict[str, Any]:
    nothing: dict[str, Any] = {
        "path": f"u/{asset}",
        "taken_at": None,
        "width": None,
        "height": None,
        "why": None,
    }
    return {"asset_id": asset, "file_name": name, "score": 0.5, **nothing, **more}


GROUP = {
    "kind": "near",
    "best": A,
    "count": 3,
    "more": False,
    "next": None,
    "members": [
        member(A, "best\x1b[2J.jpg", width=40, height=30, taken_at="2026-05-01T12:00:00+00:00", score=1),
        member(B, None, why={"kind": "exact", "like": A, "similarity": 1}),
        member(C, "c.jpg", why={"kind": "near", "like": A, "similarity": 0.978}),
    ],
}


class Database:
    """Answers what it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answer: Any = {"groups": [GROUP], "next": None, "left": 0}
        self.asked: list[tuple[str, Any]] = []
        self.caller = Caller("user", UUID(int=9))

    async def rpc(self, function: str, params: Any = None) -> Any:
        self.asked.append((function, params))
        return self.answer


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    database = Database()

    def with_connection(act: Callable[[Any], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            return await act(SimpleNamespace(rpc=database.rpc, caller=database.caller))

        return asyncio.run(run())

    monkeypatch.setattr("worker.commands.people.asking.with_connection", with_connection)
    return database


def run(*words: str) -> Result:
    return CliRunner().invoke(duplicates, words)


def test_a_group_is_told_line_by_line_with_the_best_first(database: Database) -> None:
    result = run("list", "--kind", "near", "--limit", "5", "--after", '{"at": "x"}')
    assert database.asked == [("list_duplicates", {"p_kind": "near", "p_limit": 5, "p_after": {"at": "x"}})]
    lines = result.stdout.splitlines()
    assert len(lines) == 4
    assert "best" in lines[1]
    assert "40x30" in lines[1]
    assert "\x1b" not in result.stdout
    assert f"u/{B}" in lines[2]
    assert "exact" in lines[2]
    assert "near 0.98" in lines[3]


def test_of_whom_the_others_were_found_by_the_kind_is_told(database: Database) -> None:
    group = {**GROUP, "best": B}
    database.answer = {"groups": [group], "next": None, "left": 0}
    (told,) = [line for line in run("list").stdout.splitlines() if A in line]
    assert "near" in told


def test_the_rest_of_a_large_group_is_told_of(database: Database) -> None:
    group = {**GROUP, "count": 500, "more": True, "next": {"id": A, "part": 1, "from": 100}}
    database.answer = {"groups": [GROUP, group], "next": None, "left": 0}
    said = run("list").stdout.splitlines()[-1]
    assert said.startswith("group 2 has 500 and more photos: those that follow with --after ")
    assert json.dumps(group["next"]) in said


def test_what_is_left_and_what_comes_next_is_said(database: Database) -> None:
    database.answer = {"groups": [], "next": {"id": A}, "left": 7}
    result = run("list")
    assert database.asked == [("list_duplicates", {"p_limit": 50})]
    assert "7 photos have not been compared yet" in result.stderr
    assert "--after" in result.stdout


def test_the_answer_is_told_whole_as_json(database: Database) -> None:
    assert json.loads(run("list", "--json").stdout) == database.answer


def test_one_is_kept_and_the_others_are_named(database: Database) -> None:
    database.answer = {"status": "resolved", "removed": 2}
    result = run("resolve", A, B, C)
    assert database.asked == [("resolve_duplicates", {"p_keep": A, "p_remove": [B, C]})]
    assert "removed: 2" in result.stdout
    assert run("resolve", A).exit_code == 2


def test_photos_are_said_to_be_no_duplicates_and_that_is_taken_back(database: Database) -> None:
    database.answer = {"status": "kept", "pairs": 1}
    assert json.loads(run("keep", A, B, "--json").stdout) == database.answer
    run("keep", "--forget", A, B, "--user", C)
    assert database.asked == [
        ("keep_duplicates", {"p_asset_ids": [A, B]}),
        ("keep_duplicates", {"p_asset_ids": [A, B], "p_kept": False, "p_user": UUID(C)}),
    ]


@pytest.mark.parametrize("words", [("list", "--kind", "all"), ("list", "--limit", "101"), ("keep", "x", A)])
def test_what_makes_no_sense_is_refused_before_anybody_is_asked(
    database: Database, words: tuple[str, ...]
) -> None:
    assert run(*words).exit_code == 2
    assert database.asked == []
