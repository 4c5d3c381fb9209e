"""Ending work: the fence, the rows, the outcome and the ledger, together or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

pytestmark = pytest.mark.stack

VECTOR = "[" + ",".join(["0.5"] * 512) + "]"


@pytest.fixture
def job(queue: Any) -> Any:
    queue.generation("m")
    user, kind = queue.user(), queue.kind()
    queue.enqueue(kind, user, queue.asset(user))
    return queue.take(kind)


def attempt(job: Any) -> dict[str, Any]:
    """What names the attempt in every answer."""
    return {name: job[name] for name in ("table", "id", "epoch")}


def embedding(model: str = "m") -> dict[str, Any]:
    return {
        "table": "image_embeddings",
        "scope": {"model_version": model},
        "rows": [{"embedding": VECTOR}],
    }


def objects(*classes: str, model: str = "m") -> dict[str, Any]:
    return {
        "table": "detected_objects",
        "scope": {"model_version": model},
        "rows": [
            {
                "object_class": name,
                "confidence": 0.5,
                "bounding_box": {"x": 0, "y": 0, "width": 1, "height": 1},
            }
            for name in classes
        ],
    }


def found(queue: Any, job: Any) -> list[str]:
    rows = queue.rows(
        "select object_class from detected_objects where asset_id = %s order by object_class", job["asset_id"]
    )
    return [row["object_class"] for row in rows]


def claim_again(queue: Any, job: Any) -> Any:
    queue.db.execute("update jobs set run_at = now() where id = %s", (job["id"],))
    return queue.take(job["kind"])


def test_a_done_job_has_its_rows_result_and_ledger_line(queue: Any, job: Any) -> None:
    run = {
        "handler": "look",
        "handler_version": "3",
        "models": [{"name": "m", "digest": "abc"}],
        "timings": {"fetch": 0.5},
        "counts": {"objects": 2},
        "started_seconds_ago": 2.5,
    }

    answer = queue.settle(
        job,
        {"kind": "done", "result": {"objects": 2}},
        writes=[objects("cat", "dog"), embedding()],
        run=run,
    )

    assert answer == {**attempt(job), "answer": "settled", "status": "completed"}
    row = queue.row(job)
    assert (row["status"], row["progress"], row["result"]) == ("completed", 100, {"objects": 2})
    assert row["completed_at"] is not None
    assert row["lease_expires_at"] is None
    (ledger,) = queue.rows("select * from runs where job_id = %s", job["id"])
    assert {name: ledger[name] for name in ("handler", "handler_version", "models", "timings", "counts")} == {
        name: run[name] for name in ("handler", "handler_version", "models", "timings", "counts")
    }
    assert (ledger["outcome"], ledger["epoch"], ledger["attempt"]) == ("done", 1, 1)
    assert ledger["finished_at"] - ledger["started_at"] == timedelta(seconds=2.5)
    assert found(queue, job) == ["cat", "dog"]
    for table in ("detected_objects", "image_embeddings"):
        owners = queue.rows(
            f"select distinct user_id::text, run_id from {table} where asset_id = %s", job["asset_id"]
        )
        assert owners == [{"user_id": job["user_id"], "run_id": ledger["id"]}]


def test_rows_in_scope_give_way_and_others_stay(queue: Any, job: Any) -> None:
    queue.settle(job, "retry", writes=[objects("cat", "dog", model="old"), objects("cup", model="new")])
    again = claim_again(queue, job)
    queue.settle(again, writes=[objects("car", model="new")])

    assert found(queue, job) == ["car", "cat", "dog"]


def test_an_empty_list_of_rows_only_removes(queue: Any, job: Any) -> None:
    queue.settle(job, "retry", writes=[objects("cat")])
    queue.settle(claim_again(queue, job), writes=[objects()])

    assert found(queue, job) == []


def test_set_changes_and_fill_of_older_workers_only_fills(queue: Any, job: Any) -> None:
    asset = job["asset_id"]
    queue.db.execute("update assets set width = 1, latitude = 0 where id = %s", (asset,))

    queue.settle(
        job,
        writes=[
            {
                "table": "assets",
                "set": {"width": 640, "height": 480},
                "fill": {"latitude": 48.1, "longitude": 11.5, "taken_at": "2020-02-29T12:00:00+01:00"},
            }
        ],
    )

    (row,) = queue.rows(
        "select width, height, latitude, longitude, taken_at from assets where id = %s", asset
    )
    assert tuple(row.values()) == (640, 480, 0.0, 11.5, datetime(2020, 2, 29, 11, tzinfo=UTC))


@pytest.mark.parametrize("value", [None, ["a"], "a"])
def test_only_a_map_is_merged_into_a_map(queue: Any, job: Any, value: Any) -> None:
    write = {"table": "assets", "merge": {"ai_model_versions": {"faces": "1"}}}
    assert queue.settle(job, "retry", writes=[write])["answer"] == "settled"
    job = claim_again(queue, job)

    write["merge"]["ai_model_versions"] = value
    answer = queue.settle(job, writes=[write])

    assert (answer["answer"], answer["error"]) == (
        "refused",
        "merge: expected an object for ai_model_versions",
    )
    kept = queue.value("select ai_model_versions from assets where id = %s", job["asset_id"])
    assert kept == {"faces": "1"}


def test_the_same_epoch_again_is_answered_as_before_and_changes_nothing(queue: Any, job: Any) -> None:
    queue.settle(job, {"kind": "done", "result": {"n": 1}}, writes=[objects("cat")])

    answer = queue.settle(job, {"kind": "done", "result": {"n": 2}}, writes=[objects("dog")])

    assert (answer["answer"], answer["status"]) == ("repeated", "completed")
    assert queue.row(job)["result"] == {"n": 1}
    assert found(queue, job) == ["cat"]
    assert queue.value("select count(*) from runs where job_id = %s", job["id"]) == 1


def test_a_job_with_the_id_of_a_deleted_one_goes_on_after_its_epochs(queue: Any) -> None:
    kind, user, job_id = queue.kind(), queue.user(), str(uuid4())
    for epoch, end in enumerate((queue.settle, queue.expire, lambda _: queue.release(), queue.settle), 1):
        queue.insert("ai_processing_jobs", kind, user, job_id)
        job = queue.take(kind)
        assert job["epoch"] == epoch
        end(job)
        queue.value("select public.rescue_jobs()")
        queue.db.execute("delete from public.ai_processing_jobs where id = %s", (job_id,))

    outcomes = queue.rows("select outcome from runs where job_id = %s order by epoch", job_id)
    assert [row["outcome"] for row in outcomes] == ["done", "worker_lost", "released", "done"]


def test_two_job_tables_may_hold_the_same_id(queue: Any) -> None:
    user, job_id = queue.user(), str(uuid4())
    tables = ("ai_processing_jobs", "image_processing_jobs")
    kinds = [queue.kind(table) for table in tables]
    for table, kind in zip(tables, kinds, strict=True):
        queue.insert(table, kind, user, job_id)
    first, second = queue.claim(kinds, 2)["jobs"]

    assert queue.settle(first)["answer"] == "settled"
    assert queue.settle(first)["answer"] == "repeated"
    assert queue.settle(second, "retry") == {**attempt(second), "answer": "settled", "status": "pending"}
    assert queue.settle(second, "retry") == {**attempt(second), "answer": "repeated", "status": "pending"}


def test_a_repeat_is_known_even_when_the_job_has_moved_on(queue: Any, job: Any) -> None:
    queue.settle(job, {"kind": "retry", "code": "timeout"})
    again = claim_again(queue, job)
    queue.settle(again)

    answer = queue.settle(job, {"kind": "retry", "code": "timeout"})

    assert (answer["answer"], answer["status"]) == ("repeated", "pending")


@pytest.mark.parametrize(
    ("changed", "worker"),
    [({"epoch": 2}, "w1"), ({"epoch": 0}, "w1"), ({}, "w2"), ({"table": "image_processing_jobs"}, "w1")],
)
def test_without_the_lease_nothing_changes(queue: Any, job: Any, changed: Any, worker: str) -> None:
    before = queue.row(job)

    answer = queue.settle({**job, **changed}, writes=[objects("cat")], worker=worker)

    assert answer["answer"] == "lost"
    assert queue.row(job) == before
    assert found(queue, job) == []
    assert queue.value("select count(*) from runs where job_id = %s", job["id"]) == 0


def test_a_late_worker_cannot_settle(queue: Any, job: Any) -> None:
    queue.expire(job)
    newer = queue.take(job["kind"], worker="w2")

    assert queue.settle(job, writes=[objects("stale")])["answer"] == "lost"
    assert queue.settle(newer, writes=[objects("fresh")], worker="w2")["answer"] == "settled"
    assert queue.settle(job, writes=[objects("stale")])["answer"] == "lost"
    assert found(queue, job) == ["fresh"]


@pytest.mark.parametrize(
    ("write", "rule"),
    [
        ({"table": "profiles", "rows": []}, "results are not written to profiles"),
        ({"table": "jobs", "rows": []}, "results are not written to jobs"),
        ({"table": "result_tables", "rows": []}, "results are not written to result_tables"),
        ({"rows": []}, "a table without a name"),
        ({"table": "assets", "set": {"path": "x"}}, "jobs do not write assets.path"),
        ({"table": "assets", "set": {"user_id": "x"}}, "jobs do not write assets.user_id"),
        ({"table": "assets", "fill": {"id; drop table assets": 1}}, "jobs do not write assets.id; drop"),
        ({"table": "detected_objects", "scope": {"object_class": "cat"}}, "jobs do not write"),
        ({"table": "detected_objects", "rows": [{"nonsense": 1}]}, "jobs do not write"),
        ({"table": "detected_objects", "rows": [{"id": "x"}]}, "jobs do not write"),
        ({"table": "detected_objects", "rows": [{"object_class": "cat"}]}, "null value"),
        (
            {"table": "image_embeddings", "scope": {"model_version": "m"}, "rows": [{"embedding": "[1]"}]},
            "expected 512 dimensions, not 1",
        ),
        (
            {"table": "image_embeddings", "rows": [{"embedding": VECTOR, "model_version": "n"}]},
            "unknown_generation: n is no generation of pictures",
        ),
        ({"table": "assets", "fill": {"latitude": 91}}, "latitude_is_on_earth"),
        ({"table": "assets", "fill": {"latitude": "NaN"}}, "latitude_is_on_earth"),
        ({"table": "assets", "set": {"width": "wide"}}, "integer"),
    ],
)
def test_a_write_that_breaks_a_rule_is_refused_with_the_whole_item(
    queue: Any, job: Any, write: Any, rule: str
) -> None:
    before = queue.row(job)

    answer = queue.settle(job, writes=[objects("cat"), write])

    assert (answer["answer"], answer["status"]) == ("refused", "processing")
    assert rule in answer["error"]
    assert queue.row(job) == before
    assert found(queue, job) == []
    assert queue.value("select count(*) from runs where job_id = %s", job["id"]) == 0
    assert queue.settle(job, {"kind": "failed", "code": "internal"})["answer"] == "settled"


def test_an_unknown_outcome_is_refused(queue: Any, job: Any) -> None:
    assert queue.settle(job, "vanished")["error"] == "a job does not end as vanished"
    assert queue.settle(job, {})["error"] == "a job does not end as nothing"


def test_one_refused_item_leaves_the_others_alone(queue: Any) -> None:
    user, kind = queue.user(), queue.kind()
    for _ in range(3):
        queue.enqueue(kind, user, queue.asset(user))
    jobs = sorted(queue.claim(kind, 3)["jobs"], key=lambda job: job["id"])
    items = [
        {"table": job["table"], "id": job["id"], "epoch": 1, "outcome": {"kind": "done"}, "writes": [write]}
        for job, write in zip(jobs, (objects("a"), {"table": "nope"}, objects("c")), strict=True)
    ]

    answers = queue.value("select settle_jobs('w1', %s)", Jsonb(items[::-1]))

    assert [answer["id"] for answer in answers] == [job["id"] for job in jobs]
    assert [answer["answer"] for answer in answers] == ["settled", "refused", "settled"]
    assert queue.value("select settle_jobs('w1', '[]')") == []


def test_a_row_cannot_name_another_owner(queue: Any, job: Any) -> None:
    stranger = queue.user()
    theirs = queue.asset(stranger)
    forged = objects("cat")
    forged["rows"][0] |= {"user_id": stranger, "asset_id": theirs}
    forged["scope"] |= {"user_id": stranger, "asset_id": theirs}

    queue.settle(job, writes=[forged])

    assert queue.value("select count(*) from detected_objects where user_id = %s", stranger) == 0
    assert found(queue, job) == ["cat"]


def test_a_file_outside_the_owners_folder_is_refused(queue: Any, job: Any) -> None:
    stranger = queue.user()
    for key in (f"{stranger}/x.jpg", f"{job['user_id']}/../{stranger}/x.jpg", "x.jpg"):
        file = {"bucket": "assets", "key": key, "bytes": 1, "mime_type": "image/jpeg"}
        write = {"table": "derived_assets", "scope": {"kind": "thumbnail"}, "rows": [file]}
        assert "key_is_in_the_owners_folder" in queue.settle(job, writes=[write])["error"]


def test_retry_waits_and_remembers(queue: Any, job: Any) -> None:
    queue.db.execute("set kizu.test_now = '2100-05-01 12:00+00'")

    answer = queue.settle(job, {"kind": "retry", "code": "timeout", "message": "slow", "delay_seconds": 30})

    assert answer["status"] == "pending"
    row = queue.row(job)
    assert row["run_at"] == datetime(2100, 5, 1, 12, 0, 30, tzinfo=UTC)
    assert (row["error_code"], row["error_message"], row["attempts"]) == ("timeout", "slow", 1)
    (error,) = row["errors"]
    assert error.pop("at").startswith("2100-05-01T12:00:00")
    assert error == {"attempt": 1, "epoch": 1, "worker": "w1", "code": "timeout", "message": "slow"}


@pytest.mark.parametrize(("delay", "days"), [(-5, 0), (1e12, 7)])
def test_a_delay_is_between_now_and_a_week(queue: Any, job: Any, delay: float, days: int) -> None:
    queue.db.execute("set kizu.test_now = '2100-05-01 12:00+00'")
    queue.settle(job, {"kind": "retry", "code": "x", "delay_seconds": delay})
    assert queue.row(job)["run_at"] == datetime(2100, 5, 1, 12, tzinfo=UTC) + timedelta(days=days)


def test_out_of_attempts_a_retry_is_a_failure_with_its_reason(queue: Any) -> None:
    user, kind = queue.user(), queue.kind(max_attempts=2)
    queue.enqueue(kind, user)
    queue.settle(queue.take(kind), {"kind": "retry", "code": "first"})
    job = queue.take(kind)

    answer = queue.settle(job, {"kind": "retry", "code": "second", "delay_seconds": 5})

    assert answer["status"] == "failed"
    row = queue.row(job)
    assert (row["status"], row["error_code"], row["attempts"]) == ("failed", "second", 2)
    assert [error["code"] for error in row["errors"]] == ["first", "second"]
    repeated = queue.settle(job, {"kind": "retry", "code": "second", "delay_seconds": 5})
    assert (repeated["answer"], repeated["status"]) == ("repeated", "failed")


def test_the_history_keeps_the_last_twenty(queue: Any) -> None:
    user, kind = queue.user(), queue.kind(max_attempts=100)
    queue.enqueue(kind, user)
    for number in range(23):
        queue.settle(job := queue.take(kind), {"kind": "retry", "code": f"e{number}"})

    assert [error["code"] for error in queue.row(job)["errors"]] == [f"e{n}" for n in range(3, 23)]


def test_released_costs_no_attempt_and_keeps_its_place(queue: Any, job: Any) -> None:
    before = queue.row(job)
    assert queue.settle(job, "released")["status"] == "pending"
    after = queue.row(job)
    assert (after["attempts"], after["run_at"], after["errors"]) == (0, before["run_at"], [])


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ({"kind": "retry", "code": "x"}, "cancelled"),
        ({"kind": "released"}, "cancelled"),
        ({"kind": "cancelled"}, "cancelled"),
        ({"kind": "done"}, "completed"),
        ({"kind": "failed", "code": "x"}, "failed"),
    ],
)
def test_a_cancel_request_wins_over_trying_again(queue: Any, job: Any, outcome: Any, status: str) -> None:
    queue.value("select cancel_job(%s)", job["id"])
    assert queue.settle(job, outcome)["status"] == status
    assert queue.row(job)["status"] == status


def test_a_file_that_is_replaced_leaves_no_line(queue: Any, job: Any) -> None:
    for epoch in (1, 2):
        file = {
            "bucket": "assets",
            "key": f"{job['user_id']}/processed/{epoch}.jpg",
            "bytes": 1,
            "mime_type": "x",
        }
        write = {"table": "derived_assets", "scope": {"kind": "thumbnail"}, "rows": [file]}
        queue.settle(job, "retry" if epoch == 1 else "done", writes=[write])
        job = claim_again(queue, job) if epoch == 1 else job

    keys = queue.rows("select kind, key from derived_assets where asset_id = %s", job["asset_id"])
    assert keys == [{"kind": "thumbnail", "key": f"{job['user_id']}/processed/2.jpg"}]


def test_two_batches_over_the_same_assets_do_not_deadlock(
    queue: Any, connect: Callable[[], psycopg.Connection]
) -> None:
    user = queue.user()
    kinds = [queue.kind(), queue.kind("image_processing_jobs")]
    assets = [queue.asset(user) for _ in range(12)]
    for kind, order in zip(kinds, (assets, assets[::-1]), strict=True):
        for asset in order:
            queue.enqueue(kind, user, asset)
    errors: list[Exception] = []

    def settle(kind: str, connection: psycopg.Connection) -> None:
        jobs = queue_claims[kind]
        items = [
            {
                **{name: job[name] for name in ("table", "id", "epoch")},
                "outcome": {"kind": "retry", "code": "again"},
                "writes": [{"table": "assets", "set": {"width": 1}}],
            }
            for job in jobs
        ]
        try:
            connection.execute("select settle_jobs('w1', %s)", (Jsonb(items),))
        except psycopg.Error as error:
            errors.append(error)

    for _ in range(4):
        queue_claims = {kind: queue.claim(kind, 12)["jobs"] for kind in kinds}
        threads = [threading.Thread(target=settle, args=(kind, connect())) for kind in kinds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

    assert errors == []


def test_locks_are_taken_on_assets_then_jobs_each_in_id_order(
    queue: Any, connect: Callable[[], psycopg.Connection]
) -> None:
    """Held up at the last asset, a batch has not touched a job: so nobody can wait for it in a circle."""
    user, kind = queue.user(), queue.kind()
    assets = sorted(queue.asset(user) for _ in range(3))
    for asset in assets:
        queue.enqueue(kind, user, asset)
    jobs = queue.claim(kind, 3)["jobs"]
    items = [
        {**{n: job[n] for n in ("table", "id", "epoch")}, "outcome": {"kind": "done"}, "writes": []}
        for job in jobs
    ]
    holder, settler = connect(), connect()
    with holder.transaction():
        holder.execute("select from assets where id = %s for update", (assets[-1],))
        thread = threading.Thread(
            target=settler.execute, args=("select settle_jobs('w1', %s)", (Jsonb(items),))
        )
        thread.start()
        deadline = time.monotonic() + 10
        while not queue.value(
            "select exists (select from pg_stat_activity where pid = %s and wait_event_type = 'Lock')",
            settler.info.backend_pid,
        ):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        free_jobs = queue.rows("select id from jobs where job_type = %s for update skip locked", kind)
        free_assets = queue.rows(
            "select id::text from assets where id = any (%s::uuid[]) for update skip locked", assets
        )
    thread.join(10)

    assert len(free_jobs) == 3
    assert free_assets == []
    assert {queue.row(job)["status"] for job in jobs} == {"completed"}


def test_a_job_whose_asset_is_removed_is_lost(queue: Any, job: Any) -> None:
    queue.db.execute("delete from assets where id = %s", (job["asset_id"],))
    assert queue.settle(job, writes=[objects("cat")])["answer"] == "lost"


def test_an_object_is_sure_unless_it_is_said_to_be_only_likely(queue: Any, job: Any) -> None:
    said = objects("cat", "dog", model="new")
    for row, sure in zip(said["rows"], (True, False), strict=True):
        row["sure"] = sure
    assert queue.settle(job, writes=[objects("bird", model="old"), said])["answer"] == "settled"
    rows = queue.rows("select object_class, sure from detected_objects where asset_id = %s", job["asset_id"])
    assert {row["object_class"]: row["sure"] for row in rows} == {"bird": True, "cat": True, "dog": False}
