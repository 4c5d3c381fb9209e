"""Other bytes in an asset's place: what was known of the old is gone at once, and is found out anew, once."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.paths import ROOT
from tests.sql.conftest import Queue, settlement
from tests.sql.pictures import unit

pytestmark = pytest.mark.stack

KINDS = ["image_ai", "optimize_image"]
BOX = {"x": 0.1, "y": 0.1, "width": 0.2, "height": 0.2}


def put(queue: Queue, asset: str, content: str) -> None:
    """Stores other bytes under the asset's path, as Storage says it: tried first without naming them."""
    path = queue.value("select path from assets where id = %s", asset)
    for metadata in (None, {"eTag": f'"{content}"', "size": 1}):
        queue.db.execute(
            "insert into storage.objects (bucket_id, name, version, metadata) values ('assets', %s, %s, %s)"
            " on conflict (bucket_id, name) do update set version = excluded.version,"
            " metadata = coalesce(excluded.metadata, objects.metadata)",
            (path, str(uuid.uuid4()), metadata and Jsonb(metadata)),
        )


def photo(queue: Queue, content: str = "one", user: str | None = None) -> str:
    """A photo in Storage, with the jobs of its upload."""
    asset = queue.asset(user or queue.user(), media_type="photo")
    put(queue, asset, content)
    return asset


def jobs_of(queue: Queue, asset: str, *statuses: str) -> list[str]:
    found = queue.rows(
        "select job_type from jobs where asset_id = %s and status = any (%s) order by 1",
        asset,
        list(statuses or ("pending", "processing")),
    )
    return [row["job_type"] for row in found]


def take(queue: Queue, asset: str, kind: str = "image_ai") -> dict[str, Any]:
    """Claims the asset's job of a kind; it must be there."""
    queue.db.execute("update jobs set priority = 0 where asset_id = %s and status = 'pending'", (asset,))
    job = queue.take(kind)
    assert job["asset_id"] == asset
    return job


def facts(asset_seen: str = "red") -> list[dict[str, Any]]:
    """All that a look at a picture can write."""
    version = {"model_version": "m"}
    return [
        {"table": "image_embeddings", "scope": version, "rows": [{"embedding": unit(asset_seen, 512)}]},
        {"table": "face_embeddings", "scope": version, "rows": [face(asset_seen)]},
        {
            "table": "detected_objects",
            "scope": version,
            "rows": [{"object_class": asset_seen, "confidence": 1, "bounding_box": BOX}],
        },
        {"table": "image_text", "scope": version, "rows": [{"extracted_text": asset_seen}]},
        {
            "table": "image_descriptions",
            "scope": {**version, "detail_level": "medium"},
            "rows": [{"description": asset_seen}],
        },
        {"table": "asset_hashes", "rows": [{"sha256": "0" * 64}]},
        {"table": "asset_quality", "rows": [{"sharpness": 1, "exposure": 1, "contrast": 1}]},
        {"table": "asset_tags", "rows": [{"tag_value": asset_seen}]},
        {"table": "asset_parts", "scope": {"kind": "motion"}, "rows": [{"first_byte": 1, "bytes": 2}]},
        {
            "table": "asset_facts",
            "rows": [
                {"fact": fact, "version": "m", "state": "done"}
                for fact in ("embedding", "faces", "objects", "ocr", "describe", "hashes", "quality")
            ],
        },
    ]


def face(person: str, *, index: int = 0, box: dict[str, float] = BOX) -> dict[str, Any]:
    return {"face_index": index, "embedding": unit(person, 512), "bounding_box": box, "model_version": "m"}


def look(
    queue: Queue,
    asset: str,
    seen: str | None,
    writes: list[dict[str, Any]] | None = None,
    kind: str = "image_ai",
) -> dict[str, Any]:
    """A worker looks at the bytes it names; answers what the settlement was answered."""
    job = take(queue, asset, kind)
    run = {"content": f'"{seen}"'} if seen else {}
    return queue.settle(job, writes=facts() if writes is None else writes, run=run)


