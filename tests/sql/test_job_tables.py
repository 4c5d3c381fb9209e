"""Every job table keeps its parent's contract, and older apps keep theirs."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

pytestmark = pytest.mark.stack

TABLES = ["ai_processing_jobs", "image_processing_jobs", "video_transcoding_jobs"]
INDEXES = {
    "pkey": "(id)",
    "line_of_a_user": "(job_type, priority, user_id, run_at, id)"
    " WHERE ((status = 'pending'::text) AND (NOT suspect))",
    "line_of_a_priority": "(job_type, priority, run_at, id)"
    " WHERE ((status = 'pending'::text) AND (NOT suspect))",
    "suspects": "(status, job_type, priority, run_at, id)"
    " WHERE ((status = ANY (ARRAY['pending'::text, 'processing'::text])) AND (suspect OR (crashes > 0)))",
    "running": "(job_type, user_id, picked_up_at) WHERE (status = 'processing'::text)",
    "held_longest": "(job_type, picked_up_at) WHERE (status = 'processing'::text)",
    "last_served": "(job_type, user_id, picked_up_at) WHERE (picked_up_at IS NOT NULL)",
    "held_by_a_worker": "(worker_id, claim_id) WHERE (claim_id IS NOT NULL)",
    "active_once": "(dedupe_key) WHERE (status = ANY (ARRAY['pending'::text, 'processing'::text]))",
    "of_a_user": "(user_id, created_at)",
    "of_an_asset": "(asset_id) WHERE (asset_id IS NOT NULL)",
    "prunable": "(completed_at) WHERE (status = ANY (ARRAY['completed'::text, 'cancelled'::text]))",
    "failed": "(completed_at) WHERE (status = 'failed'::text)",
}


def test_the_job_tables_are_these(queue: Any) -> None:
    children = queue.rows(
        "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'public.jobs'::regclass"
    )
    assert sorted(row["name"] for row in children) == TABLES


@pytest.mark.parametrize("table", TABLES)
def test_a_job_table_has_the_parents_columns(queue: Any, table: str) -> None:
    query = (
        "select attname, format_type(atttypid, atttypmod) as type, attnotnull,"
        "       case when attname <> 'job_type' then pg_get_expr(adbin, adrelid) end as default"
        "  from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum"
        " where attrelid = ('public.' || %s)::regclass and attnum > 0 and not attisdropped order by attnum"
    )
    parent, child = queue.rows(query, "jobs"), queue.rows(query, table)
    assert child[: len(parent)] == parent


@pytest.mark.parametrize("table", ["jobs", *TABLES])
def test_a_job_table_has_its_indexes(queue: Any, table: str) -> None:
    found = {
        row["indexname"].removeprefix(f"{table}_"): row["indexdef"].split(" USING btree ")[1]
        for row in queue.rows("select indexname, indexdef from pg_indexes where tablename = %s", table)
    }
    assert found == INDEXES


@pytest.mark.parametrize("table", TABLES)
def test_a_heartbeat_touches_no_index(queue: Any, table: str) -> None:
    heartbeat = {"lease_expires_at", "progress", "current_step"}
    indexed = queue.rows(
        "select distinct attname"
        "  from pg_index join pg_attribute on attrelid = indrelid and attnum = any (indkey)"
        " where indrelid = ('public.' || %s)::regclass",
        table,
    )
    assert not heartbeat & {row["attname"] for row in indexed}
    definitions = queue.rows("select indexdef from pg_indexes where tablename = %s", table)
    assert not [row for row in definitions if any(name in row["indexdef"] for name in heartbeat)]


@pytest.mark.parametrize("table", TABLES)
def test_a_job_table_has_the_parents_rules_and_its_own_keys(queue: Any, table: str) -> None:
    query = (
        "select conname, pg_get_constraintdef(oid) as rule from pg_constraint"
        " where conrelid = ('public.' || %s)::regclass and contype <> 'n'"
    )
    parent = {row["conname"]: row["rule"] for row in queue.rows(query, "jobs")}
    child = {row["conname"]: row["rule"] for row in queue.rows(query, table)}
    del parent["jobs_live_in_job_tables"], parent["jobs_pkey"]
    assert parent.items() <= child.items()
    assert {
        f"{table}_pkey": "PRIMARY KEY (id)",
        "job_type_is_known": "FOREIGN KEY (job_type) REFERENCES job_kinds(kind)",
        "job_belongs_to_a_user": "FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE",
        "asset_belongs_to_the_same_user": "FOREIGN KEY (asset_id, user_id) REFERENCES assets(id, user_id)"
        " ON DELETE CASCADE",
    }.items() <= child.items()


@pytest.mark.parametrize("table", TABLES)
def test_a_job_table_has_its_triggers_policy_and_place_in_the_publication(queue: Any, table: str) -> None:
    triggers = queue.rows(
        "select tgname from pg_trigger where tgrelid = ('public.' || %s)::regclass and not tgisinternal",
        table,
    )
    assert {row["tgname"] for row in triggers} >= {
        "input_becomes_params",
        "job_events_are_recorded",
        "job_events_go_with_the_job",
        "jobs_change_lines",
        "new_jobs_enter_lines",
        "workers_are_woken",
    }
    policies = queue.rows("select policyname, cmd from pg_policies where tablename = %s", table)
    assert policies == [{"policyname": "owners_read", "cmd": "SELECT"}]
    assert queue.value("select reloptions from pg_class where relname = %s", table)[0] == "fillfactor=70"
    assert queue.value(
        "select count(*) from pg_publication_tables where pubname = 'supabase_realtime' and tablename = %s",
        table,
    )


def test_the_parent_holds_no_jobs(queue: Any) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="jobs_live_in_job_tables"):
        queue.db.execute("insert into public.jobs (user_id, job_type) values (gen_random_uuid(), 'image_ai')")


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ("status = 'sleeping'", "status_is_known"),
        ("status = 'processing'", "processing_has_an_owner"),
        ("lease_expires_at = now()", "only_processing_has_a_lease"),
        ("status = 'completed'", "finished_has_a_time"),
        ("completed_at = now()", "finished_has_a_time"),
        ("status = 'failed', completed_at = now()", "failed_says_why"),
        ("priority = -1", "priority_is_a_level"),
        ("progress = 101", "progress_is_a_percentage"),
        ("attempts = -1", "counts_do_not_go_below_zero"),
        ("params = '[]'", "params_are_an_object"),
        ("job_type = 'unheard_of'", "job_type_is_known"),
    ],
)
@pytest.mark.parametrize("table", TABLES)
def test_a_wrong_row_is_refused_with_a_readable_word(queue: Any, table: str, change: str, rule: str) -> None:
    job_id = queue.enqueue(queue.kind(table), queue.user())
    with pytest.raises(psycopg.errors.IntegrityError, match=rule):
        queue.db.execute(f"update public.{table} set {change} where id = %s", (job_id,))


@pytest.mark.parametrize("table", TABLES)
def test_a_job_about_somebody_elses_asset_cannot_exist(queue: Any, table: str) -> None:
    asset = queue.asset(queue.user())
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="asset_belongs_to_the_same_user"):
        queue.db.execute(
            f"insert into public.{table} (user_id, asset_id) values (%s, %s)", (queue.user(), asset)
        )


def test_an_older_apps_image_job_is_understood(queue: Any) -> None:
    user = queue.user()
    with queue.acting("service_role"):
        row = queue.rows(
            "insert into image_processing_jobs (user_id, asset_id, input_url, input_orientation,"
            " needs_web_version, metadata) values (%s, %s, 'https://x/y.jpg', 6, true, %s) returning *",
            user,
            queue.asset(user),
            Jsonb({"generate_thumbnail": False, "other": 1}),
        )[0]
    assert (row["job_type"], row["status"]) == ("optimize_image", "pending")
    assert row["params"] == {
        "input_url": "https://x/y.jpg",
        "input_orientation": 6,
        "needs_web_version": True,
        "generate_thumbnail": False,
    }


def test_an_older_app_finds_the_urls_where_it_looks(queue: Any) -> None:
    kind = queue.kind("image_processing_jobs")
    queue.enqueue(kind, queue.user())
    job = queue.take(kind)
    queue.settle(job, {"kind": "done", "result": {"thumbnail_url": "t", "web_url": "w"}})
    (row,) = queue.rows("select * from image_processing_jobs where id = %s", job["id"])
    assert (row["thumbnail_url"], row["web_url"], row["started_at"]) == ("t", "w", row["picked_up_at"])


def test_an_older_apps_ai_job_is_understood(queue: Any) -> None:
    user = queue.user()
    asset = queue.asset(user)
    row = queue.rows(
        "insert into ai_processing_jobs (user_id, job_type, status, input_params, progress, processed, total)"
        " values (%s, 'process_image', 'pending', %s, 0, 0, 1) returning *",
        user,
        Jsonb({"asset_id": asset, "operations": ["faces"]}),
    )[0]
    assert (str(row["asset_id"]), row["params"]) == (asset, {"operations": ["faces"]})


def test_an_older_apps_video_job_is_understood(queue: Any) -> None:
    user, kind = queue.user(), queue.kind("video_transcoding_jobs")
    queue.db.execute(
        "insert into video_transcoding_jobs (user_id, job_type, input_url, quality_preset, target_resolution)"
        " values (%s, %s, 'https://x/y.mov', 'high', '720p')",
        (user, kind),
    )
    job = queue.take(kind)
    assert job["params"] == {
        "input_url": "https://x/y.mov",
        "quality_preset": "high",
        "target_resolution": "720p",
    }
    result = {
        "output_url": "u",
        "output_width": 1280,
        "output_size_bytes": 5_000_000_000,
        "thumbnail_url": "t",
    }
    queue.settle(job, {"kind": "done", "result": result})
    (row,) = queue.rows("select * from video_transcoding_jobs where id = %s", job["id"])
    assert {name: row[name] for name in result} == result
    assert (row["thumbnail_generated_at"], row["retry_count"]) == (row["completed_at"], 0)


def test_an_insert_rings_once_per_statement(queue: Any) -> None:
    kind, user = queue.kind(), queue.user()
    last = "select count(*) from realtime.messages where topic = 'kizu:jobs'"
    before = queue.value(last)
    queue.enqueue_many(kind, user, 500)
    assert queue.value(last) == before + 1
    payload = queue.rows("select payload, event, private from realtime.messages where topic = 'kizu:jobs'")[
        -1
    ]
    assert payload["event"] == "wake"
    assert payload["private"] is True
    queue.asset(user, "photo")  # two tables get a job, the third gets none
    assert queue.value(last) == before + 3
