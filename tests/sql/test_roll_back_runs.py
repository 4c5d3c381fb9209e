"""Rolling back a run: what it wrote is gone, what was beside it and what people said is as it was."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.conftest import wait_until_locked
from tests.sql.test_faces import HERE, THERE, contact, face, name_face, somebody

pytestmark = pytest.mark.stack

TABLES = (
    "image_embeddings",
    "face_embeddings",
    "detected_objects",
    "image_text",
    "image_descriptions",
    "asset_hashes",
    "asset_quality",
    "asset_tags",
    "derived_assets",
    "asset_facts",
)
VECTOR = "[" + ",".join(["0.5"] * 512) + "]"


@pytest.fixture(autouse=True)
def _two_generations(queue: Any) -> None:
    for kind in ("pictures", "faces"):
        queue.generation("a", kind)
        queue.generation("b", kind)


class Photo:
    """A photo of somebody, and workers that look at it."""

    def __init__(self, queue: Any, user: str) -> None:
        self.queue, self.user, self.id = queue, user, queue.asset(user, "photo")
        self.forget_jobs()
        self.kind = queue.kind()
        self.runs: list[str] = []

    def forget_jobs(self) -> None:
        """Those of its upload, and those that another generation asks for."""
        self.queue.db.execute("delete from jobs where asset_id = %s", (self.id,))

    def writes(
        self,
        version: str,
        *faces: dict[str, Any],
        things: tuple[str, ...] = ("dog",),
        only: tuple[str, ...] = ("embedding", "faces", "objects", "ocr", "describe"),
    ) -> list[Any]:
        """What the worker writes of these facts."""
        by = {"model_version": version}
        crops = [f"{self.user}/processed/{self.id}/{len(self.runs)}-{n}.jpg" for n, _ in enumerate(faces)]
        told = {
            "image_embeddings": "embedding",
            "face_embeddings": "faces",
            "derived_assets": "faces",
            "detected_objects": "objects",
            "asset_tags": "objects",
            "image_text": "ocr",
            "image_descriptions": "describe",
        }
        writes: list[dict[str, Any]] = [
            {"table": "image_embeddings", "scope": by, "rows": [{"embedding": VECTOR, **by}]},
            {
                "table": "face_embeddings",
                "scope": by,
                "rows": [
                    {
                        **one,
                        **by,
                        "face_thumbnail_url": f"http://x/storage/v1/object/authenticated/assets/{crop}",
                    }
                    for one, crop in zip(faces, crops, strict=True)
                ],
            },
            {
                "table": "derived_assets",
                "scope": {"kind": "face_crop", **by},
                "rows": [
                    {"bucket": "assets", "key": crop, "bytes": 1, "mime_type": "image/jpeg"} for crop in crops
                ],
            },
            {
                "table": "detected_objects",
                "rows": [
                    {"object_class": name, "confidence": 0.9, "bounding_box": HERE, **by} for name in things
                ],
            },
            {
                "table": "asset_tags",
                "rows": [
                    {"tag_value": name, "tagged_by": {"source": "kizu", "model": version}} for name in things
                ],
            },
            {"table": "image_text", "rows": [{"extracted_text": version, **by}]},
            {
                "table": "image_descriptions",
                "scope": {"detail_level": "medium"},
                "rows": [{"description": version, "detail_level": "medium", **by}],
            },
            {
                "table": "asset_facts",
                "rows": [
                    {"fact": fact, "version": version, "state": "done", "reason": None} for fact in only
                ],
            },
            {
                "table": "assets",
                "set": {"ai_processed_by": f"w-{version}"},
                "merge": {"ai_model_versions": {"clip": version, "insightface": version}},
            },
        ]
        return [write for write in writes if told.get(write["table"], only[0]) in only]

    def begin(self) -> dict[str, Any]:
        self.queue.enqueue(self.kind, self.user, self.id)
        return dict(self.queue.take(self.kind, worker="w-a"))

    def look(self, version: str, *faces: dict[str, Any], more: tuple[Any, ...] = (), **told: Any) -> str:
        """One look; answers its run."""
        self.queue.enqueue(self.kind, self.user, self.id)
        worker = f"w-{version}"
        job = self.queue.take(self.kind, worker=worker)
        models = [{"fact": "embedding", "version": version}]
        answer = self.queue.settle(
            job, worker=worker, writes=[*self.writes(version, *faces, **told), *more], run={"models": models}
        )
        assert answer["answer"] == "settled", answer
        run = self.queue.value("select id from runs where job_id = %s", job["id"])
        self.runs.append(str(run))
        return str(run)

    def state(self) -> dict[str, Any]:
        """Every row about it but the ledger."""
        rows = {
            table: self.queue.rows(
                f"select * from {table} as t where asset_id = %s order by t::text", self.id
            )
            for table in TABLES
        }
        [rows["asset"]] = [self.queue.rows("select * from assets where id = %s", self.id)]
        rows["misses"] = self.queue.rows(
            "select * from kizu.misses where asset_id = %s order by fact", self.id
        )
        return rows


def without(rows: list[dict[str, Any]], *columns: str) -> list[dict[str, Any]]:
    """Rows in an order of their own, less some columns."""
    return sorted(
        ({name: value for name, value in row.items() if name not in columns} for row in rows), key=str
    )


def roll_back(queue: Any, dry: bool = False, **chosen: Any) -> dict[str, Any]:
    return dict(queue.value("select roll_back_runs(%s, %s)", Jsonb(chosen), dry))


@pytest.fixture
def photo(queue: Any) -> Photo:
    return Photo(queue, queue.user())


def test_what_was_there_before_the_run_is_there_after_it_was_rolled_back(queue: Any, photo: Photo) -> None:
    """As another generation's vectors are kept beside."""
    queue.db.execute("set kizu.test_now = '2026-12-01 12:00+00'")
    ada = contact(queue, photo.user)
    hashed = {"table": "asset_hashes", "rows": [{"sha256": "0" * 64}]}
    faces = face(0, HERE, somebody(1)), face(1, THERE, somebody(2))
    photo.look("a", *faces, more=(hashed,))
    first = queue.value("select id from face_embeddings where asset_id = %s and face_index = 0", photo.id)
    name_face(queue, first, ada)
    queue.db.execute("set kizu.test_now = '2026-12-01 13:00+00'")
    photo.look("a", *faces, more=(hashed,))
    before = photo.state()
    assert [tag["tag_value"] for tag in before["asset_tags"] if tag["tag_type"] == "person"] == ["Ada"]

    queue.db.execute("set kizu.test_now = '2026-12-01 14:00+00'")
    newer = photo.look("b", face(0, HERE, somebody(1)), only=("embedding", "faces"))
    during = photo.state()
    assert len(during["face_embeddings"]) == 3
    said = roll_back(queue, ids=[newer])
    after = photo.state()

    [ada_before], [ada_after] = (
        [tag for tag in state["asset_tags"] if tag["tag_type"] == "person"] for state in (before, after)
    )
    # The run had made this tag anew already.
    assert {**ada_after, "id": 0, "created_at": 0} == {**ada_before, "id": 0, "created_at": 0}
    for state in (before, after):
        state["asset_tags"] = [tag for tag in state["asset_tags"] if tag["tag_type"] != "person"]
    assert after == before
    assert said == {
        "dry_run": False,
        "runs": 1,
        "photos": 1,
        "deleted": {
            "asset_facts": 2,
            "derived_assets": 1,
            "face_embeddings": 1,
            "image_embeddings": 1,
        },
        "kept": {"asset_tags": 1},
        "facts": {"embedding": 1, "faces": 1},
        "missing_from": {},
        "next": None,
    }
    [run] = queue.rows("select outcome, rolled_back_at from runs where id = %s", newer)
    assert run["outcome"] == "done"
    assert run["rolled_back_at"] is not None


