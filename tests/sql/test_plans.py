"""What the statements touch: a claim reads heads of lines, a heartbeat rewrites a row where it lies."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.sql.conftest import settlement
from tests.sql.pictures import embed, photo, unit, vectors_and_facts

pytestmark = pytest.mark.stack

READS = """
    select coalesce(sum(seq_scan), 0)::int as seq_scans,
           (coalesce(sum(idx_tup_fetch), 0))::int as rows_fetched,
           (select coalesce(sum(idx_tup_read), 0)::int from pg_stat_user_indexes
             where relid in (select inhrelid from pg_inherits where inhparent = 'public.jobs'::regclass))
             as entries_read
      from pg_stat_user_tables
     where relid in (select inhrelid from pg_inherits where inhparent = 'public.jobs'::regclass)
"""


def reads(queue: Any) -> dict[str, int]:
    queue.db.execute("select pg_stat_force_next_flush()")
    queue.db.execute("select pg_stat_clear_snapshot()")
    return dict(queue.rows(READS)[0])


def cost(queue: Any, act: Any) -> dict[str, int]:
    before = reads(queue)
    act()
    after = reads(queue)
    return {name: after[name] - before[name] for name in after}


OWN_COST = """
    select sum(pg_stat_get_xact_numscans(id))::int as seq_scans,
           (sum(pg_stat_get_xact_tuples_fetched(id) + fetched) filter (where jobs))::int as rows_fetched,
           (sum(returned) filter (where jobs))::int as entries_read,
           (sum(pg_stat_get_xact_tuples_fetched(id) + fetched) filter (where not jobs))::int as facts_fetched
      from (select inhrelid as id, true as jobs from pg_inherits where inhparent = 'public.jobs'::regclass
            union all
            select unnest('{assets,asset_facts,kizu.misses}'::regclass[]), false) as tables,
           lateral (select sum(pg_stat_get_xact_tuples_fetched(indexrelid)) as fetched,
                           sum(pg_stat_get_xact_tuples_returned(indexrelid)) as returned
                      from pg_index where indrelid = id) as indexes