TABLES = (
    "image_embeddings",
    "face_embeddings",
    "detected_objects",
    "image_text",
    "image_descriptions",
    "asset_hashes",
    "asset_quality",
    "asset_tags",
    "asset_parts",
    "asset_facts",
    "derived_assets",
)


def known(queue: Queue, asset: str) -> set[str]:
    return {
        table
        for table in TABLES
        if queue.value(f"select exists (select from {table} where asset_id = %s)", asset)
    }


def column(queue: Queue, asset: str, name: str) -> Any:
    return queue.value(f"select {name} from assets where id = %s", asset)


@pytest.fixture(autouse=True)
def _generations(queue: Queue) -> None:
    for kind in ("pictures", "faces"):
        queue.generation("m", kind)


@pytest.fixture
def untriggered(queue: Queue) -> Iterator[None]:
    """A project that lets nobody make triggers on its Storage."""
    queue.db.execute("alter table storage.objects disable trigger kizu_other_bytes_are_noticed")
    yield
    queue.db.execute("alter table storage.objects enable trigger kizu_other_bytes_are_noticed")


def capture(**columns: Any) -> dict[str, Any]:
    return {"table": "asset_captures", "rows": [columns]}


READ = {
    "taken_at": "2024-07-14T18:30:00+02:00",
    "taken_at_source": "original",
    "taken_at_precision": "second",
    "latitude": 1,
    "longitude": 2,
    "place_source": "file",
}


def optimised(asset_user: str, asset: str) -> list[dict[str, Any]]:
    key = f"{asset_user}/processed/{asset}/j.1/thumbnail.jpg"
    return [
        {
            "table": "derived_assets",
            "scope": {"kind": "thumbnail"},
            "rows": [{"bucket": "assets", "key": key, "bytes": 1, "mime_type": "image/jpeg"}],
        },
        {
            "table": "assets",
            "set": {"thumbnail": f"https://p.test/storage/v1/object/authenticated/assets/{key}", "width": 4},
        },
        capture(**READ),
    ]


def test_other_bytes_end_all_that_was_known_and_ask_for_it_anew(queue: Queue) -> None:
    user = queue.user()
    asset = photo(queue, user=user)
    assert look(queue, asset, "one")["status"] == "completed"
    assert look(queue, asset, "one", optimised(user, asset), "optimize_image")["status"] == "completed"
    assert known(queue, asset) == set(TABLES)
    assert jobs_of(queue, asset) == []

    put(queue, asset, "two")

    assert known(queue, asset) == set()
    assert jobs_of(queue, asset) == KINDS
    gone = ("thumbnail", "width", "taken_at", "latitude", "longitude", "ai_processed_at", "ai_model_versions")
    assert [name for name in gone if column(queue, asset, name) is not None] == []
    assert column(queue, asset, "ai_operations") == {}


def test_every_table_of_results_is_among_those_that_a_change_empties(queue: Queue) -> None:
    tables = queue.rows(
        "select table_name from result_tables where owner = 'asset' and mode <> 'update' order by 1"
    )
    assert {row["table_name"] for row in tables} == {*TABLES, "asset_captures"}


def test_the_same_bytes_again_change_nothing(queue: Queue) -> None:
    asset = photo(queue)
    look(queue, asset, "one")
    look(queue, asset, "one", [], "optimize_image")
    before = known(queue, asset)
    put(queue, asset, "one")
    queue.db.execute(
        "delete from storage.objects where name = (select path from assets where id = %s)", (asset,)
    )
    put(queue, asset, "one")
    assert known(queue, asset) == before
    assert jobs_of(queue, asset) == []