def test_a_dry_run_says_the_same_and_changes_nothing(queue: Any, photo: Photo) -> None:
    photo.look("a", face(0, HERE, somebody(1)))
    run = photo.look("b", face(0, THERE, somebody(2)))
    name_face(
        queue,
        queue.value("select id from face_embeddings where run_id = %s", run),
        contact(queue, photo.user),
    )
    before = photo.state()
    said = roll_back(queue, dry=True, ids=[run])
    assert photo.state() == before
    assert queue.value("select rolled_back_at from runs where id = %s", run) is None
    done = roll_back(queue, ids=[run])
    assert {**said, "dry_run": False} == done
    assert done["kept"] == {"derived_assets": 1, "face_embeddings": 1}


def test_the_first_run_leaves_nothing_and_the_facts_are_found_out_anew(queue: Any, photo: Photo) -> None:
    untouched = photo.state()
    run = photo.look("a", face(0, HERE, somebody(1)))
    said = roll_back(queue, ids=[run])
    assert said["missing_from"] == {"faces": 1, "pictures": 1}
    assert photo.state() == untouched

    photo.forget_jobs()
    wanted = Jsonb({"embedding": "a", "objects": "a"})
    found = queue.value("select enqueue_missing(%s, %s)", wanted, photo.user)
    assert (found["missing"], found["enqueued"], found["facts"]) == (1, 1, {"embedding": 1, "objects": 1})


