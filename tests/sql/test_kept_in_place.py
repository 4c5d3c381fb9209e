"""A library that is older than its generations: the new migrations are applied to it, and it is as it was."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from math import isnan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.conftest import Queue
from tests.sql.people import HERE, THERE, contact, face, name_face, somebody
from tests.sql.pictures import photo, search, unit
from worker.local.migrations import apply_migrations
from worker.local.stack import PROJECT, LocalStack

pytestmark = pytest.mark.stack

LAST = "20261121003000"
"""The last migration of a library without generations."""
TABLES = (
    *("assets", "contacts", "runs", "image_embeddings", "face_embeddings"),
    *("asset_tags", "derived_assets", "asset_facts"),
)
ZERO = "[" + ",".join(["0"] * 512) + "]"
HUGE = "[" + ",".join(["1e6", *["0"] * 511]) + "]"
"""More than a half can hold."""
UNIT = HUGE.replace("1e6", "1")
HASHES = ("0" * 64, "1" + "0" * 63, "0" * 63 + "1", "11" + "0" * 62)


class Library(NamedTuple):
    queue: Queue
    user: str
    photos: list[str]
    people: dict[str, str]
    before: dict[str, list[dict[str, Any]]]
    """All rows of the tables, as they were."""
    files: dict[str, int]
    """In which files Postgres kept the tables."""
    found: list[tuple[str, float, str]]
    """What a search answered."""


def settle(queue: Queue, user: str, asset: str, *writes: dict[str, Any], outcome: Any = "done") -> str:
    """Answers the id of the job that wrote them."""
    kind = queue.kind()
    queue.enqueue(kind, user, asset)
    job = queue.take(kind)
    answer = queue.settle(job, outcome, writes=list(writes))
    assert answer["answer"] == "settled", answer
    return str(job["id"])


def looked_at(user: str, asset: str, model: str, *faces: dict[str, Any]) -> list[dict[str, Any]]:
    """What the worker of before writes of a photo's faces: no scope, and crops of whichever model."""
    crops = [
        {
            "bucket": "assets",
            "key": f"{user}/processed/{asset}/{model}-{number}.jpg",
            "bytes": 1,
            "mime_type": "image/jpeg",
        }
        for number, _ in enumerate(faces)
    ]
    return [
        {"table": "face_embeddings", "rows": [{**row, "same_face": 0.42} for row in faces]},
        {"table": "derived_assets", "scope": {"kind": "face_crop"}, "rows": crops},
        {"table": "asset_facts", "rows": [{"fact": "faces", "version": model, "state": "done"}]},
    ]


def embedded(model: str, vector: str) -> list[dict[str, Any]]:
    row = {"embedding": vector, "weights_digest": f"digest of {model}"}
    return [
        {"table": "image_embeddings", "scope": {"model_version": model}, "rows": [row]},
        {"table": "asset_facts", "rows": [{"fact": "embedding", "version": model, "state": "done"}]},
    ]


def rows_of(queue: Queue) -> dict[str, list[dict[str, Any]]]:
    keys = {"asset_facts": "asset_id, fact"}
    return {
        table: queue.rows(f"select * from public.{table} order by {keys.get(table, 'id')}")
        for table in TABLES
    }


@pytest.fixture(scope="module")
def library() -> Iterator[Library]:
    with TemporaryDirectory(prefix="kizu-tests-", ignore_cleanup_errors=True) as folder:
        project = Path(folder) / "supabase"
        (project / "migrations").mkdir(parents=True)
        for path in PROJECT.iterdir():
            if path.name != "migrations":
                (project / path.name).symlink_to(path)
        for path in (PROJECT / "migrations").glob("*.sql"):
            if path.name[:14] <= LAST:
                shutil.copy(path, project / "migrations")
        local = LocalStack(Path(folder) / "home", project=project, fsync=False)
        try:
            with psycopg.connect(local.up().database_url, autocommit=True) as db:
                yield migrated(Queue(db), local.up().database_url)
        finally:
            local.down()


