"""The edge function `duplicates`, over HTTP, as an app calls it; tests/acceptance has it with a worker."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

from tests.functions.app import App

pytestmark = pytest.mark.stack


def told(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error.get("field")


def same_files(db: psycopg.Connection[Any], app: App, count: int = 2) -> list[str]:
    """Photos of the same bytes."""
    assets = app.add_assets(count)
    for asset in assets:
        db.execute(
            "insert into asset_hashes (user_id, asset_id, sha256) values (%s, %s, %s)",
            [app.user_id, asset, "a" * 64],
        )
    return [str(asset) for asset in assets]


def test_a_group_is_listed_and_resolved(db: psycopg.Connection[Any], app: App) -> None:
    assets = same_files(db, app, 3)
    listed = told(app.duplicates("list", kind="exact", limit=5))
    assert [group["kind"] for group in listed["groups"]] == ["exact"]
    [group] = listed["groups"]
    assert {member["asset_id"] for member in group["members"]} == set(assets)
    keep, *others = (member["asset_id"] for member in group["members"])
    assert keep == group["best"]
    assert told(app.duplicates("resolve", keep=keep, remove=others))["removed"] == 2
    assert told(app.duplicates("list"))["groups"] == []


def test_photos_that_are_no_duplicates_are_kept(db: psycopg.Connection[Any], app: App) -> None:
    assets = same_files(db, app)
    assert told(app.duplicates("keep", asset_ids=assets)) == {"status": "kept", "pairs": 1}
    assert told(app.duplicates("list"))["groups"] == []
    assert told(app.duplicates("keep", asset_ids=assets, kept=False)) == {"status": "forgotten", "pairs": 1}
    assert len(told(app.duplicates("list"))["groups"]) == 1


def test_what_is_wrong_is_refused_by_its_code(
    db: psycopg.Connection[Any], app: App, join: Callable[[], App]
) -> None:
    mine, theirs = same_files(db, app), same_files(db, join())
    assert refused(app.duplicates("resolve", keep=mine[0], remove=theirs)) == (404, "not_found", None)
    assert refused(app.duplicates("resolve", keep=mine[0], remove=mine)) == (400, "bad_params", None)
    assert refused(app.duplicates("keep", asset_ids=[mine[0], str(uuid.uuid4())])) == (404, "not_found", None)
    assert refused(app.duplicates("list", kind="all")) == (400, "bad_params", "kind")
    assert refused(app.duplicates("delete")) == (400, "bad_params", "verb")