def test_what_gave_way_to_the_run_is_missing(queue: Any, photo: Photo) -> None:
    """As objects of one photo are those of one model, and a second look of a model replaces its first."""
    here = face(0, HERE, somebody(1))
    photo.look("a", here)
    newer = photo.look("b", here, things=("cat",))
    roll_back(queue, ids=[newer])
    known = queue.rows("select fact, version from asset_facts where asset_id = %s order by fact", photo.id)
    assert known == [{"fact": fact, "version": "a"} for fact in ("embedding", "faces")]
    state = photo.state()
    assert [table for table in TABLES if state[table]] == [
        "image_embeddings",
        "face_embeddings",
        "derived_assets",
        "asset_facts",
    ]
    [asset] = state["asset"]
    assert set(asset["ai_operations"]) == set(asset["ai_processed_operations"]) == {"embedding", "faces"}
    assert asset["ai_model_versions"] == {"clip": "a", "insightface": "a"}
    assert asset["ai_processed_by"] == "w-a"
    photo.forget_jobs()
    wanted = Jsonb(dict.fromkeys(("embedding", "faces", "objects", "ocr", "describe"), "a"))
    found = queue.value("select enqueue_missing(%s, %s)", wanted, photo.user)
    assert found["facts"] == {"describe": 1, "objects": 1, "ocr": 1}

    again = photo.look("a", here)
    roll_back(queue, ids=[again])
    assert photo.state()["asset_facts"] == photo.state()["image_embeddings"] == []