def migrated(queue: Queue, database_url: str) -> Library:
    user = queue.user()
    photos = [photo(queue, user) for _ in range(6)]
    people = {name: contact(queue, user, name) for name in ("Ada", "Bob")}
    for number, asset in enumerate(photos[:2]):
        settle(queue, user, asset, *embedded("older", unit(f"older {number}", 512)))
    for number, asset in enumerate(photos[:5]):
        settle(queue, user, asset, *embedded("clip", HUGE if number == 4 else unit(number, 512)))
    # Known, recognised, named twice in one photo, seen by a model of before only, and nobody there.
    settle(
        queue, user, photos[0], *looked_at(user, photos[0], "buffalo", face(0, HERE, somebody(1), "buffalo"))
    )
    ada = queue.value("select id from face_embeddings where asset_id = %s", photos[0])
    name_face(queue, ada, people["Ada"])
    two = face(0, HERE, somebody(1, blur=0.3), "buffalo"), face(1, THERE, somebody(2), "buffalo")
    settle(queue, user, photos[1], *looked_at(user, photos[1], "buffalo", *two))
    name_face(
        queue,
        queue.value("select id from face_embeddings where asset_id = %s and face_index = 1", photos[1]),
        people["Bob"],
    )
    settle(queue, user, photos[1], *looked_at(user, photos[1], "buffalo", *two))
    settle(
        queue,
        user,
        photos[2],
        *looked_at(user, photos[2], "antelope", face(0, HERE, somebody(9), "antelope")),
    )
    settle(queue, user, photos[3], *looked_at(user, photos[3], "buffalo"))
    # What blank pictures looked like, and two that were none.
    for asset, bits in zip(photos, HASHES, strict=False):
        hashed = {"sha256": "0" * 64, "perceptual_hash": bits}
        settle(queue, user, asset, {"table": "asset_hashes", "rows": [hashed]})
    # What could not be found out: without a version, and a job that failed.
    unknown = {"fact": "ocr", "state": "unavailable", "reason": "weights_missing"}
    settle(queue, user, photos[3], {"table": "asset_facts", "rows": [unknown]})
    of_faces = {"operations": ["faces"], "versions": {"faces": "buffalo"}}
    queue.enqueue("image_ai", user, photos[4], p_params=Jsonb(of_faces))
    queue.settle(queue.take("image_ai"), {"kind": "failed", "code": "too_large"})
    # Of broken models and older apps.
    queue.db.execute(
        "insert into image_embeddings (user_id, asset_id, embedding, model_version)"
        " values (%s, %s, %s, 'clip')",
        (user, photos[5], ZERO),
    )
    queue.db.execute(
        "insert into face_embeddings (user_id, asset_id, embedding, bounding_box, model_version, same_face)"
        " values (%s, %s, %s, '{}', 'buffalo', 0.42)",
        (user, photos[5], ZERO),
    )
    for fact, version in (("embedding", "clip"), ("faces", "buffalo")):
        queue.db.execute(
            "insert into asset_facts (user_id, asset_id, fact, version, state)"
            " values (%s, %s, %s, %s, 'done')",
            (user, photos[5], fact, version),
        )
    for _ in range(2):
        queue.db.execute(
            "insert into asset_tags (user_id, asset_id, tag_type, tag_value, created_by)"
            " values (%s, %s, 'person', 'somebody', null)",
            (user, photos[5]),
        )
    library = Library(
        queue=queue,
        user=user,
        photos=photos,
        people=people,
        before=rows_of(queue),
        files=files_of(queue),
        found=[row for row in as_user(queue, user, unit(1, 512)) if not isnan(row[1])],
    )
    assert library.found[0] == (photos[1], 1.0, "clip")
    assert len(library.before["face_embeddings"]) == 5
    apply_migrations(database_url, PROJECT / "migrations")
    return library


def files_of(queue: Queue) -> dict[str, int]:
    rows = queue.rows(
        "select relname, relfilenode from pg_class where relname = any (%s)"
        " and relnamespace = 'public'::regnamespace",
        list(TABLES),
    )
    return {row["relname"]: row["relfilenode"] for row in rows}


def as_user(queue: Queue, user: str, query: str) -> list[tuple[str, float, str]]:
    with queue.db.transaction(force_rollback=True), queue.acting("authenticated", user):
        return search(queue, query)


def test_no_table_was_written_anew(library: Library) -> None:
    assert files_of(library.queue) == library.files


