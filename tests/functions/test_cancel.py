"""The edge function `cancel`, over HTTP, as an app calls it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.functions.app import App

pytestmark = pytest.mark.stack


def test_own_waiting_job_is_cancelled_at_once(app: App, db: psycopg.Connection[Any]) -> None:
    job = app.add_job()
    answer = app.cancel(job_id=job)
    assert (answer.status_code, answer.json()) == (200, {"jobs": [{"id": job, "status": "cancelled"}]})
    assert db.execute("select status from jobs where id = %s", [job]).fetchone() == ("cancelled",)


def test_asking_again_answers_the_same(app: App) -> None:
    job = app.add_job()
    answers = [app.cancel(job_id=job).json()["jobs"][0]["status"] for _ in range(2)]
    assert answers == ["cancelled", "cancelled"]


def test_a_finished_job_stays_as_it_ended(app: App, db: psycopg.Connection[Any]) -> None:
    job = app.add_job()
    db.execute("update jobs set status = 'completed', completed_at = now() where id = %s", [job])
    assert app.cancel(job_id=job).json()["jobs"] == [{"id": job, "status": "already_finished"}]
    assert db.execute("select status from jobs where id = %s", [job]).fetchone() == ("completed",)


def test_another_users_job_does_not_exist(
    app: App, join: Callable[[], App], db: psycopg.Connection[Any]
) -> None:
    theirs = join().add_job()
    answer = app.cancel(job_id=theirs)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"
    assert db.execute("select status from jobs where id = %s", [theirs]).fetchone() == ("pending",)


def test_each_of_several_jobs_answers_for_itself(app: App) -> None:
    job, unknown = app.add_job(), str(uuid.uuid4())
    answer = app.cancel(job_ids=[unknown, job])
    assert answer.json()["jobs"] == [
        {"id": unknown, "status": "not_found"},
        {"id": job, "status": "cancelled"},
    ]


def test_wrong_id_is_named(app: App) -> None:
    answer = app.cancel(job_ids=[str(uuid.uuid4()), "7"])
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == "job_ids[1]"


def test_no_token_is_unauthorized(app: App) -> None:
    answer = app.http.post(app.url("cancel"), json={"job_id": app.add_job()})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")


def test_a_browser_may_ask_first_and_only_post(app: App) -> None:
    assert app.http.options(app.url("cancel")).status_code in (200, 204)
    assert app.http.get(app.url("cancel"), headers=app.headers).status_code == 405