def test_what_people_said_stays(queue: Queue) -> None:
    user = queue.user()
    asset = photo(queue, user=user)
    look(queue, asset, "one")
    look(queue, asset, "one", optimised(user, asset), "optimize_image")
    album = queue.value("insert into albums (user_id, title) values (%s, 't') returning id", user)
    with queue.acting("authenticated", user):
        queue.db.execute(
            "insert into asset_tags (asset_id, tag_type, tag_value) values (%s, 'object', 'mine')", (asset,)
        )
        queue.db.execute("insert into album_assets (album_id, asset_id) values (%s, %s)", (album, asset))
        queue.db.execute(
            "insert into asset_parts (asset_id, kind, path) values (%s, 'raw', %s)", (asset, f"{user}/x.raw")
        )
        queue.db.execute(
            "update assets set taken_at = '1999-12-31T23:00Z', location_name = 'home' where id = %s", (asset,)
        )

    put(queue, asset, "two")

    assert known(queue, asset) == {"asset_tags", "asset_parts"}
    assert queue.value("select array_agg(tag_value) from asset_tags where asset_id = %s", asset) == ["mine"]
    assert queue.value("select count(*) from album_assets where asset_id = %s", asset) == 1
    assert column(queue, asset, "taken_at").year == 1999
    assert column(queue, asset, "latitude") is None
    assert column(queue, asset, "location_name") == "home"
    look(queue, asset, "two", optimised(user, asset), "optimize_image")
    assert (column(queue, asset, "taken_at").year, column(queue, asset, "latitude")) == (1999, 1.0)


def named(queue: Queue, user: str, asset: str, name: str) -> str:
    contact = queue.value(
        "insert into contacts (user_id, display_name) values (%s, %s) returning id", user, name
    )
    queue.db.execute("update face_embeddings set contact_id = %s where asset_id = %s", (contact, asset))
    return str(contact)


def names(queue: Queue, asset: str) -> list[str | None]:
    found = queue.rows(
        "select display_name from face_embeddings as face left join contacts on contacts.id = face.contact_id"
        " where asset_id = %s order by face_index",
        asset,
    )
    return [row["display_name"] for row in found]


def test_the_same_face_in_the_same_place_keeps_its_name_and_nobody_sees_it_meanwhile(queue: Queue) -> None:
    user = queue.user()
    asset = photo(queue, user=user)
    look(queue, asset, "one", facts("ada"))
    named(queue, user, asset, "Ada")

    put(queue, asset, "two")
    assert names(queue, asset) == []
    put(queue, asset, "three")

    look(
        queue,
        asset,
        "three",
        [{"table": "face_embeddings", "scope": {"model_version": "m"}, "rows": [face("ada")]}],
    )
    assert names(queue, asset) == ["Ada"]
    assert queue.value("select count(*) from kizu.former_faces where asset_id = %s", asset) == 0
    tags = "select array_agg(tag_value) from asset_tags where asset_id = %s and tag_type = 'person'"
    assert queue.value(tags, asset) == ["Ada"]


@pytest.mark.parametrize(
    ("seen", "box"),
    [("grace", BOX), ("ada", {**BOX, "x": 0.7})],
    ids=["somebody else in her place", "in another place"],
)
def test_another_face_has_no_name(queue: Queue, seen: str, box: dict[str, float]) -> None:
    user = queue.user()
    asset = photo(queue, user=user)
    look(queue, asset, "one", facts("ada"))
    named(queue, user, asset, "Ada")
    put(queue, asset, "two")
    rows = [face(seen, box=box)]
    look(queue, asset, "two", [{"table": "face_embeddings", "scope": {"model_version": "m"}, "rows": rows}])
    assert names(queue, asset) == [None]
    assert queue.value("select count(*) from kizu.former_faces where asset_id = %s", asset) == 0


@pytest.mark.parametrize("seen", ["one", None], ids=["says which bytes", "of a worker that does not say"])
@pytest.mark.parametrize("outcome", ["done", {"kind": "failed", "code": "unreadable"}, {"kind": "retry"}])
def test_what_was_found_in_bytes_that_are_gone_is_not_written(
    queue: Queue, seen: str | None, outcome: Any
) -> None:
    asset = photo(queue)
    job = take(queue, asset)
    put(queue, asset, "two")
    writes = facts() if outcome == "done" else []
    run = {"content": seen} if seen else {}

    answer = queue.settle(job, outcome, writes=writes, run=run)

    assert (answer["answer"], answer["status"]) == ("settled", "pending")
    assert known(queue, asset) == set()
    assert jobs_of(queue, asset) == KINDS
    ended = queue.rows("select outcome, error_code, content from runs where asset_id = %s", asset)
    assert ended == [{"outcome": "released", "error_code": "source_changed", "content": seen}]
    assert queue.value("select count(*) from kizu.misses where asset_id = %s", asset) == 0
    assert queue.row(job)["attempts"] == 0
    assert look(queue, asset, "two" if seen else None)["status"] == "completed"
    assert "image_text" in known(queue, asset)