def test_what_people_said_stays(queue: Any, photo: Photo) -> None:
    ada, ben = contact(queue, photo.user), contact(queue, photo.user, "Ben")
    photo.look("a", face(0, HERE, somebody(1)))
    run = photo.look("a", face(0, HERE, somebody(1)), face(1, THERE, somebody(2)), things=("dog", "cat"))
    here, there = queue.rows(
        "select * from face_embeddings where asset_id = %s order by face_index", photo.id
    )
    name_face(queue, here["id"], ada)
    with queue.acting("authenticated", photo.user):
        queue.db.execute(
            "update asset_tags set tag_value = 'wolf' where asset_id = %s and tag_value = 'dog'", (photo.id,)
        )
        queue.db.execute(
            "insert into asset_tags (asset_id, tag_type, tag_value) values (%s, 'object', 'tree')",
            (photo.id,),
        )
    other = Photo(queue, photo.user)
    taken = other.look("a", face(0, HERE, somebody(1, blur=0.3)))
    [recognised] = queue.rows("select * from face_embeddings where asset_id = %s", other.id)
    assert (str(recognised["contact_id"]), recognised["recognised"]) == (ada, True)

    said = roll_back(queue, ids=[run, taken])

    assert said["kept"] == {"asset_tags": 1, "derived_assets": 1, "face_embeddings": 1}
    [left] = queue.rows("select id, contact_id from face_embeddings where user_id = %s", photo.user)
    assert (left["id"], str(left["contact_id"])) == (here["id"], ada)
    [crop] = queue.rows("select key from derived_assets where user_id = %s", photo.user)
    assert here["face_thumbnail_url"].endswith(crop["key"])
    tags = queue.rows("select tag_value from asset_tags where user_id = %s order by 1", photo.user)
    assert [tag["tag_value"] for tag in tags] == ["tree", "wolf"]

    again = photo.look("a", face(0, THERE, somebody(2)), face(1, HERE, somebody(1)))
    found = queue.rows("select id, contact_id from face_embeddings where asset_id = %s", photo.id)
    assert {(str(row["id"]), str(row["contact_id"])) for row in found if row["contact_id"]} == {
        (str(here["id"]), ada)
    }
    name_face(queue, found[0]["id"], ben)
    assert again
    assert there["id"] not in {row["id"] for row in found}


def test_a_named_face_of_both_generations_stays_once_they_are_rolled_back_together(
    queue: Any, photo: Photo
) -> None:
    ada = contact(queue, photo.user)
    runs = [photo.look(version, face(0, HERE, somebody(1))) for version in ("a", "b")]
    rows = queue.rows("select id, face_id from face_embeddings where asset_id = %s", photo.id)
    assert len({row["face_id"] for row in rows}) == 1
    name_face(queue, rows[0]["id"], ada)
    assert roll_back(queue, dry=True, ids=runs)["kept"]["face_embeddings"] == 2
    assert "face_embeddings" not in roll_back(queue, dry=True, ids=runs[:1])["kept"]
    roll_back(queue, ids=runs[:1])
    assert roll_back(queue, ids=runs[1:])["kept"]["face_embeddings"] == 1
    assert queue.value("select contact_id::text from face_embeddings where asset_id = %s", photo.id) == ada


def test_a_face_does_not_stay_because_its_cluster_has_a_name(queue: Any, photo: Photo) -> None:
    run = photo.look("a", face(0, HERE, somebody(1)), face(1, THERE, somebody(2)))
    named, nameless = (
        queue.value(
            "insert into face_clusters (user_id, name) values (%s, %s) returning id", photo.user, name
        )
        for name in ("Ada", None)
    )
    for index, cluster in enumerate((named, nameless)):
        queue.db.execute(
            "update face_embeddings set cluster_id = %s where asset_id = %s and face_index = %s",
            (cluster, photo.id, index),
        )
    roll_back(queue, ids=[run])
    assert queue.value("select count(*) from face_embeddings where asset_id = %s", photo.id) == 0
    assert queue.value("select face_count from face_clusters where id = %s", named) == 0
    assert queue.value("select count(*) from face_clusters where id = %s", nameless) == 0


def test_addresses_of_files_go_with_their_rows(queue: Any, photo: Photo) -> None:
    key = f"{photo.user}/processed/{photo.id}/thumbnail.jpg"
    files = {
        "table": "derived_assets",
        "scope": {"kind": "thumbnail"},
        "rows": [
            {"kind": "thumbnail", "bucket": "assets", "key": key, "bytes": 1, "mime_type": "image/jpeg"}
        ],
    }
    url = f"http://x/storage/v1/object/authenticated/assets/{key}"
    columns = {
        "table": "assets",
        "set": {"thumbnail": url, "web_uri": "http://x/other.jpg", "image_processing_status": "completed"},
    }
    run = photo.look("a", more=(files, columns))
    roll_back(queue, ids=[run])
    [asset] = queue.rows(
        "select thumbnail, web_uri, image_processing_status from assets where id = %s", photo.id
    )
    assert asset == {"thumbnail": None, "web_uri": "http://x/other.jpg", "image_processing_status": None}


