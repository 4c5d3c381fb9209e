"""What `kizu search` asks of the database and says of its answer; tests/acceptance has it on a stack."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from worker.commands.search import search_command
from worker.project.caller import Caller

USER = UUID(int=9)
UNDERSTOOD = {
    "text": "two dogs without Anna in 2019",
    "semantic": "two dogs",
    "parts": [
        {"kind": "things", "not": False, "class": "dog", "least": 2},
        {"kind": "person", "not": True, "name": "Anna", "ids": [str(USER)]},
        {"kind": "date", "not": False, "since": "2019-01-01", "before": "2020-01-01", "months": [6, 7]},
        {"kind": "faces", "not": True},
    ],
}
ROW = {
    "asset_id": str(UUID(int=1)),
    "file_name": "dogs\x1b[2J.jpg",
    "path": "u/1.jpg",
    "taken_at": "2019-06-01T12:00:00+00:00",
    "evidence": [
        {"source": "picture", "similarity": 0.3125},
        {"source": "text", "excerpt": "two dogs", "marks": [[4, 8]]},
    ],
}
ANSWER: dict[str, Any] = {
    "status": "ready",
    "results": [ROW, {**ROW, "file_name": None, "taken_at": None, "evidence": []}],
    "next": None,
    "understood": UNDERSTOOD,
    "left_out": [],
    "cut_short": [],
    "job": None,
    "corrected": [],
    "lacks": None,
}


class Database:
    """Knows what words mean, and answers each search with `answer`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer = ANSWER
        self.status = "ready"
        self.asked: list[tuple[str, Any]] = []
        self.caller = Caller("user", USER)

        def with_connection(act: Callable[[Any], Awaitable[Any]]) -> Any:
            async def run() -> Any:
                return await act(SimpleNamespace(rpc=self.rpc, caller=self.caller))

            return asyncio.run(run())

        monkeypatch.setattr("worker.commands.search.with_connection", with_connection)

    async def rpc(self, function: str, params: Any = None) -> Any:
        self.asked.append((function, params))
        return {"status": self.status, "job": self.answer["job"]} if function == "ask_search" else self.answer


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    return Database(monkeypatch)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(search_command, arguments)


def test_what_was_understood_and_found_is_shown(database: Database) -> None:
    result = run("two", " dogs\nwithout Anna", "in 2019")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[:5] == [
        "0 things dog (2 or more)",
        "1 not person Anna",
        "2 date since 2019-01-01 before 2020-01-01 months 6,7",
        "3 not faces",
        "and two dogs",
    ]
    header, first, second = result.stdout.splitlines()[5:]
    assert header.split() == ["rank", "photo", "taken", "evidence", "asset"]
    assert "dogs\\x1b[2J.jpg" in first
    assert "2019-06-01  picture 0.312, text two dogs  " in first
    assert "u/1.jpg" in second
    assert result.stderr == ""
    words = "two dogs without Anna in 2019"
    assert database.asked == [
        ("ask_search", {"p_text": words, "p_zone": "UTC"}),
        ("search", {"p_text": words, "p_zone": "UTC", "p_limit": 50}),
    ]


def test_every_option_reaches_the_database(database: Database) -> None:
    options = ["--today", "2020-02-29", "--zone", "Asia/Tokyo", "--language", "de", "--hemisphere", "south"]
    options += ["--without", "1", "--without", "0", "--limit", "7", "--after", '{"id": 3}']
    result = run("hund", *options, "--user", str(USER), "--json")
    assert json.loads(result.stdout) == {**ANSWER, "timed_out": False}
    assert database.asked[-1] == (
        "search",
        {
            "p_text": "hund",
            "p_today": "2020-02-29",
            "p_zone": "Asia/Tokyo",
            "p_language": "de",
            "p_hemisphere": "south",
            "p_without": [1, 0],
            "p_limit": 7,
            "p_after": {"id": 3},
            "p_user": USER,
        },
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"left_out": ["picture"], "lacks": "weights_missing"}, ["pictures show", "weights_missing"]),
        ({"left_out": ["picture"], "lacks": "unknown_generation"}, ["no model has seen a picture yet"]),
        ({"cut_short": ["picture", "text"]}, ["1,000 pictures", "very many texts"]),
        ({"left_out": ["picture", "understanding"]}, ["pictures show", "no worker has said what they mean"]),
    ],
)
def test_what_is_left_out_is_said_with_errors(
    database: Database, answer: dict[str, Any], said: list[str]
) -> None:
    database.answer = {**ANSWER, **answer}
    result = run("dogs")
    assert result.exit_code == 0
    assert [words in result.stderr for words in said] == [True] * len(said)


def test_a_word_that_was_taken_for_another_is_said_and_taken_back(database: Database) -> None:
    database.answer = {**ANSWER, "corrected": [{"from": "dgo", "to": "dog"}]}
    assert "dgo was taken for dog: --as-written looks for it as it is" in run("dgo").stderr
    assert "p_as_written" not in database.asked[-1][1]
    run("dgo", "--as-written")
    assert database.asked[-1][1]["p_as_written"] is True
    assert "p_as_written" not in database.asked[-2][1]


def test_who_does_not_wait_is_told_that_no_worker_answered(database: Database) -> None:
    database.status = "asked"
    assert "no worker answered in time" in run("dogs", "--wait", "0").stderr
    database.answer = {**ANSWER, "job": {"id": "x", "status": "enqueued", "attended": False}}
    assert "no worker is there" in run("dogs").stderr


def test_further_pages_are_told_of(database: Database) -> None:
    database.answer = {**ANSWER, "next": {"id": 3}}
    assert """more with --after '{"id": 3}'""" in run("dogs").stdout


def test_the_service_has_to_say_whose_photos(database: Database) -> None:
    database.caller = Caller("service", None)
    result = run("dogs")
    assert result.exit_code == 2
    assert "--user" in result.stderr
    assert database.asked == []


@pytest.mark.parametrize("arguments", [[""], ["   "], ["word " * 101], []])
def test_a_search_is_for_something_and_not_for_a_book(database: Database, arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2
    assert database.asked == []