"""


def own_cost(queue: Any, act: Any) -> dict[str, int]:
    """As `cost`, and of what is known of photos, too, in one transaction and by it alone: whatever else reads
    the tables meanwhile."""
    reads(queue)  # nothing of before is left to be counted
    with queue.db.transaction():
        before = queue.rows(OWN_COST)[0]
        act()
        after = queue.rows(OWN_COST)[0]
    return {name: after[name] - before[name] for name in after}


@pytest.fixture(scope="module", params=[20_000, pytest.param(200_000, marks=pytest.mark.slow)])
def backlog(new_queue: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    """Many pending and as many finished jobs of 20 users; only `statistics` tells the planner of them."""
    queue = new_queue()
    kind, users = queue.kind(), [queue.user() for _ in range(20)]
    queue.db.execute("alter table ai_processing_jobs set (autovacuum_enabled = off)")
    # A million rows without triggers, not even those that look whether each row's user and kind exist.
    queue.db.execute("set session_replication_role = replica")
    for finished in ("false", "true"):
        queue.db.execute(
            "insert into ai_processing_jobs (user_id, job_type, status, completed_at, picked_up_at, run_at)"
            " select (%s::uuid[])[1 + n %% 20], %s,"
            f"       case when {finished} then 'completed' else 'pending' end,"
            f"        case when {finished} then now() end, case when {finished} then now() end,"
            "        now() - n * interval '1 ms' from generate_series(1, %s) as n",
            (users, kind, request.param),
        )
    queue.db.execute("reset session_replication_role")
    queue.db.execute("select kizu.reset_floors()")
    reads(queue)  # counts what this session did before anything is measured
    yield kind
    queue.db.execute("truncate public.ai_processing_jobs")
    queue.db.execute("alter table ai_processing_jobs reset (autovacuum_enabled)")
    queue.close()


@pytest.fixture(scope="module")
def held_before(new_queue: Any) -> Iterator[str]:
    """A table of which the planner knows what it knows of a job table all of whose jobs are held."""
    queue = new_queue()
    queue.db.execute(
        "create table held_before as"
        " select job.* from generate_series(1, 1000) as n"
        " cross join lateral jsonb_populate_record("
        "   null::public.jobs,"
        "   jsonb_build_object("
        "     'id', gen_random_uuid(), 'user_id', gen_random_uuid(), 'job_type', 'held',"
        "     'status', 'processing', 'priority', 100, 'crashes', 0, 'suspect', false,"
        "     'run_at', now(), 'picked_up_at', now(),"
        "     'worker_id', 'w1', 'claim_id', gen_random_uuid(),"
        "     'lease_expires_at', now() + n * interval '1 second'"
        "   )"
        " ) as job"
    )
    queue.db.execute("analyze held_before")
    yield "held_before"
    queue.db.execute("drop table held_before")
    queue.close()


def believe(queue: Any, *, tuples: int, pages: str = "relpages") -> None:
    queue.db.execute(
        f"update pg_class set reltuples = {tuples}, relpages = {pages}"
        " where oid = 'public.ai_processing_jobs'::regclass"
        "    or oid in (select indexrelid from pg_index"
        "                where indrelid = 'public.ai_processing_jobs'::regclass)"
    )


@pytest.fixture(params=["none", "analyzed", "of an empty table", "of an import"])
def statistics(queue: Any, backlog: str, held_before: str, request: pytest.FixtureRequest) -> None:
    """What the planner believes. The table was empty for it if that was so when it was analyzed: before an
    import, or during one, whose rows were not yet committed; then it believes what it knew of older rows."""
    if request.param != "none":
        queue.db.execute("analyze public.ai_processing_jobs")
    forget = "delete from pg_statistic where starelid = 'public.ai_processing_jobs'::regclass"
    match request.param:
        case "none":
            queue.db.execute(forget)
            believe(queue, tuples=-1, pages="0")
        case "of an empty table":
            believe(queue, tuples=0)
        case "of an import":
            columns = queue.value(
                "select string_agg(attname, ', ' order by attnum) from pg_attribute"
                " where attrelid = 'pg_statistic'::regclass and attnum > 1"
            )
            queue.db.execute(forget)
            queue.db.execute(
                f"insert into pg_statistic select 'public.ai_processing_jobs'::regclass, {columns}"
                f"  from pg_statistic where starelid = '{held_before}'::regclass"
            )
            believe(queue, tuples=0)


@pytest.mark.usefixtures("statistics")
def test_a_claim_reads_heads_of_lines_and_never_the_backlog(queue: Any, backlog: str) -> None:
    touched = cost(queue, lambda: queue.claim(backlog, 1))
    assert touched["seq_scans"] == 0
    assert touched["entries_read"] < 500
    assert touched["rows_fetched"] < 500

    touched = cost(queue, lambda: queue.claim(backlog, 16))
    assert touched["seq_scans"] == 0
    assert touched["entries_read"] < 2_000


def test_a_connection_from_before_the_backlog_reads_no_more(queue: Any, connect: Any) -> None:
    """Its plans were made, and kept, when the tables were empty."""
    kind, user = queue.kind(), queue.user()
    for _ in range(7):
        queue.claim(kind, 1)
    queue.enqueue_many(kind, user, 20_000)

    touched = cost(queue, lambda: queue.claim(kind, 4))

    assert touched["seq_scans"] == 0
    assert touched["entries_read"] < 1_000


@pytest.mark.usefixtures("statistics")
@pytest.mark.parametrize(
    "verb", ["extend", "settle", "ask", "release", "lose", "rescue", "cancel", "enqueue", "personal claim"]
)
def test_the_other_verbs_read_only_their_jobs(queue: Any, backlog: str, verb: str) -> None:
    stranger = queue.user()

    def act() -> None:
        claim_id = str(uuid.uuid4())
        lease = 1 if verb == "rescue" else 60
        jobs = queue.claim(backlog, 4, worker=verb, lease=lease, claim_id=claim_id)["jobs"]
        match verb:
            case "extend":
                assert queue.extend(jobs, worker=verb) == ["kept"] * len(jobs)
            case "settle":
                assert queue.settle(jobs[0], worker=verb)["answer"] == "settled"
            case "ask":
                asked = {"kind": backlog, "asset_id": None, "dedupe": uuid.uuid4().hex}
                items = [{**settlement(jobs[0]), "next": [asked, asked]}]
                (answer,) = queue.value("select settle_jobs(%s, %s)", verb, Jsonb(items))
                assert answer["answer"] == "settled"
            case "lose":
                assert queue.value("select lose_claims(%s, %s)", verb, claim_id) == len(jobs)
                assert queue.value("select rescue_jobs(4)") == len(jobs)
            case "rescue":
                time.sleep(1.1)
                assert queue.value("select rescue_jobs(4)") == len(jobs)
            case "cancel":
                assert queue.value("select cancel_job(%s)", jobs[0]["id"]) == "cancelling"
            case "enqueue":
                queue.enqueue(backlog, stranger)
            case "personal claim":
                with queue.acting("authenticated", jobs[0]["user_id"]):
                    assert len(queue.claim(backlog, 2)["jobs"]) == 2
        queue.release(verb)

    act()  # to plan a statement for the first time is to peek at the ends of indexes

    touched = cost(queue, act)

    assert touched["seq_scans"] == 0
    assert touched["entries_read"] < 1_000


@pytest.mark.usefixtures("backlog", "statistics")
def test_missing_facts_are_looked_for_by_the_page_not_by_the_photo(queue: Any) -> None:
    user, photos = queue.user(), 100
    for _ in range(photos):
        queue.asset(user, "photo")

    touched = cost(
        queue, lambda: queue.value("select enqueue_missing(%s, %s)", Jsonb({"faces": "one"}), user)
    )

    assert touched["seq_scans"] <= 5
    assert touched["entries_read"] < 30 * photos


@pytest.fixture
def library(queue: Any) -> Iterator[str]:
    """A user whose many photos two generations know, and of which a third of the facts is a third one's."""
    user: str = queue.user()
    for version in ("v1", "v2", "v3"):
        queue.generation(version, dimension=8)
    queue.db.execute("set session_replication_role = replica")
    queue.db.execute(
        "with made as (insert into assets (user_id, path, media_type)"
        " select %(user)s::uuid, %(user)s::text || '/' || n, 'photo' from generate_series(1, 5000) as n"
        " returning id)"
        " insert into asset_facts (asset_id, user_id, fact, version, state)"
        " select id, %(user)s::uuid, 'embedding', version, 'done'"
        "   from made, unnest('{v1,v2,v3}'::text[]) as version",
        {"user": user},
    )
    queue.db.execute("reset session_replication_role")
    # Nothing is known of the tables, whatever was in them when they were analyzed last, until somebody
    # analyzes them again.
    tables = ["public.assets", "public.asset_facts", "kizu.misses"]
    for table in tables:
        queue.db.execute(f"alter table {table} set (autovacuum_enabled = off)")
    queue.db.execute("delete from pg_statistic where starelid = any (%s::regclass[])", (tables,))
    queue.db.execute("update pg_class set reltuples = -1 where oid = any (%s::regclass[])", (tables,))
    yield user
    for table in tables:
        queue.db.execute(f"alter table {table} reset (autovacuum_enabled)")