@pytest.mark.usefixtures("untriggered")
@pytest.mark.parametrize("seen", ["one", None])
def test_without_a_trigger_a_settlement_notices_all_the_same(queue: Queue, seen: str | None) -> None:
    asset = photo(queue)
    look(queue, asset, "one")
    assert known(queue, asset)
    job = take(queue, asset, "optimize_image")
    put(queue, asset, "two")

    assert queue.settle(job, run={"content": seen} if seen else {})["status"] == "pending"

    assert known(queue, asset) == set()
    assert jobs_of(queue, asset) == KINDS


@pytest.mark.usefixtures("untriggered")
def test_a_job_that_looked_at_newer_bytes_is_written_and_the_other_facts_are_not_of_them(
    queue: Queue,
) -> None:
    user = queue.user()
    asset = photo(queue, user=user)
    look(queue, asset, "one")
    job = take(queue, asset, "optimize_image")
    put(queue, asset, "two")

    assert queue.settle(job, writes=optimised(user, asset), run={"content": "two"})["status"] == "completed"

    assert known(queue, asset) == {"derived_assets"}
    assert column(queue, asset, "taken_at").year == 2024
    assert jobs_of(queue, asset) == ["image_ai"]


def test_a_cache_that_sends_old_bytes_is_waited_for_and_one_that_never_ends_is_believed(queue: Queue) -> None:
    asset = photo(queue)
    take(queue, asset, "optimize_image")
    put(queue, asset, "two")
    waits = []
    for _ in range(10):
        queue.db.execute("update jobs set run_at = now() - interval '1 hour' where asset_id = %s", (asset,))
        if look(queue, asset, "one")["status"] == "completed":
            break
        waits.append(
            queue.value(
                "select round(extract(epoch from run_at - now()))::int from jobs"
                " where asset_id = %s and job_type = 'image_ai'",
                asset,
            )
        )
    assert waits[1:] == [1, 3, 7, 15, 31, 63]
    assert sum(waits[1:]) > 60


def test_a_file_that_changes_for_weeks_is_put_off_for_minutes_each_time(queue: Queue) -> None:
    asset = photo(queue)
    job = take(queue, asset)
    queue.db.execute(
        "insert into runs (job_id, job_table, epoch, attempt, user_id, asset_id, kind, worker_id, outcome,"
        "                  error_code, started_at, finished_at)"
        " select id, 'ai_processing_jobs', -n, 1, user_id, asset_id, job_type, 'w1', 'released',"
        "        'source_changed', now(), now()"
        "   from jobs, generate_series(1, 1100) as n where id = %s",
        (job["id"],),
    )
    put(queue, asset, "two")
    answer = queue.settle(job, writes=facts(), run={"content": "one"})
    assert (answer["answer"], answer["status"]) == ("settled", "pending")


@pytest.mark.parametrize("header", ['"one"', 'W/"one"', "one"])
def test_what_proxies_put_around_an_etag_is_no_other_content(queue: Queue, header: str) -> None:
    asset = photo(queue)
    job = take(queue, asset)
    assert queue.settle(job, run={"content": header})["status"] == "completed"


def ask(queue: Queue, asset: str, **more: Any) -> str:
    names = ", ".join(f"{name} => %s" for name in more)
    return str(
        queue.value(f"select enqueue_job('image_ai', %s, {names}) ->> 'status'", asset, *more.values())
        if more
        else queue.value("select enqueue_job('image_ai', %s) ->> 'status'", asset)
    )


