"""What `kizu jobs` asks of the database and says of its answer; tests/acceptance has it on a stack."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from worker.commands import jobs as module
from worker.commands.jobs import jobs

ONE, OTHER = UUID(int=1), UUID(int=2)


class Database:
    """Answers each function with what it is told."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, Any]] = []

    async def rpc(self, function: str, params: Any = None) -> Any:
        self.asked.append((function, params))
        answer = self.answers[function]
        return answer(params) if callable(answer) else answer


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    database = Database()

    def with_connection(act: Callable[[Any], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            return await act(SimpleNamespace(rpc=database.rpc))

        return asyncio.run(run())

    monkeypatch.setattr(module, "with_connection", with_connection)
    return database


def kizu_jobs(*arguments: str) -> Result:
    return CliRunner().invoke(jobs, list(arguments))


def test_retrying_everything_by_mistake_is_wrong_usage(database: Database) -> None:
    for arguments in ([], ["--yes"], ["--limit", "5", "--yes"]):
        said = kizu_jobs("retry", *arguments)
        assert said.exit_code == 2
        assert "name jobs, or choose them" in said.output
    assert database.asked == []


@pytest.mark.parametrize(
    ("arguments", "chosen", "dry_run", "says"),
    [
        ([str(ONE)], {"ids": [str(ONE)], "limit": 1000}, True, "2 jobs would be put back; add --yes"),
        (
            ["--code", "timeout", "--code", "weights_missing", "--yes"],
            {"codes": ["timeout", "weights_missing"], "limit": 1000},
            False,
            "2 jobs put back",
        ),
        (
            ["--kind", "image_ai", "--limit", "7", "--yes"],
            {"kinds": ["image_ai"], "limit": 7},
            False,
            "2 jobs put back",
        ),
    ],
)
def test_only_what_was_named_chooses_and_only_yes_acts(
    database: Database, arguments: list[str], chosen: dict[str, Any], dry_run: bool, says: str
) -> None:
    database.answers["retry_jobs"] = {"count": 2, "ids": ["a", "b"]}
    said = kizu_jobs("retry", *arguments)
    assert database.asked == [("retry_jobs", {"p_filter": chosen, "p_dry_run": dry_run})]
    assert said.output.splitlines() == ["a", "b", says]


def test_pruning_says_the_policy_and_goes_on_to_the_end_when_told_to(database: Database) -> None:
    days = {"job_events": 30, "runs": 0}
    database.answers["prune_by_policy"] = {"days": days, "pruned": {}, "more": False}
    assert kizu_jobs("prune").output.splitlines() == [
        "job_events: kept for 30 days",
        "runs: kept for ever",
        "add --yes to delete what is older",
    ]
    assert database.asked.pop()[1]["p_dry_run"] is True

    more = iter([True, False])
    database.answers["prune_by_policy"] = lambda params: {
        "days": days,
        "pruned": {"job_events": 4},
        "more": next(more),
    }
    said = json.loads(kizu_jobs("prune", "--yes", "--json").output)
    assert said == {"days": days, "pruned": {"job_events": 8}, "dry_run": False}
    assert [asked[1]["p_dry_run"] for asked in database.asked] == [False, False]


@pytest.mark.parametrize(
    ("found", "code"), [(("cancelled", "processing"), 0), (("cancelled", "not_found"), 1)]
)
def test_cancelling_fails_if_one_job_is_not_there_and_stops_all_others(
    database: Database, found: tuple[str, str], code: int
) -> None:
    statuses = dict(zip(map(str, (ONE, OTHER)), found, strict=True))
    database.answers["cancel_job"] = lambda params: statuses[params["p_id"]]
    said = kizu_jobs("cancel", str(OTHER), str(ONE), "--json")
    assert said.exit_code == code
    assert json.loads(said.stdout) == [
        {"id": str(OTHER), "status": found[1]},
        {"id": str(ONE), "status": found[0]},
    ]


def test_what_names_no_job_or_operation_is_wrong_usage(database: Database) -> None:
    assert kizu_jobs("cancel", "all").exit_code == 2
    assert kizu_jobs("cancel").exit_code == 2
    assert kizu_jobs("list", "--status", "lost").exit_code == 2
    said = kizu_jobs("missing", "telepathy")
    assert said.exit_code == 2
    assert "'telepathy' is not one of" in said.output
    assert database.asked == []


@pytest.mark.parametrize(
    ("result", "lacks"),
    [
        (None, None),
        ([], None),
        ({"asset_id": "a", "_meta": {"worker_id": "w"}, "clip": {"success": True}}, None),
        (
            {"faces": {"success": False, "error": "weights_missing"}, "ocr": {"success": False}, "clip": 1},
            "faces: weights_missing, ocr: unknown",
        ),
    ],
)
def test_completed_job_says_what_it_did_not_find_out(result: Any, lacks: str | None) -> None:
    assert module.lacking(result) == lacks