def test_what_could_not_be_found_out_is_asked_anew(queue: Any, photo: Photo) -> None:
    missed = {
        "table": "asset_facts",
        "rows": [{"fact": "hashes", "version": "1", "state": "unavailable", "reason": "bad_params"}],
    }
    run = photo.look("a", more=(missed,))
    photo.forget_jobs()
    wanted = Jsonb({"hashes": "1"})
    assert queue.value("select enqueue_missing(%s, %s)", wanted, photo.user)["enqueued"] == 0
    roll_back(queue, ids=[run])
    assert photo.state()["misses"] == []
    assert queue.value("select enqueue_missing(%s, %s)", wanted, photo.user)["enqueued"] == 1


def test_a_filter_means_these_runs(queue: Any) -> None:
    user = queue.user()
    photos = [Photo(queue, user) for _ in range(3)]
    runs = []
    for hour, (one, version) in enumerate(zip(photos, ("a", "b", "a"), strict=True)):
        queue.db.execute("select set_config('kizu.test_now', %s, false)", (f"2026-12-01 {10 + hour}:00+00",))
        runs.append(one.look(version))
    queue.db.execute("select set_config('kizu.test_now', '2026-12-02 00:00+00', false)")

    def meant(**chosen: Any) -> list[int]:
        answer = queue.value("select list_runs(%s)", Jsonb({"user_id": user, **chosen}))
        found = [runs.index(run["id"]) for run in answer["runs"]]
        if {"ids", "model", "fact", "asset_id", "since", "until"} & set(chosen):
            dry = roll_back(queue, dry=True, user_id=user, **chosen)
            assert dry["runs"] == len(found)
        return found

    assert meant() == [2, 1, 0]
    assert meant(model="a") == [2, 0]
    assert meant(fact="objects") == [2, 1, 0]
    assert meant(fact="hashes") == []
    assert meant(asset_id=photos[1].id) == [1]
    assert meant(since="2026-12-01 11:00+00") == [2, 1]
    assert meant(until="2026-12-01 11:00+00") == [0]
    assert meant(ids=[runs[0], runs[2]], model="a", since="2026-12-01 11:00+00") == [2]
    assert meant(ids=[]) == []
    first = queue.value("select list_runs(%s)", Jsonb({"user_id": user, "limit": 2}))
    second = queue.value("select list_runs(%s)", Jsonb(first["next"]))
    assert [runs.index(run["id"]) for run in first["runs"] + second["runs"]] == [2, 1, 0]
    assert second["next"] is None


def test_pages_go_on_where_the_last_ended_and_leave_what_came_later(queue: Any) -> None:
    user = queue.user()
    photos = [Photo(queue, user) for _ in range(3)]
    runs = [one.look("a") for one in photos]
    page: dict[str, Any] | None = {"model": "a", "user_id": user, "limit": 2}
    rolled, later = 0, ""
    while page:
        said = queue.value("select roll_back_runs(%s, false)", Jsonb(page))
        rolled += said["runs"]
        page = said["next"]
        later = later or photos[0].look("a")
    assert rolled == 3
    left = queue.rows("select id::text from runs where user_id = %s and rolled_back_at is null", user)
    assert [row["id"] for row in left] == [later]
    assert later not in runs
    assert queue.value("select count(*) from image_embeddings where user_id = %s", user) == 1
    rest = queue.value("select list_runs(%s)", Jsonb({"user_id": user, "rolled_back": True}))
    assert {run["id"] for run in rest["runs"]} == set(runs)