@pytest.mark.usefixtures("untriggered")
def test_a_request_is_done_only_if_it_was_about_the_bytes_that_are_there(queue: Queue) -> None:
    asset = photo(queue)
    look(queue, asset, "one")
    assert ask(queue, asset) == "already_done"

    put(queue, asset, "two")

    assert ask(queue, asset) == "enqueued"
    assert known(queue, asset) == set()
    assert ask(queue, asset) == "already_queued"
    assert jobs_of(queue, asset) == KINDS
    look(queue, asset, "two")
    assert ask(queue, asset) == "already_done"


def test_a_request_of_other_params_is_asked_again_and_one_that_failed_too(queue: Queue) -> None:
    asset = photo(queue)
    look(queue, asset, "one")
    text = {"p_params": Jsonb({"operations": ["ocr"]})}
    assert ask(queue, asset, **text) == "enqueued"
    queue.settle(take(queue, asset), {"kind": "failed", "code": "unreadable"}, run={"content": "one"})
    assert ask(queue, asset, **text) == "already_failed"
    put(queue, asset, "two")
    assert ask(queue, asset, **text) == "enqueued"


@pytest.mark.usefixtures("untriggered")
def test_nobody_notices_for_somebody_else(queue: Queue) -> None:
    asset = photo(queue)
    look(queue, asset, "one")
    put(queue, asset, "two")
    stranger = queue.user()
    with pytest.raises(Exception, match="not_found"), queue.acting("authenticated", stranger):
        ask(queue, asset)
    assert known(queue, asset)


@pytest.mark.usefixtures("untriggered")
def test_missing_facts_are_those_about_other_bytes_too(queue: Queue) -> None:
    user = queue.user()
    asset, other = photo(queue, user=user), photo(queue, user=user)
    for one in (asset, other):
        look(queue, one, "one")
        look(queue, one, "one", [], "optimize_image")

    def missing(**more: Any) -> dict[str, Any]:
        names = "".join(f", {name} => %s" for name in more)
        return dict(
            queue.value(f"select enqueue_missing(%s, %s{names})", Jsonb({"ocr": "m"}), user, *more.values())
        )

    assert missing()["missing"] == 0
    put(queue, asset, "two")

    planned = missing(p_dry_run=True)
    assert (planned["missing"], planned["changed"], planned["facts"]) == (1, 1, {"ocr": 1})
    assert jobs_of(queue, asset) == []
    assert "image_text" in known(queue, asset)

    done = missing()
    assert (done["missing"], done["changed"], done["left"]) == (1, 1, {"ocr": {"under_way": 1}})
    assert jobs_of(queue, asset) == KINDS
    assert jobs_of(queue, other) == []
    assert missing()["changed"] == 0
    assert jobs_of(queue, asset) == KINDS


@pytest.mark.usefixtures("untriggered")
def test_a_page_of_changed_photos_is_cut_where_it_would_take_long(queue: Queue) -> None:
    user = queue.user()
    queue.db.execute(
        "insert into assets (user_id, path, media_type)"
        " select %(user)s::uuid, %(user)s || '/' || n, 'photo' from generate_series(1, 450) as n",
        {"user": user},
    )
    queue.db.execute("delete from jobs where user_id = %s", (user,))
    for content in ("one", "two"):
        queue.db.execute(
            "insert into storage.objects (bucket_id, name, metadata)"
            " select 'assets', path, jsonb_build_object('eTag', %s::text) from assets where user_id = %s"
            " on conflict (bucket_id, name) do update set metadata = excluded.metadata",
            (content, user),
        )
        if content == "one":
            queue.db.execute(
                "insert into kizu.contents (asset_id, content)"
                " select id, 'one' from assets where user_id = %s",
                (user,),
            )
    after, pages = None, []
    while True:
        page = queue.value("select enqueue_missing(%s, %s, %s)", Jsonb({"ocr": "m"}), user, after)
        pages.append((page["looked_at"], page["changed"]))
        after = page["next"]
        if after is None:
            break
    assert [changed for _, changed in pages] == [200, 200, 50]
    assert sum(looked_at for looked_at, _ in pages) == 450
    assert queue.value("select count(*) from jobs where user_id = %s", user) == 900


