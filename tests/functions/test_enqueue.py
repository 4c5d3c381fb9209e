"""The edge function `enqueue`, over HTTP, as an app calls it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

from tests.functions.app import App

pytestmark = pytest.mark.stack


def test_own_asset_gets_a_job(app: App, db: psycopg.Connection[Any]) -> None:
    asset = app.add_asset()
    answer = app.enqueue(kind="image_ai", asset_id=asset, operations=["ocr", "faces"])
    assert answer.status_code == 200
    [job] = answer.json()["jobs"]
    assert (job["asset_id"], job["status"]) == (asset, "enqueued")
    row = db.execute(
        "select user_id::text, asset_id::text, job_type, status, params->'operations'"
        " from jobs where id = %s",
        [job["id"]],
    ).fetchone()
    assert row == (app.user_id, asset, "image_ai", "pending", ["faces", "ocr"])


def test_asking_again_answers_with_the_waiting_job(app: App) -> None:
    asset = app.add_asset()
    first, again = (
        app.enqueue(kind="image_ai", asset_id=asset, operations=operations).json()["jobs"][0]
        for operations in (["ocr", "faces"], ["faces", "ocr"])
    )
    assert (first["status"], again["status"]) == ("enqueued", "already_queued")
    assert first["id"] == again["id"]


@pytest.mark.parametrize(("status", "answer"), [("completed", "already_done"), ("failed", "already_failed")])
def test_what_has_ended_is_not_done_twice_unless_forced(
    app: App, db: psycopg.Connection[Any], status: str, answer: str
) -> None:
    request = {"kind": "image_ai", "asset_id": app.add_asset(), "operations": ["ocr"]}
    [job] = app.enqueue(**request).json()["jobs"]
    db.execute(
        "update jobs set status = %s, error_code = 'unreadable', completed_at = now() where id = %s",
        [status, job["id"]],
    )
    [again] = app.enqueue(**request).json()["jobs"]
    assert again == {**job, "status": answer}
    [forced] = app.enqueue(**request, force=True).json()["jobs"]
    assert forced["status"] == "enqueued"
    assert forced["id"] != job["id"]


def test_process_image_is_image_ai(app: App, db: psycopg.Connection[Any]) -> None:
    answer = app.enqueue(job_type="process_image", asset_id=app.add_asset(), operations=["hashes"])
    [job] = answer.json()["jobs"]
    assert db.execute("select job_type from jobs where id = %s", [job["id"]]).fetchone() == ("image_ai",)


def test_a_hundred_assets_are_answered_in_the_order_asked(app: App) -> None:
    assets = app.add_assets(100)
    answer = app.enqueue(kind="image_ai", asset_ids=assets, operations=["hashes"])
    jobs = answer.json()["jobs"]
    assert [job["asset_id"] for job in jobs] == assets
    assert {job["status"] for job in jobs} == {"enqueued"}
    assert len({job["id"] for job in jobs}) == 100


def test_another_users_asset_does_not_exist(
    app: App, join: Callable[[], App], db: psycopg.Connection[Any]
) -> None:
    theirs = join().add_asset()
    before = db.execute("select count(*) from jobs where asset_id = %s", [theirs]).fetchone()
    answer = app.enqueue(kind="image_ai", asset_id=theirs, operations=["describe"])
    assert (answer.status_code, code_of(answer)) == (404, "not_found")
    assert db.execute("select count(*) from jobs where asset_id = %s", [theirs]).fetchone() == before


def test_an_unknown_asset_among_many_hides_no_other(app: App) -> None:
    mine, unknown = app.add_asset(), str(uuid.uuid4())
    answer = app.enqueue(kind="image_ai", asset_ids=[unknown, mine], operations=["describe"])
    assert answer.status_code == 200
    missing, job = answer.json()["jobs"]
    assert missing == {"id": None, "asset_id": unknown, "status": "not_found"}
    assert (job["asset_id"], job["status"]) == (mine, "enqueued")


def test_no_token_is_unauthorized(app: App) -> None:
    answer = app.http.post(app.url("enqueue"), json={"kind": "image_ai", "asset_id": app.add_asset()})
    assert (answer.status_code, code_of(answer)) == (401, "unauthorized")


def test_a_forged_token_is_unauthorized(app: App) -> None:
    header, payload, _ = app.token.split(".")
    answer = app.http.post(
        app.url("enqueue"),
        json={"kind": "image_ai", "asset_id": app.add_asset()},
        headers={"authorization": f"Bearer {header}.{payload}.{'A' * 43}"},
    )
    assert (answer.status_code, code_of(answer)) == (401, "unauthorized")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"operations": ["dance"]}, "operations[0]"),
        ({"params": {"operations": "ocr"}}, "params.operations"),
        ({"asset_id": "42"}, "asset_id"),
        ({"user_id": str(uuid.uuid4())}, "user_id"),
        ({"priority": "now"}, "priority"),
    ],
)
def test_wrong_params_are_named(app: App, body: dict[str, Any], field: str) -> None:
    answer = app.enqueue(**{"kind": "image_ai", "asset_id": str(uuid.uuid4()), **body})
    assert answer.status_code == 400
    assert (code_of(answer), answer.json()["error"]["field"]) == ("bad_params", field)


def test_a_job_cannot_overtake_its_kind(app: App, db: psycopg.Connection[Any]) -> None:
    answer = app.enqueue(kind="image_ai", asset_id=app.add_asset(), operations=["ocr"], priority=0)
    row = db.execute(
        "select jobs.priority = job_kinds.priority from jobs join job_kinds on kind = job_type where id = %s",
        [answer.json()["jobs"][0]["id"]],
    ).fetchone()
    assert row == (True,)


def test_an_unknown_kind_is_named(app: App) -> None:
    answer = app.enqueue(kind="make_coffee", asset_id=app.add_asset())
    assert (answer.status_code, code_of(answer)) == (400, "unknown_job_type")


def test_a_kind_that_only_the_database_knows_is_enqueued(app: App, db: psycopg.Connection[Any]) -> None:
    """A new kind is a migration and a handler; this function need not hear of it."""
    db.execute(
        "insert into job_kinds (kind, table_name) values ('test_only_kind', 'ai_processing_jobs')"
        " on conflict do nothing"
    )
    answer = app.enqueue(kind="test_only_kind", asset_id=app.add_asset(), params={"depth": [1, {"a": 2}]})
    [job] = answer.json()["jobs"]
    row = db.execute("select params from jobs where id = %s", [job["id"]]).fetchone()
    assert row == ({"depth": [1, {"a": 2}]},)


def test_a_browser_may_ask_first(app: App) -> None:
    answer = app.http.options(
        app.url("enqueue"),
        headers={
            "origin": "https://app.example.test",
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization, content-type",
        },
    )
    assert answer.status_code in (200, 204)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "authorization" in answer.headers["access-control-allow-headers"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods_are_refused(app: App, method: str) -> None:
    answer = app.http.request(method, app.url("enqueue"), headers=app.headers)
    assert (answer.status_code, code_of(answer)) == (405, "method_not_allowed")


def test_too_large_a_body_is_refused(app: App) -> None:
    answer = app.enqueue(kind="image_ai", asset_id=str(uuid.uuid4()), image_url="x" * 100_000)
    assert (answer.status_code, code_of(answer)) == (413, "too_large")


def test_too_many_pending_jobs_are_told_from_an_outage(app: App, db: psycopg.Connection[Any]) -> None:
    asset, change = (
        app.add_asset(),
        "update queue_settings set value = %s where name = 'pending_jobs_per_user'",
    )
    db.execute(change, [0])
    try:
        answers = [
            app.enqueue(kind="image_ai", asset_id=asset, operations=names)
            for names in (["ocr"], ["faces"], ["objects"], ["hashes"], ["describe"])
        ]
    finally:
        db.execute(change, [100_000])
    assert answers[0].status_code == 200, "an upload could have made it"
    assert (answers[-1].status_code, code_of(answers[-1])) == (429, "too_many_jobs")
    assert "are pending" in answers[-1].json()["error"]["message"]


def code_of(answer: httpx.Response) -> str:
    code: str = answer.json()["error"]["code"]
    return code