def test_each_row_is_as_it_was(library: Library) -> None:
    after = rows_of(library.queue)
    zero = library.photos[5]
    for table, rows in library.before.items():
        kept = [
            {
                **row,
                **({"version": row["version"] or ""} if table == "asset_facts" else {}),
                **({"embedding": UNIT} if row.get("embedding") == HUGE.replace("1e6", "1e+06") else {}),
            }
            for row in rows
            if str(row.get("asset_id")) != zero or table in ("assets", "asset_tags")
        ]
        assert kept
        if table == "face_embeddings":  # see below
            kept = [{name: row[name] for name in row if name != "cluster_id"} for row in kept]
        found = [
            {name: row[name] for name in kept[0]}
            for row in after[table]
            # Nothing was known of a version whose place another had taken, though its vectors are there.
            if table != "asset_facts" or row["version"] != "older"
        ]
        assert found == kept, table


def test_who_was_named_is_in_the_cluster_of_their_contact(library: Library) -> None:
    named = library.queue.rows(
        "select face.contact_id, cluster.contact_id as of_cluster from face_embeddings as face"
        "  left join face_clusters as cluster on cluster.id = face.cluster_id"
        " where face.contact_id is not null and not face.recognised"
    )
    assert named
    assert all(row["contact_id"] == row["of_cluster"] for row in named)


def test_what_a_former_model_embedded_is_known(library: Library) -> None:
    known = library.queue.rows(
        "select asset_id from asset_facts where fact = 'embedding' and version = 'older' order by asset_id"
    )
    there = "select asset_id from image_embeddings where model_version = 'older' order by asset_id"
    assert known == library.queue.rows(there) != []


def test_blank_pictures_share_no_hash(library: Library) -> None:
    looks = library.queue.rows("select asset_id::text, perceptual_hash::text, sha256 from asset_hashes")
    assert {row["asset_id"]: row["perceptual_hash"] for row in looks} == dict(
        zip(library.photos, (None, None, *HASHES[2:]), strict=False)
    )
    assert {row["sha256"] for row in looks} == {"0" * 64}


def test_what_was_a_zero_vector_is_looked_at_again(library: Library) -> None:
    queue = library.queue
    for table in ("image_embeddings", "face_embeddings", "asset_facts"):
        assert queue.value(f"select count(*) from {table} where asset_id = %s", library.photos[5]) == 0
    lacking = queue.value(
        "select enqueue_missing(%s, %s, p_dry_run => true)",
        Jsonb({"embedding": "clip", "faces": "buffalo"}),
        library.user,
    )
    assert lacking["facts"] == {"embedding": 1, "faces": 3}


def test_what_was_missed_is_missed(library: Library) -> None:
    misses = library.queue.rows("select asset_id::text, fact, version, reason from kizu.misses order by fact")
    assert misses == [
        {"asset_id": library.photos[4], "fact": "faces", "version": "buffalo", "reason": "too_large"},
        {"asset_id": library.photos[3], "fact": "ocr", "version": "", "reason": "weights_missing"},
    ]


def test_each_version_is_a_generation_and_most_rows_answer(library: Library) -> None:
    told = library.queue.value("select generations()")
    assert {
        (row["kind"], row["model_version"]): (row["state"], row["dimension"], row["weights_digest"])
        for row in told
    } == {
        ("pictures", "clip"): ("active", 512, "digest of clip"),
        ("pictures", "older"): ("former", 512, "digest of older"),
        ("faces", "buffalo"): ("active", 512, None),
        ("faces", "antelope"): ("former", 512, None),
    }
    assert [row["model"] for row in told] == [{}] * 4
    assert [row["same_face"] for row in told if row["kind"] == "faces"] == [pytest.approx(0.42)] * 2
    indexes = library.queue.rows(
        "select indexrelid::regclass::text as name from pg_index"
        " where indrelid in (select indexed from vector_kinds)"
        "   and pg_get_indexdef(indexrelid) ~ 'hnsw' and indisvalid"
    )
    assert len(indexes) == len(told)


def test_a_search_answers_as_before(library: Library) -> None:
    assert as_user(library.queue, library.user, unit(1, 512)) == library.found
    library.queue.db.execute("set kizu.test_exact = 0")
    try:
        assert as_user(library.queue, library.user, unit(1, 512)) == library.found
    finally:
        library.queue.db.execute("reset kizu.test_exact")