@pytest.mark.parametrize(
    "chosen",
    [
        None,
        [],
        {},
        {"limit": 5},
        {"user_id": "00000000-0000-0000-0000-000000000001"},
        {"since": None},
        {"models": ["a"]},
        {"ids": "all"},
        {"ids": ["all"]},
        {"ids": [{}]},
        {"ids": ["00000000-0000-0000-0000-000000000001"] * 1001},
        {"model": "x" * 201},
        {"since": "yesterday evening"},
        {"since": "99999-99-99"},
        {"since": "2020-01-01 Nowhere/Foo"},
        {"model": "a", "limit": "many"},
        {"model": "a", "limit": 10**12},
        {"model": "a", "after": {"finished_at": "then", "id": "x"}},
    ],
)
def test_a_filter_that_says_nothing_or_nonsense_is_refused(queue: Any, chosen: Any) -> None:
    with pytest.raises(psycopg.Error) as refused:
        queue.value("select roll_back_runs(%s, false)", Jsonb(chosen))
    assert (refused.value.sqlstate, refused.value.diag.message_primary) == ("PT400", "bad_params")


def test_users_see_and_roll_back_their_own_and_the_narrow_role_nothing(queue: Any, photo: Photo) -> None:
    run, stranger = photo.look("a"), queue.user()
    before = photo.state()
    with queue.acting("authenticated", stranger):
        assert roll_back(queue, ids=[run])["runs"] == 0
        assert roll_back(queue, since="-infinity", user_id=photo.user)["runs"] == 0
        assert queue.value("select list_runs()")["runs"] == []
    assert photo.state() == before
    for function in ("list_runs('{}')", 'roll_back_runs(\'{"model": "a"}\')'):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), queue.acting("kizu_worker"):
            queue.db.execute(f"select {function}")
    with queue.acting("authenticated", photo.user):
        assert [one["id"] for one in queue.value("select list_runs()")["runs"]] == [run]
        assert roll_back(queue, since="-infinity")["runs"] == 1


def test_rows_of_a_user_and_children_go_with_their_runs(queue: Any) -> None:
    queue.db.execute(
        """
        create table public.tales (
          id uuid primary key default gen_random_uuid(),
          user_id uuid not null references auth.users on delete cascade,
          run_id uuid references public.runs on delete set null,
          title text not null
        );
        create table public.chapters (
          id uuid primary key default gen_random_uuid(),
          user_id uuid not null references auth.users on delete cascade,
          run_id uuid references public.runs on delete set null,
          tale_id uuid not null references public.tales,
          place int not null
        );
        insert into result_tables (table_name, mode, owner, columns)
        values ('tales', 'replace', 'user', '{title}');
        insert into result_tables (table_name, mode, owner, columns, parent, parent_column)
        values ('chapters', 'replace', 'user', '{place}', 'tales', 'tale_id');
        """
    )
    try:
        user, kind = queue.user(), queue.kind()
        queue.enqueue(kind, user)
        job = queue.take(kind)
        rows = [{"title": "t", "children": {"chapters": [{"place": 1}, {"place": 2}]}}]
        queue.settle(job, writes=[{"table": "tales", "rows": rows}])
        run = queue.value("select id::text from runs where job_id = %s", job["id"])
        assert roll_back(queue, ids=[run])["deleted"] == {"chapters": 2, "tales": 1}
        assert queue.value("select count(*) from public.tales") == 0
    finally:
        queue.db.execute("delete from result_tables where table_name = 'chapters'")
        queue.db.execute("delete from result_tables where table_name = 'tales'")
        queue.db.execute("drop table public.chapters, public.tales")


def in_background(act: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(act()))
    thread.start()
    return thread, answers


