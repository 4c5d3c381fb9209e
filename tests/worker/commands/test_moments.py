"""What `kizu moments` asks of the database and says of its answer; tests/acceptance has it on a stack."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from worker.commands.moments import moments
from worker.project.caller import Caller

A, B = (str(UUID(int=number)) for number in (1, 2))
MOMENT = {
    "id": A,
    "title": "Lisbon\x1b[2J",
    "subtitle": "12 photos",
    "grouping_type": "trip",
    "photos": 12,
    "is_saved": False,
    "expires_at": "2026-07-22T09:00:00+00:00",
    "dismissed_at": None,
    "cover_asset_ids": [B],
}
PHOTOS = [
    {"path": "u/b.jpg", "asset_id": B, "taken_at": "2026-05-01T12:00:00+00:00"},
    {"path": "u/a.jpg", "asset_id": A, "taken_at": None},
]


class Database:
    """Answers what it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answer: Any = {"moments": [MOMENT, {**MOMENT, "is_saved": True}], "next": {"id": A}}
        self.asked: list[tuple[str, Any]] = []
        self.caller = Caller("user", UUID(int=9))

    async def rpc(self, function: str, params: Any = None) -> Any:
        self.asked.append((function, params))
        return self.answer


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    database = Database()

    def with_connection(act: Callable[[Any], Awaitable[Any]]) -> Any:
        return asyncio.run(act(database))  # type: ignore[arg-type]

    monkeypatch.setattr("worker.commands.people.asking.with_connection", with_connection)
    return database


def kizu(*words: str) -> Result:
    result = CliRunner().invoke(moments, list(words))
    assert result.exit_code == 0, result.output
    return result


def test_the_feed_is_a_table(database: Database) -> None:
    first, second, third, more = kizu("list", "--saved", "--limit", "2").output.splitlines()
    assert first.split() == ["moment", "about", "kind", "photos", "expires", "id"]
    assert "2026-07-22" in second
    assert "\x1b" not in second
    assert "saved" in third
    assert more == f"more with --after '{json.dumps({'id': A})}'"
    assert database.asked == [("list_moments", {"p_saved": True, "p_limit": 2})]


def test_a_moment_is_shown_with_its_photos(database: Database) -> None:
    database.answer = {"moment": MOMENT, "photos": PHOTOS, "next": None}
    title, _, first, second = kizu("show", A).output.splitlines()
    assert title.endswith(": 12 photos")
    assert "*" in first
    assert "*" not in second
    assert database.asked == [("show_moment", {"p_moment_id": A, "p_limit": 50})]


@pytest.mark.parametrize(
    ("words", "function", "args"),
    [
        (["save", A], "save_moment", {"p_moment_id": A}),
        (["save", A, "--undo"], "save_moment", {"p_moment_id": A, "p_saved": False}),
        (["dismiss", A], "dismiss_moment", {"p_moment_id": A}),
        (["dismiss", A, "--undo"], "dismiss_moment", {"p_moment_id": A, "p_dismissed": False}),
    ],
)
def test_what_is_done_with_a_moment(
    database: Database, words: list[str], function: str, args: dict[str, Any]
) -> None:
    database.answer = MOMENT
    assert f"id: {A}" in kizu(*words).output
    assert json.loads(kizu(*words, "--json").output) == MOMENT
    assert database.asked == [(function, args)] * 2


def test_moments_are_asked_for(database: Database) -> None:
    database.answer = {"id": B, "status": "enqueued"}
    assert kizu("generate", "--user", A).output == f"id: {B}\nstatus: enqueued\n"
    assert database.asked == [("generate_moments", {"p_user": UUID(A)})]


def test_settings_are_told_and_changed(database: Database) -> None:
    database.answer = {"zone": "Europe/Berlin"}
    assert kizu("settings").output == "zone: Europe/Berlin\n"
    kizu("settings", "--zone", "Europe/Berlin", "--off", "people", "--on", "notify", "--quiet", "22:00-08:00")
    kizu("settings", "--quiet", "none", "--time", "07:30", "--days", "30", "--language", "de")
    assert database.asked == [
        ("moment_settings", {}),
        (
            "set_moment_settings",
            {
                "p_settings": {
                    "zone": "Europe/Berlin",
                    "notify": True,
                    "people": False,
                    "quiet_from": "22:00",
                    "quiet_until": "08:00",
                }
            },
        ),
        (
            "set_moment_settings",
            {
                "p_settings": {
                    "moments_time": "07:30",
                    "language": "de",
                    "auto_delete_days": 30,
                    "quiet_from": None,
                    "quiet_until": None,
                }
            },
        ),
    ]
