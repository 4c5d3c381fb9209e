"""Results that are larger than a page: staged by the attempt that holds the job, and gone when it ends."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from threading import Thread
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.clusters import held, stage
from tests.sql.conftest import wait_until_locked

pytestmark = pytest.mark.stack

TAGS = [{"tag_value": f"tag {number}"} for number in range(3)]


@pytest.fixture
def job(queue: Any) -> Mapping[str, Any]:
    user, kind = queue.user(), queue.kind()
    queue.enqueue(kind, user, queue.asset(user))
    taken: Mapping[str, Any] = queue.take(kind)
    return taken


def left(queue: Any, job: Mapping[str, Any]) -> int:
    return int(queue.value("select count(*) from kizu.staged where job_id = %s", job["id"]))


def test_any_write_may_be_staged(queue: Any, job: Any) -> None:
    stage(queue, job, "tags", TAGS[:2])
    staged = stage(queue, job, "tags", TAGS[2:], page=1)

    answer = queue.settle(job, writes=[{"table": "asset_tags", "staged": staged}])

    assert answer["answer"] == "settled"
    rows = queue.rows(
        "select tag_value from asset_tags where asset_id = %s order by tag_value", job["asset_id"]
    )
    assert [row["tag_value"] for row in rows] == ["tag 0", "tag 1", "tag 2"]
    assert left(queue, job) == 0


def test_a_page_that_is_missing_refuses_the_result(queue: Any, job: Any) -> None:
    stage(queue, job, "tags", TAGS)
    for staged in ({"name": "tags", "pages": 2}, {"name": "others", "pages": 1}, {"name": "tags"}):
        answer = queue.settle(job, writes=[{"table": "asset_tags", "staged": staged}])
        assert answer["answer"] == "refused", staged
        assert "staged" in answer["error"]
    assert left(queue, job) == 1, "it is still held, and may settle otherwise"


@pytest.mark.parametrize("end", ["done", "retry", "failed", "released", "cancelled"])
def test_staged_rows_go_with_every_outcome(queue: Any, job: Any, end: str) -> None:
    stage(queue, job, "tags", TAGS)
    queue.settle(job, {"kind": end, "code": "x", "message": "x", "delay_seconds": 0})
    assert left(queue, job) == 0


def end_of_a_worker(queue: Any, job: Any) -> None:
    queue.release()


def lost_lease(queue: Any, job: Any) -> None:
    queue.expire(job)
    queue.value("select rescue_jobs(100)")


def deleted_job(queue: Any, job: Any) -> None:
    queue.db.execute("delete from jobs where id = %s", (job["id"],))


def deleted_user(queue: Any, job: Any) -> None:
    queue.db.execute("delete from auth.users where id = %s", (job["user_id"],))


@pytest.mark.parametrize("end", [end_of_a_worker, lost_lease, deleted_job, deleted_user])
def test_staged_rows_go_however_the_attempt_ends(
    queue: Any, job: Any, end: Callable[[Any, Any], None]
) -> None:
    other = held(queue, queue.user(), worker="w2")
    queue.db.execute(
        "select stage_for_job('w2', %s, %s, %s, 'tags', 0, '[{}]')",
        (other["table"], other["id"], other["epoch"]),
    )
    stage(queue, job, "tags", TAGS)
    assert left(queue, job) == 1

    end(queue, job)

    assert left(queue, job) == 0
    assert left(queue, other) == 1, "another's are left alone"


def test_only_who_holds_the_job_stages(queue: Any, job: Any) -> None:
    wrong = [("w2", {}), ("w1", {"epoch": job["epoch"] - 1}), ("w1", {"id": str(uuid.uuid4())})]
    wrong += [("w1", {"table": "assets"}), ("w1", {"table": "image_processing_jobs"})]
    for worker, change in wrong:
        attempt = {**job, **change}
        with pytest.raises(psycopg.DatabaseError, match="lease_lost"):
            queue.db.execute(
                "select stage_for_job(%s, %s, %s, %s, 'tags', 0, '[]')",
                (worker, attempt["table"], attempt["id"], attempt["epoch"]),
            )
    with (
        queue.acting("authenticated", queue.user()),
        pytest.raises(psycopg.DatabaseError, match="lease_lost"),
    ):
        stage(queue, job, "tags", TAGS)
    with queue.acting("kizu_worker"):
        stage(queue, job, "tags", TAGS)
    assert left(queue, job) == 1


@pytest.mark.parametrize(
    ("name", "page", "rows"),
    [
        ("Tags", 0, []),
        ("tags; drop", 0, []),
        (None, 0, []),
        ("x" * 64, 0, []),
        ("tags", -1, []),
        ("tags", 1000, []),
        ("tags", None, []),
        ("tags", 0, {}),
        ("tags", 0, [{}] * 1001),
        ("tags", 0, [{"a": "x" * 1_100_000}]),
    ],
    ids=lambda value: str(value)[:20],
)
def test_odd_pages_are_a_mistake(queue: Any, job: Any, name: Any, page: Any, rows: Any) -> None:
    with pytest.raises(psycopg.DatabaseError, match="bad_params"):
        queue.db.execute(
            "select stage_for_job('w1', %s, %s, %s, %s, %s, %s)",
            (job["table"], job["id"], job["epoch"], name, page, Jsonb(rows)),
        )


def test_an_attempt_stages_no_more_than_a_thousand_pages(queue: Any, job: Any) -> None:
    queue.db.execute(
        "insert into kizu.staged (job_table, job_id, epoch, name, page, user_id, rows)"
        " select %s, %s, %s, 'others', page, %s, '[]' from generate_series(0, 998) as page",
        (job["table"], job["id"], job["epoch"], job["user_id"]),
    )
    stage(queue, job, "tags", TAGS)
    stage(queue, job, "tags", TAGS)
    with pytest.raises(psycopg.DatabaseError, match="at most 1000 pages"):
        stage(queue, job, "tags", TAGS, page=1)


def test_a_page_that_comes_while_the_attempt_ends_is_not_left_behind(
    queue: Any, job: Any, connect: Callable[[], psycopg.Connection]
) -> None:
    """Who stages holds the job's row, so that the end waits, and takes the page away."""
    first, second = connect(), connect()
    with first.transaction():
        first.execute(
            "select stage_for_job('w1', %s, %s, %s, 'tags', 0, '[{}]')",
            (job["table"], job["id"], job["epoch"]),
        )
        ending = Thread(target=lambda: second.execute("select release_jobs('w1')"))
        ending.start()
        wait_until_locked(queue, second)
    ending.join()
    assert left(queue, job) == 0