def test_who_is_who_is_as_it_was(library: Library) -> None:
    queue, people = library.queue, library.people
    with queue.acting("authenticated", library.user):
        faces = queue.rows("select asset_id::text, contact_id::text, recognised from face_embeddings")
        tags = queue.rows("select asset_id::text, contact_id::text, model_version from asset_tags")
    named = {(face["asset_id"], face["contact_id"], face["recognised"]) for face in faces}
    assert named == {
        (library.photos[0], people["Ada"], False),
        (library.photos[1], people["Ada"], True),
        (library.photos[1], people["Bob"], False),
    }
    assert sorted((tag["asset_id"], tag["contact_id"] or "", tag["model_version"]) for tag in tags) == sorted(
        [
            (library.photos[1], people["Ada"], "buffalo"),
            (library.photos[1], people["Bob"], None),
            *[(library.photos[5], "", None)] * 2,
        ]
    )
    ids = queue.rows("select id from face_embeddings where face_id <> id")
    assert ids == []
    crops = queue.rows("select asset_id::text, model_version from derived_assets")
    assert {(crop["asset_id"], crop["model_version"]) for crop in crops} == {
        (library.photos[0], "buffalo"),
        (library.photos[1], "buffalo"),
        (library.photos[2], "antelope"),
    }


def test_a_worker_of_before_goes_on(library: Library) -> None:
    """It names no version of what it lacks, and no scope of its faces."""
    queue, user, asset = library.queue, library.user, library.photos[1]
    before = queue.rows("select id, contact_id, recognised from face_embeddings order by id")
    lacking = {"fact": "ocr", "state": "unavailable", "reason": "weights_missing"}
    two = face(0, HERE, somebody(1, blur=0.3), "buffalo"), face(1, THERE, somebody(2), "buffalo")
    faces, crops, facts = looked_at(user, asset, "buffalo", *two)
    facts["rows"].append(lacking)
    with queue.db.transaction(force_rollback=True):
        settle(queue, user, asset, *embedded("clip", unit(1, 512))[:1], faces, crops, facts)
        assert queue.rows("select id, contact_id, recognised from face_embeddings order by id") == before
        assert as_user(queue, user, unit(1, 512)) == library.found
        assert queue.value("select count(*) from asset_tags where asset_id = %s", asset) == 2


def test_a_model_that_was_left_long_ago_is_not_filled(library: Library) -> None:
    """Nobody knows its settings: no worker could do it."""
    queue, user = library.queue, library.user
    ids = {row["model_version"]: row["id"] for row in queue.value("select generations()")}
    fill = "select fill_generation(%s)"
    with queue.db.transaction(force_rollback=True):
        queue.db.execute("delete from jobs")
        asset = photo(queue, user)
        settle(queue, user, asset, *embedded("clip", unit("new", 512)))
        nothing = {"looked_at": 0, "enqueued": 0, "at_end": True, "passed_by": False}
        assert queue.value(fill, ids["older"]) == nothing
        assert queue.value("select count(*) from jobs where status = 'pending'") == 0

        queue.value("select begin_generation('pictures', 'older', %s, 512)", Jsonb({"embed_model": "b"}))
        assert queue.value(fill, ids["older"])["enqueued"] == 5, "somebody knows it again, and two photos"


def test_the_first_worker_says_which_model_a_version_is(library: Library) -> None:
    queue = library.queue
    with queue.db.transaction(force_rollback=True):
        with queue.acting("kizu_worker"):
            told = queue.value(
                "select begin_generation('pictures', 'clip', %s, 512)", Jsonb({"embed_model": "open_clip"})
            )
        assert (told["state"], told["model"]) == ("active", {"embed_model": "open_clip"})


def test_another_model_can_be_begun_flipped_to_and_left_again(library: Library) -> None:
    queue, user = library.queue, library.user
    with queue.db.transaction(force_rollback=True):
        new = queue.generation("new", dimension=768)
        for number, asset in enumerate(library.photos[:5]):
            settle(queue, user, asset, *embedded("new", unit(f"new {number}", 768)))
        assert queue.value("select generation_progress(%s)", new)["missing"] == 0
        queue.value("select flip_generation(%s)", new)
        assert as_user(queue, user, unit("new 2", 768))[0] == (library.photos[2], 1.0, "new")
        queue.value("select rollback_generation('pictures')")
        assert as_user(queue, user, unit(1, 512)) == library.found
