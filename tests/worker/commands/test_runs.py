"""What `kizu runs` asks of the database and says of its answer; tests/acceptance has it on a stack."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from worker.commands import runs as module
from worker.commands.runs import runs

ONE = UUID(int=1)
RUN = {
    "id": str(ONE),
    "kind": "image_ai",
    "asset_id": str(UUID(int=2)),
    "outcome": "done",
    "error_code": None,
    "models": [
        {"fact": "objects", "version": "yolov8m", "parameters": {"object_threshold": 0.5}},
        {"fact": "describe", "version": "composed-1", "name": "\x1b[2Jcomposed"},
    ],
    "counts": {"objects": 2, "describe": 1},
    "finished_at": "2026-12-01T12:00:00+00:00",
    "rolled_back_at": None,
}


class Database:
    """Answers each function with what it is told, one answer after another where it is told several."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Any]] = {}
        self.asked: list[tuple[str, Any]] = []

    async def rpc(self, function: str, params: Any = None) -> Any:
        self.asked.append((function, params))
        answers = self.answers[function]
        return answers.pop(0) if len(answers) > 1 else answers[0]


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    database = Database()

    def with_connection(act: Callable[[Any], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            return await act(SimpleNamespace(rpc=database.rpc))

        return asyncio.run(run())

    monkeypatch.setattr(module, "with_connection", with_connection)
    return database


def kizu_runs(*arguments: str) -> Result:
    return CliRunner().invoke(runs, list(arguments))


def taken(number: int, **more: Any) -> dict[str, Any]:
    nothing: dict[str, Any] = {"deleted": {}, "kept": {}, "facts": {}, "missing_from": {}, "next": None}
    return {**nothing, "runs": number, "photos": number, **more}


def test_the_newest_are_listed_with_what_they_were_done_with(database: Database) -> None:
    gone = {**RUN, "rolled_back_at": "2026-12-02T12:00:00+00:00"}
    failed = {**RUN, "outcome": "failed", "error_code": "timeout", "models": [], "counts": {}}
    database.answers["list_runs"] = [{"runs": [RUN, gone, failed], "next": None}]
    said = kizu_runs("list", "--model", "yolov8m", "--fact", "objects", "--asset", str(ONE), "--limit", "3")
    assert database.asked == [
        ("list_runs", {"p_filter": {"model": "yolov8m", "fact": "objects", "asset_id": ONE, "limit": 3}})
    ]
    first, second, third = said.output.splitlines()[1:]
    assert first.split()[3:8] == ["done", "composed-1", "yolov8m", "describe=1", "objects=2"]
    assert "rolled back" in second
    assert "failed: timeout" in third
    assert json.loads(kizu_runs("list", "--json").stdout) == [RUN, gone, failed]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01T12:00+02:00", datetime(2026, 12, 1, 10, tzinfo=UTC)),
        ("12h", timedelta(hours=12)),
    ],
)
def test_a_time_is_a_time_or_so_long_ago(database: Database, given: str, meant: datetime | timedelta) -> None:
    database.answers["list_runs"] = [{"runs": [], "next": None}]
    assert kizu_runs("list", "--since", given).exit_code == 0
    [(_, asked)] = database.asked
    at = meant if isinstance(meant, datetime) else datetime.now(UTC) - meant
    assert abs(asked["p_filter"]["since"] - at) < timedelta(minutes=1)


@pytest.mark.parametrize("given", ["", "yesterday", "h", "1e9d", "99999999999999999999d", "2026-13-01"])
def test_what_is_no_time_is_wrong_usage(database: Database, given: str) -> None:
    assert kizu_runs("rollback", "--since", given, "--yes").exit_code == 2
    assert database.asked == []


def test_one_run_is_shown_with_its_parameters_and_what_is_left_of_it(database: Database) -> None:
    database.answers["list_runs"] = [{"runs": [RUN], "next": None}]
    database.answers["roll_back_runs"] = [taken(1, deleted={"asset_tags": 2}, kept={"asset_tags": 1})]
    said = kizu_runs("show", str(ONE))
    assert 'rows: {"asset_tags": 3}' in said.output
    assert '{"object_threshold": 0.5}' in said.output
    assert "\x1b" not in said.output
    assert all(params["p_dry_run"] for name, params in database.asked if name == "roll_back_runs")

    database.answers["list_runs"] = [{"runs": [], "next": None}]
    missing = kizu_runs("show", str(ONE))
    assert missing.exit_code == 1
    assert "not_found" in missing.output


def test_rolling_everything_back_by_mistake_is_wrong_usage(database: Database) -> None:
    for arguments in ([], ["--yes"]):
        said = kizu_runs("rollback", *arguments)
        assert said.exit_code == 2
        assert "name runs, or choose them" in said.output
    assert database.asked == []


def test_only_yes_acts_and_what_would_be_lost_is_said(database: Database) -> None:
    database.answers["roll_back_runs"] = [
        taken(
            1,
            deleted={"image_embeddings": 1},
            kept={"face_embeddings": 2},
            facts={"embedding": 1},
            missing_from={"pictures": 1},
        )
    ]
    said = kizu_runs("rollback", str(ONE))
    assert database.asked == [
        ("roll_back_runs", {"p_filter": {"ids": [ONE], "limit": module.PAGE}, "p_dry_run": True})
    ]
    assert said.output.splitlines() == [
        "image_embeddings: 1 row to delete",
        "face_embeddings: 2 rows kept, as people spoke of what they show",
        "embedding: 1 photo will not be known in that version",
        "1 photo will be missing from searches until found out again",
        "1 run of 1 photo would be rolled back; add --yes",
    ]
    done = kizu_runs("rollback", str(ONE), "--yes")
    assert database.asked[-1][1]["p_dry_run"] is False
    assert done.output.splitlines()[-1] == "1 run of 1 photo rolled back"


def test_it_goes_on_page_by_page_to_the_end(database: Database) -> None:
    following = {"model": "m", "after": {"id": "x"}}
    database.answers["roll_back_runs"] = [
        taken(500, deleted={"image_text": 4}, next=following),
        taken(20, deleted={"image_text": 1, "asset_facts": 3}),
    ]
    said = json.loads(kizu_runs("rollback", "--model", "m", "--yes", "--json").stdout)
    assert [params["p_filter"] for _, params in database.asked] == [
        {"model": "m", "limit": module.PAGE},
        following,
    ]
    assert said == {
        "dry_run": False,
        "runs": 520,
        "photos": 520,
        "deleted": {"asset_facts": 3, "image_text": 5},
        "kept": {},
        "facts": {},
        "missing_from": {},
    }


def test_runs_that_are_not_there_are_an_error(database: Database) -> None:
    database.answers["roll_back_runs"] = [taken(0)]
    said = kizu_runs("rollback", str(ONE), "--yes")
    assert said.exit_code == 1
    assert "not_found" in said.output
    assert kizu_runs("rollback", "--model", "m", "--yes").exit_code == 0