@pytest.mark.usefixtures("backlog", "statistics")
@pytest.mark.parametrize("analyzed", [False, True])
def test_a_photo_that_only_the_active_generation_knows_is_filled_by_its_id(
    queue: Any, library: str, analyzed: bool
) -> None:
    """Whatever the planner believes: neither the facts of the library are read, nor the jobs."""
    if analyzed:
        queue.db.execute(
            "analyze public.assets, public.asset_facts, public.generations, kizu.misses,"
            " public.image_processing_jobs, public.video_transcoding_jobs"
        )

    def settle(asset: str) -> None:
        assert embed(queue, library, asset, {"v1": unit(1)})["answer"] == "settled"

    settle(photo(queue, library))  # to plan a statement for the first time is to peek at the ends of indexes
    asset = photo(queue, library)
    touched = own_cost(queue, lambda: settle(asset))
    assert touched["seq_scans"] == 0
    assert touched["facts_fetched"] < 200
    assert touched["entries_read"] < 1_000
    waiting = queue.rows(
        "select params -> 'versions' ->> 'embedding' as version from jobs where asset_id = %s order by 1",
        asset,
    )
    assert [job["version"] for job in waiting if job["version"]] == ["v2", "v3"]


ALL_READS = """
    select sum(pg_stat_get_xact_tuples_returned(id) + of_indexes)::int
      from (select oid as id from pg_class
             where relkind = 'r'
               and relnamespace in ('public'::regnamespace, 'kizu'::regnamespace)) as tables,
           lateral (select coalesce(sum(pg_stat_get_xact_tuples_returned(indexrelid)), 0) as of_indexes
                      from pg_index where indrelid = id) as indexes
"""


