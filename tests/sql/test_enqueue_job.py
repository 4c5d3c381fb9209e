"""Asking for work, by hand and by uploading."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

pytestmark = pytest.mark.stack

ENQUEUE = "select enqueue_job(%s, %s, p_params => %s, p_user_id => %s)"


def test_the_same_request_twice_is_one_job(queue: Any) -> None:
    user, kind = queue.user(), queue.kind()
    asset = queue.asset(user)

    first = queue.value(ENQUEUE, kind, asset, Jsonb({"a": 1, "b": 2}), None)
    again = queue.value(ENQUEUE, kind, asset, Jsonb({"b": 2, "a": 1}), None)
    other = queue.value(ENQUEUE, kind, asset, Jsonb({"a": 2, "b": 2}), None)

    assert (first["status"], again["status"]) == ("enqueued", "already_queued")
    assert again["id"] == first["id"]
    assert other["status"] == "enqueued"


def test_a_running_job_counts_as_queued_and_a_finished_one_does_not(queue: Any) -> None:
    user, kind = queue.user(), queue.kind()
    first = queue.value(ENQUEUE, kind, None, Jsonb({}), user)
    job = queue.take(kind)
    assert queue.value(ENQUEUE, kind, None, Jsonb({}), user)["id"] == first["id"]
    queue.settle(job)
    assert queue.value(ENQUEUE, kind, None, Jsonb({}), user)["status"] == "enqueued"


def test_a_request_that_has_ended_for_an_asset_is_not_made_twice_unless_forced(queue: Any) -> None:
    user, kind = queue.user(), queue.kind()
    asset = queue.asset(user)
    first = queue.value(ENQUEUE, kind, asset, Jsonb({}), None)["id"]
    queue.settle(queue.take(kind), {"kind": "failed", "code": "x"})
    assert queue.value(ENQUEUE, kind, asset, Jsonb({}), None) == {"id": first, "status": "already_failed"}

    forced = queue.value("select enqueue_job(%s, %s, p_force => true)", kind, asset)
    assert forced["status"] == "enqueued"
    again = queue.value(ENQUEUE, kind, asset, Jsonb({}), None)
    assert again == {"id": forced["id"], "status": "already_queued"}

    queue.settle(queue.take(kind))
    again = queue.value(ENQUEUE, kind, asset, Jsonb({}), None)
    assert again == {"id": forced["id"], "status": "already_done"}


@pytest.mark.parametrize("put_off", ["by a schedule", "by a failure"])
def test_pending_job_that_is_asked_for_again_is_hurried_and_never_put_off(queue: Any, put_off: str) -> None:
    user, kind = queue.user(), queue.kind(priority=100)
    ask = "select enqueue_job(%s, p_user_id => %s, p_run_at => %s, p_priority => %s::smallint)"
    if put_off == "by a schedule":
        job_id = queue.value(ask, kind, user, "2100-01-01 00:00+00", 300)["id"]
    else:
        job_id = queue.value(ask, kind, user, None, 300)["id"]
        queue.settle(queue.take(kind), {"kind": "retry", "code": "timeout", "delay_seconds": 3600})
    assert queue.claim(kind)["jobs"] == []

    later = queue.value(ask, kind, user, "2100-06-01 00:00+00", 900)
    assert (later, queue.claim(kind)["jobs"]) == ({"id": job_id, "status": "already_queued"}, [])
    assert queue.row(job_id)["priority"] == 300

    assert queue.value(ask, kind, user, None, None) == {"id": job_id, "status": "already_queued"}
    (job,) = queue.claim(kind)["jobs"]
    row = queue.row(job_id)
    assert (job["id"], row["priority"]) == (job_id, 100)
    assert queue.value(ask, kind, user, None, 0)["status"] == "already_queued"
    assert queue.row(job_id)["priority"] == 100, "one that runs is left as it is"


def test_users_do_not_share_a_request(queue: Any) -> None:
    kind = queue.kind()
    answers = [queue.value(ENQUEUE, kind, None, Jsonb({}), queue.user())["status"] for _ in range(2)]
    assert answers == ["enqueued", "enqueued"]


def test_eight_at_once_make_one_job(queue: Any, connect: Callable[[], psycopg.Connection]) -> None:
    user, kind = queue.user(), queue.kind()
    answers: list[Any] = []

    def enqueue(connection: psycopg.Connection) -> None:
        answers.extend(connection.execute(ENQUEUE, (kind, None, Jsonb({}), user)).fetchone() or ())

    threads = [threading.Thread(target=enqueue, args=(connect(),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert len(answers) == 8
    assert len({answer["id"] for answer in answers}) == 1
    assert [answer["status"] for answer in answers].count("enqueued") == 1


def test_a_kinds_defaults_hold_until_somebody_says_otherwise(queue: Any) -> None:
    user = queue.user()
    kind = queue.kind(default_params={"web": True, "size": 1}, priority=30, max_attempts=2)

    row = queue.row(queue.enqueue(kind, user, p_params=Jsonb({"size": 2})))

    assert row["params"] == {"web": True, "size": 2}
    assert (row["priority"], row["max_attempts"]) == (30, 2)


@pytest.mark.parametrize(
    ("arguments", "code", "state"),
    [
        ({"p_kind": "no_such_kind"}, "unknown_job_type", "PT400"),
        ({"p_kind": None}, "unknown_job_type", "PT400"),
        ({"p_params": Jsonb([1])}, "bad_params", "PT400"),
        ({"p_params": Jsonb("text")}, "bad_params", "PT400"),
        ({"p_params": Jsonb({"x": "y" * 40_000})}, "bad_params", "PT400"),
        ({"p_user_id": None}, "bad_params", "PT400"),
        ({"p_asset_id": str(uuid.uuid4())}, "not_found", "PT404"),
    ],
)
def test_a_request_that_cannot_be_met_says_why(queue: Any, arguments: Any, code: str, state: str) -> None:
    arguments = {"p_kind": queue.kind(), "p_user_id": queue.user(), **arguments}
    names = ", ".join(f"{name} => %s" for name in arguments)

    with pytest.raises(psycopg.Error) as raised:
        queue.value(f"select enqueue_job({names})", *arguments.values())

    assert (raised.value.diag.message_primary, raised.value.sqlstate) == (code, state)


def test_a_kind_that_needs_an_asset_gets_one(queue: Any) -> None:
    with pytest.raises(psycopg.Error, match="bad_params"):
        queue.value(ENQUEUE, "optimize_image", None, Jsonb({}), queue.user())


def test_an_asset_of_somebody_else_is_not_found(queue: Any) -> None:
    kind, user, stranger = queue.kind(), queue.user(), queue.user()
    with pytest.raises(psycopg.Error, match="not_found"):
        queue.value(ENQUEUE, kind, queue.asset(stranger), Jsonb({}), user)


@pytest.mark.parametrize(
    ("asked", "given"), [(None, 100), (0, 100), (100, 100), (101, 200), (250, 300), (32000, 1000)]
)
def test_a_user_may_ask_for_later_by_the_hundred_but_not_for_sooner(
    queue: Any, asked: Any, given: int
) -> None:
    user, kind = queue.user(), queue.kind()
    with queue.acting("authenticated", user):
        job_id = queue.enqueue(kind, user, p_priority=asked)
    assert queue.row(job_id)["priority"] == given


def test_the_service_may_ask_for_sooner(queue: Any) -> None:
    user, kind = queue.user(), queue.kind()
    with queue.acting("service_role"):
        job_id = queue.enqueue(kind, user, p_priority=0)
    assert queue.row(job_id)["priority"] == 0


@pytest.mark.parametrize(
    ("media_type", "kinds"),
    [
        ("photo", {"image_ai", "optimize_image"}),
        ("image", {"image_ai", "optimize_image"}),
        ("image/heic", {"image_ai", "optimize_image"}),
        ("IMAGE/JPEG", {"image_ai", "optimize_image"}),
        ("video", {"transcode_video"}),
        ("video/mp4", {"transcode_video"}),
        ("document", set()),
        ("imagery", set()),
        ("", set()),
    ],
)
def test_an_upload_gets_the_jobs_of_its_media_class(queue: Any, media_type: str, kinds: set[str]) -> None:
    asset = queue.asset(queue.user(), media_type)
    rows = queue.rows("select job_type from jobs where asset_id = %s", asset)
    assert {row["job_type"] for row in rows} == kinds
    assert len(rows) == len(kinds)


def test_asking_again_for_what_an_upload_asked_for_adds_nothing(queue: Any) -> None:
    user = queue.user()
    asset = queue.asset(user, "photo")
    with queue.acting("authenticated", user):
        answer = queue.value("select enqueue_job('optimize_image', %s)", asset)
    assert answer["status"] == "already_queued"


def test_a_user_uploads_and_the_jobs_are_theirs(queue: Any) -> None:
    user = queue.user()
    with queue.acting("authenticated", user):
        asset = queue.value("insert into assets (path) values (%s) returning id", f"{user}/a.jpg")
    rows = queue.rows("select distinct user_id::text, status from jobs where asset_id = %s", asset)
    assert rows == [{"user_id": user, "status": "pending"}]


def test_an_upsert_of_a_known_asset_enqueues_nothing(queue: Any) -> None:
    user = queue.user()
    statement = (
        "insert into assets (user_id, path, media_type) values (%s, %s, 'photo')"
        " on conflict (user_id, path) do update set width = 3 returning id"
    )
    asset = queue.value(statement, user, f"{user}/a.jpg")
    queue.db.execute(
        "update jobs set status = 'cancelled', completed_at = now() where asset_id = %s", (asset,)
    )

    assert queue.value(statement, user, f"{user}/a.jpg") == asset
    assert queue.value("select count(*) from jobs where asset_id = %s and status = 'pending'", asset) == 0


def test_an_upload_never_fails_because_of_its_jobs(queue: Any) -> None:
    queue.kind(table="no_such_table", on_upload=["image"])
    queue.kind(table="assets", on_upload=["image"])
    notices: list[str] = []
    queue.db.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))

    asset = queue.asset(queue.user(), "photo")

    assert queue.value("select count(*) from jobs where asset_id = %s", asset) == 2
    assert len([notice for notice in notices if "could not enqueue" in notice]) == 2


def test_a_thousand_uploads_in_one_statement_get_their_jobs(queue: Any) -> None:
    user = queue.user()
    queue.db.execute(
        "insert into assets (user_id, path, media_type)"
        " select %s, %s || n || '.jpg', 'photo' from generate_series(1, 1000) as n",
        (user, f"{user}/"),
    )
    assert queue.value("select count(*) from jobs where user_id = %s", user) == 2_000