def test_another_path_is_another_file_and_a_moved_one_is_the_same(queue: Queue) -> None:
    user = queue.user()
    asset = photo(queue, user=user)
    look(queue, asset, "one")
    look(queue, asset, "one", [], "optimize_image")

    def at(name: str, content: str | None, width: int = 6) -> None:
        path = f"{user}/{name}"
        if content:
            queue.db.execute(
                "insert into storage.objects (bucket_id, name, metadata) values ('assets', %s, %s)",
                (path, Jsonb({"eTag": content})),
            )
        with queue.acting("authenticated", user):
            queue.db.execute("update assets set path = %s, width = %s where id = %s", (path, width, asset))

    at("moved.jpg", "one")
    assert known(queue, asset)
    assert jobs_of(queue, asset) == []

    at("not yet there.jpg", None)
    assert known(queue, asset)

    at("other.jpg", "two", 7)
    assert known(queue, asset) == set()
    assert jobs_of(queue, asset) == KINDS
    assert column(queue, asset, "width") == 7  # as the app has just said


def test_a_path_that_was_said_before_its_file_came_is_noticed_with_the_file(queue: Queue) -> None:
    user = queue.user()
    asset = photo(queue, user=user)
    look(queue, asset, "one")
    queue.db.execute("update assets set path = %s where id = %s", (f"{user}/new.jpg", asset))
    assert known(queue, asset)
    put(queue, asset, "two")
    assert known(queue, asset) == set()


