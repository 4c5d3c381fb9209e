"""How many jobs one user may have pending: what they ask for beyond is refused, and an upload never is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.conftest import settlement
from tests.sql.test_plans import cost

pytestmark = pytest.mark.stack

LIMIT = 3


@pytest.fixture(autouse=True)
def small(queue: Any) -> Iterator[None]:
    """An operator's setting, for the time of a test."""
    change = "update queue_settings set value = %s where name = 'pending_jobs_per_user'"
    before = queue.value("select value from queue_settings where name = 'pending_jobs_per_user'")
    with queue.acting("service_role"):
        queue.db.execute(change, (LIMIT,))
    yield
    queue.db.execute(change, (before,))


def ask(queue: Any, user: str, kind: str, number: int, **more: Any) -> str:
    with queue.acting("authenticated", user):
        answer = queue.value("select enqueue_job(%s, p_params => %s)", kind, Jsonb({"n": number}))
    return str(answer["status"])


def fill(queue: Any, user: str, kind: str) -> None:
    for number in range(LIMIT):
        assert ask(queue, user, kind, number) == "enqueued"


def pending(queue: Any, user: str) -> int:
    return int(queue.value("select count(*) from jobs where status = 'pending' and user_id = %s", user))


def refused() -> Any:
    return pytest.raises(psycopg.Error, match="too_many_jobs")


def test_one_job_more_than_the_quota_is_refused_by_name(queue: Any) -> None:
    user, another, kind = queue.user(), queue.user(), queue.kind()
    fill(queue, user, kind)
    with refused() as refusal:
        ask(queue, user, kind, LIMIT)
    assert refusal.value.sqlstate == "PT429"
    assert f"{LIMIT} jobs of this user are pending" in str(refusal.value.diag.message_detail)
    assert pending(queue, user) == LIMIT

    assert ask(queue, user, kind, 0) == "already_queued", "what waits already is no more"
    assert ask(queue, another, kind, 0) == "enqueued", "a quota is each user's own"
    queue.enqueue(kind, user)  # the service is free of it
    assert pending(queue, user) == LIMIT + 1


def test_there_is_room_again_when_jobs_have_begun(queue: Any) -> None:
    user, kind = queue.user(), queue.kind()
    fill(queue, user, kind)
    queue.take(kind)
    assert ask(queue, user, kind, LIMIT) == "enqueued"


def test_jobs_of_all_kinds_tables_and_levels_count(queue: Any) -> None:
    user, other_table = queue.user(), queue.kind("image_processing_jobs")
    for number in range(LIMIT):
        kind = (queue.kind(priority=50), other_table, queue.kind(priority=300))[number]
        assert ask(queue, user, kind, number) == "enqueued"
    with refused():
        ask(queue, user, other_table, LIMIT)


def test_a_library_is_imported_whole_and_its_jobs_do_not_count(queue: Any) -> None:
    user, kind = queue.user(), queue.kind()
    for _ in range(4):
        queue.asset(user, "photo")
    by_uploads = pending(queue, user)
    assert by_uploads == 8
    fill(queue, user, kind)
    uploads = 4 * int(queue.value("select count(*) from job_kinds where on_upload <> '{}'"))
    for number in range(uploads - by_uploads):  # as many as uploads could have made
        ask(queue, user, kind, 100 + number)
    with refused():
        ask(queue, user, kind, LIMIT)
    queue.asset(user, "photo")
    assert pending(queue, user) == uploads + LIMIT + 2


def test_a_page_of_what_is_missing_is_enqueued_whole_or_not_at_all(queue: Any) -> None:
    user = queue.user()
    queue.db.execute("update job_kinds set on_upload = '{}' where kind in ('image_ai', 'optimize_image')")
    try:
        for _ in range(LIMIT + 1):
            queue.asset(user, "photo")
        # Their uploads could have made one for each, of videos.
        fill(queue, user, queue.kind())
        queue.db.execute("update job_kinds set on_upload = '{}' where kind = 'transcode_video'")
        wanted = "select enqueue_missing(%s, p_limit => %s)"
        with refused(), queue.acting("authenticated", user):
            queue.value(wanted, Jsonb({"faces": "1"}), 100)
        assert pending(queue, user) == LIMIT
        with queue.acting("service_role"):
            answer = queue.value("select enqueue_missing(%s, %s)", Jsonb({"faces": "1"}), user)
        assert answer["enqueued"] == LIMIT + 1
    finally:
        queue.db.execute(
            "update job_kinds set on_upload = '{image}' where kind in ('image_ai', 'optimize_image')"
        )
        queue.db.execute("update job_kinds set on_upload = '{video}' where kind = 'transcode_video'")


def test_failed_jobs_are_not_put_back_beyond_the_quota(queue: Any) -> None:
    user, kind = queue.user(), queue.kind()
    failed = queue.enqueue(kind, user)
    queue.settle(queue.take(kind), {"kind": "failed", "code": "timeout"})
    fill(queue, user, kind)
    again = Jsonb({"ids": [failed]})
    with refused(), queue.acting("authenticated", user):
        queue.value("select retry_jobs(%s, false)", again)
    assert queue.row(failed)["status"] == "failed"
    with queue.acting("authenticated", user):
        assert queue.value("select retry_jobs(%s, true)", again)["count"] == 1
    with queue.acting("service_role"):
        assert queue.value("select retry_jobs(%s, false)", again)["count"] == 1


@pytest.mark.parametrize("personal", [True, False])
def test_what_a_users_own_worker_asks_for_counts_and_the_others_settlements_stand(
    queue: Any, personal: bool
) -> None:
    user, kind, other = queue.user(), queue.kind(), queue.kind()
    for number in range(2):
        ask(queue, user, kind, number)
    whose = ("authenticated", user) if personal else ("service_role",)
    with queue.acting(*whose):
        asking, good = queue.claim(kind, 2)["jobs"]
    fill(queue, user, other)
    with queue.acting(*whose):
        next_jobs = {**settlement(asking), "next": [{"kind": other, "asset_id": None}]}
        answers = queue.value("select settle_jobs('w1', %s)", Jsonb([next_jobs, settlement(good)]))
    by_id = {answer["id"]: answer for answer in answers}
    assert by_id[good["id"]]["answer"] == "settled"
    assert by_id[asking["id"]]["answer"] == ("refused" if personal else "settled")
    if personal:
        assert "jobs of this user are pending" in by_id[asking["id"]]["error"]


def test_with_room_for_more_a_request_does_not_count_the_pending_jobs(queue: Any) -> None:
    user, kind = queue.user(), queue.kind()
    queue.db.execute("update queue_settings set value = 100000 where name = 'pending_jobs_per_user'")
    queue.enqueue_many(kind, user, 5000)
    ask(queue, user, kind, 0)  # counted once

    def ask_often() -> None:
        for number in range(1, 11):
            ask(queue, user, kind, number)

    assert cost(queue, ask_often)["entries_read"] < 2000
