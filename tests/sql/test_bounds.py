"""Whatever anybody writes has a size: refused or cut by a rule of ours, in each column and each verb."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

pytestmark = pytest.mark.stack

HUGE = "x" * 5_000_000
RULES_OF_OURS = {"facts", "job_kinds", "read_verbs", "result_tables"}
"""Tables that only migrations write."""
BY_VERBS = {
    "jobs",
    "ai_processing_jobs",
    "image_processing_jobs",
    "video_transcoding_jobs",
    "job_events",
    "runs",
}
"""Tables that only verbs write, which bound what they are given, as the tests below say of each."""


@pytest.fixture
def job(queue: Any) -> Any:
    user, kind = queue.user(), queue.kind()
    queue.enqueue(kind, user, queue.asset(user))
    return queue.take(kind)


def test_every_column_that_can_grow_is_bounded(queue: Any) -> None:
    unbounded = queue.rows(
        """
        select relname || '.' || attname as name
          from pg_class
          join pg_attribute on attrelid = pg_class.oid
          join pg_type on pg_type.oid = atttypid
         where relnamespace = 'public'::regnamespace and relkind = 'r' and relname <> all (%s)
           and attnum > 0 and not attisdropped and attgenerated = ''
           and (typname in ('text', 'varchar', 'json', 'jsonb', 'bytea') or typcategory = 'A')
           and not exists (
                 select from pg_constraint
                  where conrelid = pg_class.oid and contype = 'c' and conkey = array[attnum]
                    and pg_get_constraintdef(pg_constraint.oid) ~ 'pg_column_size'
               )
        """,
        sorted(RULES_OF_OURS | BY_VERBS),
    )
    assert [row["name"] for row in unbounded] == []


OWNED = {
    "albums": {"title": "a", "description": "a", "keyphoto": "a"},
    "contacts": {"display_name": "a"},
    "moments": {"title": "a", "subtitle": "a"},
    "profiles": {"full_name": "a", "email": "a", "avatar_url": "a", "notification_settings": {}},
    "assets": {
        "location_name": "a",
        "ai_processed_by": "a",
        "image_processing_status": "a",
        "transcoding_status": "a",
        "ai_model_versions": {},
        "ai_operations": {},
    },
}


NEW = {
    "albums": "insert into albums (user_id, title) values (%s, 'a') returning id",
    "contacts": "insert into contacts (user_id, display_name) values (%s, 'a') returning id",
    "moments": "insert into moments (user_id, title, grouping_type) values (%s, 'a', 'trip') returning id",
    "profiles": "insert into profiles (id) values (%s) returning id",
}


@pytest.mark.parametrize(
    ("table", "column"), [(table, column) for table, columns in OWNED.items() for column in columns]
)
def test_owners_store_no_more_than_a_page_in_a_column(queue: Any, table: str, column: str) -> None:
    user = queue.user()
    value = OWNED[table][column]
    key = queue.asset(user) if table == "assets" else queue.value(NEW[table], user)
    update = sql.SQL("update {} set {} = %s where id = %s").format(
        sql.Identifier(table), sql.Identifier(column)
    )

    def store(text: str) -> int:
        stored = Jsonb({"a": text}) if isinstance(value, dict) else text
        with queue.acting("authenticated", user):
            return int(queue.db.execute(update, (stored, key)).rowcount)

    assert store("x" * 400) == 1
    with pytest.raises(psycopg.errors.CheckViolation):
        store("x" * 70_000)
    with pytest.raises(psycopg.errors.CheckViolation):
        store(HUGE)


def test_step_of_a_heartbeat_is_cut(queue: Any, job: Any) -> None:
    assert queue.extend([{**job, "progress": 1, "step": HUGE}]) == ["kept"]
    assert len(queue.row(job)["current_step"]) == 200


@pytest.mark.parametrize("outcome", ["retry", "failed"])
def test_code_and_message_of_an_end_are_cut(queue: Any, job: Any, outcome: str) -> None:
    answer = queue.settle(job, {"kind": outcome, "code": HUGE, "message": HUGE})
    assert answer["answer"] == "settled"
    row = queue.row(job)
    assert (len(row["error_code"]), len(row["error_message"])) == (100, 2000)
    (run,) = queue.rows("select error_code, error_message from runs where job_id = %s", job["id"])
    assert (len(run["error_code"]), len(run["error_message"])) == (100, 2000)


@pytest.mark.parametrize(
    "item",
    [
        {"outcome": {"kind": "done", "result": {"a": HUGE}}},
        {"run": {"handler": HUGE}},
        {"run": {"handler_version": HUGE}},
        {"run": {"models": [HUGE]}},
        {"run": {"timings": {"a": HUGE}}},
        {"run": {"counts": {HUGE: 1}}},
        {"writes": [{"table": "assets", "set": {"ai_processed_by": HUGE}}]},
        {"writes": [{"table": "assets", "merge": {"ai_model_versions": {"a": HUGE}}}]},
        {"writes": [{"table": "asset_facts", "rows": [{"fact": "faces", "state": "done", "version": HUGE}]}]},
        {"writes": [{"table": "asset_tags", "rows": [{"tag_value": "a", "tagged_by": {"a": HUGE}}]}]},
        {"next": [{"kind": "image_ai", "params": {"a": HUGE}}]},
    ],
    ids=lambda item: str(item)[:40],
)
def test_what_a_job_leaves_is_refused_when_it_is_huge(queue: Any, job: Any, item: dict[str, Any]) -> None:
    fence = {name: job[name] for name in ("table", "id", "epoch")}
    settlement = {**fence, "outcome": {"kind": "done"}, **item}
    (answer,) = queue.value("select settle_jobs('w1', %s)", Jsonb([settlement]))
    assert answer["answer"] == "refused"
    assert queue.row(job)["status"] == "processing"
    assert queue.settle(job)["answer"] == "settled", "and without it, it ends"


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("extend_leases('w', 60, %s)", [Jsonb([{"table": "a", "id": None}] * 1001)]),
        ("extend_leases('w', 60, %s)", [Jsonb({})]),
        ("settle_jobs('w', %s)", [Jsonb([{"table": "a"}] * 1001)]),
        ("settle_jobs('w', %s)", [Jsonb({})]),
        ("announce_worker('w', %s)", [Jsonb({"a": "x" * 40_000})]),
        ("retry_jobs(%s, true)", [Jsonb({"ids": [str(uuid.uuid4())] * 1001})]),
        ("retry_jobs(%s, true)", [Jsonb({"kinds": ["a"] * 1001})]),
        ("retry_jobs(%s, true)", [Jsonb({"codes": ["a"] * 1001})]),
        ("retry_jobs(%s, true)", [Jsonb([])]),
    ],
)
def test_lists_have_an_end(queue: Any, call: str, arguments: list[Any]) -> None:
    with pytest.raises(psycopg.Error, match="bad_params") as refusal:
        queue.db.execute(f"select {call}", arguments)
    assert refusal.value.sqlstate == "PT400"