def test_however_often_and_at_once_it_is_noticed_no_job_is_doubled(queue: Queue, connect: Any) -> None:
    asset = photo(queue)
    look(queue, asset, "one")
    look(queue, asset, "one", [], "optimize_image")
    queue.db.execute("alter table storage.objects disable trigger kizu_other_bytes_are_noticed")
    put(queue, asset, "two")
    queue.db.execute("alter table storage.objects enable trigger kizu_other_bytes_are_noticed")

    def notice(connection: Any) -> None:
        for _ in range(5):
            connection.execute("select enqueue_job('image_ai', %s)", (asset,))
            connection.execute("select enqueue_missing(%s)", (Jsonb({"ocr": "m"}),))

    threads = [threading.Thread(target=notice, args=(connect(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(5):
        put(queue, asset, f"{number}")
    for thread in threads:
        thread.join()
    assert jobs_of(queue, asset) == KINDS


def test_an_upload_does_not_fail_nor_wait_for_long_because_of_a_held_row(queue: Queue, connect: Any) -> None:
    asset = photo(queue)
    look(queue, asset, "one")
    other = connect()
    with other.transaction():
        other.execute("select from assets where id = %s for update", (asset,))
        put(queue, asset, "two")
    assert known(queue, asset)
    assert ask(queue, asset) == "enqueued"
    assert known(queue, asset) == set()


def test_force_renews_what_a_worker_read_and_nothing_that_a_person_said(queue: Queue) -> None:
    user = queue.user()
    asset = photo(queue, user=user)

    def look_anew(**columns: Any) -> None:
        queue.value("select enqueue_job('optimize_image', %s, p_force => true)", asset)
        job = take(queue, asset, "optimize_image")
        assert queue.settle(job, writes=[capture(**columns)], run={"content": "one"})["status"] == "completed"

    look_anew(**READ)
    look_anew(taken_at="2023-01-01T00:00:00Z", taken_at_source="digitised", taken_at_precision="day")
    date = ("taken_at_source", "taken_at_precision", "latitude", "longitude")
    assert column(queue, asset, "taken_at").year == 2023
    assert [column(queue, asset, name) for name in date] == ["digitised", "day", None, None]

    with queue.acting("authenticated", user):
        queue.db.execute(
            "update assets set taken_at = '1999-12-31T12:00Z', latitude = 4, longitude = 5 where id = %s",
            (asset,),
        )
    look_anew(**READ)
    assert column(queue, asset, "taken_at").year == 1999
    assert [column(queue, asset, name) for name in date] == ["person", None, 4, 5]

    put(queue, asset, "two")
    assert column(queue, asset, "taken_at").year == 1999
    assert [column(queue, asset, name) for name in date] == ["person", None, 4, 5]


def test_a_date_that_a_person_confirmed_is_theirs(queue: Queue) -> None:
    asset = photo(queue)
    look(queue, asset, "one", [capture(**READ)], "optimize_image")
    queue.db.execute("update assets set taken_at_source = 'person' where id = %s", (asset,))
    put(queue, asset, "two")
    assert column(queue, asset, "taken_at").year == 2024


def test_files_elsewhere_are_looked_at_as_ever(queue: Queue) -> None:
    user = queue.user()
    asset = queue.asset(user, media_type="photo")
    queue.db.execute(
        "update assets set path = null, web_uri = 'https://a.test/b.jpg' where id = %s", (asset,)
    )
    assert look(queue, asset, None)["status"] == "completed"
    assert ask(queue, asset) == "already_done"
    assert known(queue, asset)


@pytest.mark.parametrize("caller", ["authenticated", "kizu_worker", "service_role"])
def test_nobody_says_what_an_assets_content_is_or_reads_former_faces(queue: Queue, caller: str) -> None:
    user = queue.user()
    asset = photo(queue, user=user)
    for statement in (
        "update kizu.contents set content = 'x'",
        "select * from kizu.contents",
        "select * from kizu.former_faces",
        "insert into kizu.former_faces select * from kizu.former_faces",
        f"select kizu.renew('{asset}', 'x')",
        f"select kizu.notice('{asset}')",
        "select kizu.stored('x')",
    ):
        with pytest.raises(Exception, match="permission denied"), queue.acting(caller, user):
            queue.db.execute(statement)


def test_settlements_of_a_batch_about_one_asset_notice_once(queue: Queue) -> None:
    asset = photo(queue)
    jobs = [take(queue, asset), take(queue, asset, "optimize_image")]
    put(queue, asset, "two")
    items = [settlement(job, run={"content": "one"}) for job in jobs]
    answers = queue.value("select settle_jobs('w1', %s)", Jsonb(items))
    assert [answer["status"] for answer in answers] == ["pending", "pending"]
    assert jobs_of(queue, asset) == KINDS


@pytest.mark.parametrize("may", [True, False], ids=["as hosted projects let us", "that lets nobody"])
def test_a_project_that_allows_no_trigger_takes_the_migration_all_the_same(queue: Queue, may: bool) -> None:
    migration = (ROOT / "supabase/migrations/20261130000200_contents.sql").read_text()
    (making,) = re.findall(r"^do \$\$\n.*?\n\$\$;$", migration, re.MULTILINE | re.DOTALL)
    with queue.db.transaction(force_rollback=True):
        queue.db.execute("drop trigger kizu_other_bytes_are_noticed on storage.objects")
        queue.db.execute("create role t_owner nologin")
        queue.db.execute("grant usage on schema storage, kizu, extensions to t_owner")
        queue.db.execute("grant execute on function kizu.notice_object() to t_owner")
        queue.db.execute("grant execute on all functions in schema extensions to t_owner")
        if may:
            queue.db.execute("grant trigger on storage.objects to t_owner")
        queue.db.execute("set local role t_owner")
        for _ in range(2):
            queue.db.execute(making)
        made = queue.value("select count(*) from pg_trigger where tgname = 'kizu_other_bytes_are_noticed'")
        assert made == (1 if may else 0)


@pytest.mark.parametrize("media_type", ["photo", "video"])
def test_what_an_app_wrote_with_the_row_stays_when_the_file_comes(queue: Queue, media_type: str) -> None:
    """Nobody has looked at anything yet: there is nothing to forget; and nobody finds a video's size."""
    user = queue.user()
    with queue.acting("authenticated", user):
        asset = queue.value(
            "insert into assets (path, media_type, width, height) values (%s, %s, 4000, 3000) returning id",
            f"{user}/later",
            media_type,
        )
    put(queue, asset, "one")
    assert (column(queue, asset, "width"), column(queue, asset, "height")) == (4000, 3000)
    put(queue, asset, "two")
    assert column(queue, asset, "width") is None, "it is another picture"