@pytest.fixture
def results(queue: Any, library: str) -> list[dict[str, Any]]:
    """What workers find in a photo; there is as much of each photo of the library."""
    hashes = {"sha256": "5" * 64, "perceptual_hash": "01" * 32}
    quality = {"sharpness": 9, "exposure": 1, "contrast": 50, "fine_hash": "01" * 128}
    tag = {"tag_value": "cat", "tagged_by": {}}
    file = {"kind": "web", "bucket": "assets", "bytes": 1, "mime_type": "image/jpeg"}
    queue.db.execute("set session_replication_role = replica")
    for table, columns in (
        ("asset_hashes", "sha256, perceptual_hash"),
        ("asset_quality", "sharpness, exposure, contrast, fine_hash"),
        ("asset_tags", "tag_type, tag_value"),
        ("derived_assets", "kind, bucket, bytes, mime_type, key"),
    ):
        queue.db.execute(
            f"insert into {table} (user_id, asset_id, {columns})"
            f" select user_id, id, {RESULTS[table]} from assets where user_id = %s",
            (library,),
        )
    queue.db.execute("reset session_replication_role")
    return [
        {"table": "asset_hashes", "rows": [hashes]},
        {"table": "asset_quality", "rows": [quality]},
        {"table": "asset_tags", "rows": [tag]},
        {
            "table": "derived_assets",
            "scope": {"kind": "web"},
            "rows": [{**file, "key": f"{library}/processed/it"}],
        },
        *vectors_and_facts({"v1": unit(1)}),
    ]


RESULTS = {
    "asset_hashes": "repeat('4', 64), hashtextextended(id::text, 0)::bit(64)",
    "asset_quality": "9, 1, 50, repeat('01', 128)::bit(256)",
    "asset_tags": "'object', 'dog'",
    "derived_assets": "'web', 'assets', 1, 'image/jpeg', path",
}
FACTS = ("public.assets", "public.asset_facts", "kizu.misses")


@pytest.mark.parametrize(
    "empty",
    [(), ("public.assets",), ("public.asset_facts",), tuple(f"public.{name}" for name in RESULTS)],
)
def test_settling_a_photo_reads_its_own_rows_alone(
    queue: Any, library: str, results: list[dict[str, Any]], empty: tuple[str, ...]
) -> None:
    """Also where the planner takes tables for empty that were analyzed during an import."""
    queue.db.execute(f"analyze {', '.join([*FACTS, *RESULTS])}")
    queue.db.execute(
        "update pg_class set reltuples = 0 where oid = any (%(tables)s::regclass[])"
        " or oid in (select indexrelid from pg_index where indrelid = any (%(tables)s::regclass[]))",
        {"tables": list(empty)},
    )
    kind = queue.kind()

    def settle(asset: str) -> int:
        queue.enqueue(kind, library, asset)
        job = queue.take(kind)
        reads(queue)
        with queue.db.transaction():
            before = queue.value(ALL_READS)
            assert queue.settle(job, writes=results)["answer"] == "settled"
            return int(queue.value(ALL_READS) - before)

    asset = photo(queue, library)
    settle(asset)  # to plan a statement for the first time is to peek at the ends of indexes
    assert settle(asset) < 1_000


def test_heartbeats_are_hot_updates(queue: Any) -> None:
    kind, user, beats = queue.kind(), queue.user(), 20
    queue.enqueue_many(kind, user, 100)
    jobs = queue.claim(kind, 100)["jobs"]
    stats = (
        "select n_tup_upd as updates, n_tup_hot_upd as hot from pg_stat_user_tables"
        " where relname = 'ai_processing_jobs'"
    )

    def now() -> dict[str, int]:
        queue.db.execute("select pg_stat_force_next_flush()")
        queue.db.execute("select pg_stat_clear_snapshot()")
        return dict(queue.rows(stats)[0])

    before = now()
    for number in range(beats):
        queue.extend([{**job, "progress": number, "step": f"step {number}"} for job in jobs])
        time.sleep(0.001)
    after = now()

    updates, hot = (after[name] - before[name] for name in ("updates", "hot"))
    assert updates == beats * len(jobs)
    assert hot / updates > 0.9
