"""Two callers at once: whoever comes second gets an answer of ours, not the database's."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.conftest import Queue, wait_until_locked

pytestmark = pytest.mark.stack


def test_retry_leaves_a_job_whose_twin_comes_meanwhile_and_puts_back_the_others(
    queue: Any, connect: Callable[[], psycopg.Connection]
) -> None:
    kind, user = queue.kind(), queue.user()
    failed = []
    for number in range(3):
        failed.append(queue.enqueue(kind, user, p_params=Jsonb({"n": number})))
        queue.settle(queue.take(kind), {"kind": "failed", "code": "timeout"})
    enqueuing, retrying = Queue(connect()), connect()
    filter_ = Jsonb({"kinds": [kind]})

    with ThreadPoolExecutor(1) as pool, enqueuing.db.transaction():
        twin = enqueuing.enqueue(kind, user, p_params=Jsonb({"n": 1}))
        answer = pool.submit(retrying.execute, "select retry_jobs(%s, false)", (filter_,))
        wait_until_locked(queue, retrying)

    row = answer.result(30).fetchone()
    assert row is not None
    assert sorted(row[0]["ids"]) == sorted([failed[0], failed[2]])
    assert row[0]["count"] == 2
    assert queue.row(failed[1])["status"] == "failed"
    assert queue.row(twin)["status"] == "pending"


def test_asset_that_goes_away_while_its_job_is_enqueued_is_not_found(
    queue: Any, connect: Callable[[], psycopg.Connection]
) -> None:
    kind, user = queue.kind(), queue.user()
    asset = queue.asset(user)
    deleting, asking = connect(), connect()
    with ThreadPoolExecutor(1) as pool, deleting.transaction():
        deleting.execute("delete from assets where id = %s", (asset,))
        answer = pool.submit(asking.execute, "select enqueue_job(%s, %s)", (kind, asset))
        wait_until_locked(queue, asking)
    with pytest.raises(psycopg.Error, match="not_found") as refusal:
        answer.result(30)
    assert refusal.value.sqlstate == "PT404"


def test_rescue_waits_for_no_settlement_and_takes_locks_in_its_order(
    queue: Any, connect: Callable[[], psycopg.Connection]
) -> None:
    kind, user = queue.kind("image_processing_jobs"), queue.user()
    asset = queue.asset(user)
    queue.enqueue(kind, user, asset)
    job = queue.take(kind)
    queue.db.execute("update jobs set crashes = 2 where id = %s", (job["id"],))
    queue.expire(job)
    settling = connect()
    with settling.transaction():  # as settle_jobs does before anything else
        settling.execute("select from assets where id = %s for no key update", (asset,))
        queue.value("select rescue_jobs()")
        assert queue.row(job)["status"] == "processing", "left to the settlement, or to the next look"
    queue.value("select rescue_jobs()")
    assert queue.row(job)["status"] == "failed"
    shown = queue.value("select image_processing_status from assets where id = %s", asset)
    assert shown == "failed"