def test_twice_at_once_is_once(queue: Any, photo: Photo, connect: Any) -> None:
    run, other = photo.look("a"), connect()
    query = "select roll_back_runs(%s, false)"
    with queue.db.transaction():
        first = roll_back(queue, ids=[run])
        thread, answers = in_background(lambda: other.execute(query, (Jsonb({"ids": [run]}),)).fetchone()[0])
        wait_until_locked(Watching(connect()), other)
    thread.join(30)
    assert (first["runs"], answers[0]["runs"], answers[0]["deleted"]) == (1, 0, {})
    assert roll_back(queue, ids=[run])["runs"] == 0


class Watching:
    """A queue that only looks, on a connection of its own."""

    def __init__(self, db: psycopg.Connection) -> None:
        self.db = db

    def value(self, query: str, *parameters: Any) -> Any:
        row = self.db.execute(query, parameters).fetchone()
        return row[0] if row else None


def test_a_settlement_of_the_same_photo_waits_and_then_stands(queue: Any, photo: Photo, connect: Any) -> None:
    run = photo.look("a", face(0, HERE, somebody(1)))
    job = photo.begin()
    item = {
        **{name: job[name] for name in ("table", "id", "epoch")},
        "outcome": {"kind": "done"},
        "writes": photo.writes("a", face(0, HERE, somebody(1))),
        "run": {},
    }
    other = connect()
    with queue.db.transaction():
        roll_back(queue, ids=[run])
        thread, answers = in_background(
            lambda: other.execute("select settle_jobs('w-a', %s)", (Jsonb([item]),)).fetchone()[0]
        )
        wait_until_locked(Watching(connect()), other)
    thread.join(30)
    assert answers[0][0]["answer"] == "settled"
    later = queue.value("select id from runs where job_id = %s", job["id"])
    assert queue.value("select run_id from image_embeddings where asset_id = %s", photo.id) == later
    assert queue.value("select count(*) from asset_facts where run_id = %s", later) == 5


def test_it_waits_for_a_settlement_and_takes_nothing_of_it(queue: Any, photo: Photo, connect: Any) -> None:
    run = photo.look("a")
    job, other = photo.begin(), connect()
    with queue.db.transaction():
        answer = queue.settle(job, worker="w-a", writes=photo.writes("a"))
        assert answer["answer"] == "settled"
        thread, answers = in_background(
            lambda: other.execute("select roll_back_runs(%s, false)", (Jsonb({"ids": [run]}),)).fetchone()[0]
        )
        wait_until_locked(Watching(connect()), other)
    thread.join(30)
    assert (answers[0]["runs"], answers[0]["deleted"]) == (1, {})
    assert queue.value("select count(*) from asset_facts where asset_id = %s", photo.id) == 5


def test_a_name_that_is_being_given_is_kept(queue: Any, photo: Photo, connect: Any) -> None:
    run, ada, other = photo.look("a", face(0, HERE, somebody(1))), contact(queue, photo.user), connect()
    with queue.db.transaction():
        name_face(queue, queue.value("select id from face_embeddings where run_id = %s", run), ada)
        thread, answers = in_background(
            lambda: other.execute("select roll_back_runs(%s, false)", (Jsonb({"ids": [run]}),)).fetchone()[0]
        )
        wait_until_locked(Watching(connect()), other)
    thread.join(30)
    assert answers[0]["kept"] == {"derived_assets": 1, "face_embeddings": 1}
    assert queue.value("select contact_id::text from face_embeddings where asset_id = %s", photo.id) == ada


def test_a_run_that_was_rolled_back_is_settled_no_second_time(queue: Any, photo: Photo) -> None:
    job = photo.begin()
    queue.settle(job, worker="w-a", writes=photo.writes("a"))
    run = queue.value("select id::text from runs where job_id = %s", job["id"])
    roll_back(queue, ids=[run])
    assert queue.settle(job, worker="w-a", writes=photo.writes("a"))["answer"] == "repeated"
    assert queue.value("select count(*) from image_embeddings where asset_id = %s", photo.id) == 0
