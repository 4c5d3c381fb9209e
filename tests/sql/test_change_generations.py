"""Another model beside the one that answers: filled, flipped to, left again in one step, and dropped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.conftest import Queue, settlement, wait_until_locked
from tests.sql.people import HERE, THERE, contact, face, faces_of, name_face, somebody
from tests.sql.pictures import embed, photo, search, unit, vectors_and_facts

pytestmark = pytest.mark.stack


@pytest.fixture
def v1(queue: Any) -> int:
    return int(queue.generation("v1", dimension=8))


@pytest.fixture
def v2(queue: Any, v1: int) -> int:
    return int(queue.generation("v2", dimension=16))


def fill(queue: Any, generation: int, limit: int = 1000, role: str = "kizu_worker") -> dict[str, Any]:
    with queue.acting(role):
        return dict(queue.value("select fill_generation(%s, %s)", generation, limit))


def progress(queue: Any, generation: int) -> dict[str, Any]:
    answer: dict[str, Any] = queue.value("select generation_progress(%s)", generation)
    del answer["generation"]
    return answer


def flip(queue: Any, generation: int, force: bool = False) -> dict[str, Any]:
    with queue.acting("service_role"):
        return dict(queue.value("select flip_generation(%s, %s)", generation, force))


def rollback(queue: Any, kind: str = "pictures", force: bool = False) -> dict[str, Any]:
    with queue.acting("service_role"):
        return dict(queue.value("select rollback_generation(%s, %s)", kind, force))


def drop(queue: Any, generation: int, limit: int = 1000) -> list[dict[str, Any]]:
    """Drop it to the end; all answers."""
    answers: list[dict[str, Any]] = []
    while not answers or not answers[-1]["done"]:
        assert len(answers) < 100, "there is no end to it"
        answers.append(queue.value("select drop_generation(%s, %s)", generation, limit))
    return answers


def active(queue: Any, kind: str = "pictures") -> list[str]:
    return [
        row["model_version"]
        for row in queue.value("select generations()")
        if row["kind"] == kind and row["state"] == "active"
    ]


def jobs(queue: Any, user: str) -> list[dict[str, Any]]:
    return list(
        queue.rows(
            "select asset_id::text, priority, params from jobs"
            " where user_id = %s and job_type = 'image_ai' and status = 'pending' order by asset_id",
            user,
        )
    )


def stop_clock(queue: Any, minutes: float) -> None:
    at = datetime(2100, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    queue.db.execute("select set_config('kizu.test_now', %s, false)", (at.isoformat(),))


# Filling.


def test_it_is_filled_page_by_page_by_whoever_comes(queue: Any, v2: int) -> None:
    user = queue.user()
    photos = sorted(photo(queue, user) for _ in range(5))
    known = photos.pop(2)
    embed(queue, user, known, {"v1": unit(1), "v2": unit(1, 16)})
    queue.db.execute("delete from assets where user_id <> %s", (user,))

    answers = [fill(queue, v2, 2, role) for role in ("kizu_worker", "service_role", "kizu_worker")]

    assert [(answer["looked_at"], answer["at_end"]) for answer in answers] == [
        (2, False),
        (2, False),
        (1, True),
    ]
    assert sum(answer["enqueued"] for answer in answers) == 4
    wanted = {"operations": ["embedding"], "versions": {"embedding": "v2"}}
    assert jobs(queue, user) == [
        {"asset_id": asset, "priority": 200, "params": wanted} for asset in photos
    ], "behind what was just uploaded"
    nothing = {"looked_at": 0, "enqueued": 0, "at_end": True, "passed_by": False}
    assert fill(queue, v2) == nothing, "not again at once"


def test_what_was_busy_is_found_in_the_next_round(queue: Any, v2: int) -> None:
    user = queue.user()
    asset = photo(queue, user)
    stop_clock(queue, 0)
    queue.enqueue("image_ai", user, asset)
    assert fill(queue, v2)["enqueued"] == 0
    queue.db.execute("delete from jobs where asset_id = %s", (asset,))
    stop_clock(queue, 0.1)
    assert fill(queue, v2)["looked_at"] == 0
    stop_clock(queue, 0.2)
    assert fill(queue, v2)["enqueued"] == 1
    assert [job["asset_id"] for job in jobs(queue, user)] == [asset]


def test_a_round_that_left_nothing_alone_is_followed_by_a_pause(queue: Any, v2: int) -> None:
    user = queue.user()
    busy, *_ = sorted(photo(queue, user) for _ in range(2))
    queue.db.execute("delete from assets where user_id <> %s", (user,))
    stop_clock(queue, 0)
    queue.enqueue("image_ai", user, busy)
    assert [fill(queue, v2, 1)["enqueued"] for _ in range(3)] == [0, 1, 0]
    queue.db.execute("delete from jobs where user_id = %s", (user,))
    stop_clock(queue, 0.2)
    assert [fill(queue, v2, 1)["enqueued"] for _ in range(3)] == [1, 1, 0], (
        "something was left on its first page"
    )
    queue.db.execute("delete from jobs where user_id = %s", (user,))
    stop_clock(queue, 5)
    assert fill(queue, v2)["looked_at"] == 0
    stop_clock(queue, 5.3)
    assert fill(queue, v2)["enqueued"] == 2


def test_two_kinds_are_filled_at_once(queue: Any, v2: int) -> None:
    user = queue.user()
    asset = photo(queue, user)
    queue.generation("f1", "faces", 8)
    faces = queue.generation("f2", "faces", 8)
    stop_clock(queue, 0)
    assert fill(queue, v2)["enqueued"] == 1
    assert fill(queue, faces)["enqueued"] == 0, "one job of a photo at a time"
    queue.db.execute("delete from jobs where asset_id = %s", (asset,))
    stop_clock(queue, 0.2)
    assert fill(queue, faces)["enqueued"] == 1


def test_two_who_fill_take_turns(queue: Any, connect: Callable[[], psycopg.Connection], v2: int) -> None:
    user = queue.user()
    photos = [photo(queue, user) for _ in range(6)]
    queue.db.execute("delete from assets where user_id <> %s", (user,))
    found: list[int] = []

    def work(connection: psycopg.Connection) -> None:
        while not (answer := fill(Queue(connection), v2, 1))["at_end"]:
            found.append(answer["enqueued"])

    threads = [threading.Thread(target=work, args=(connect(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert found == [1] * 6
    assert [job["asset_id"] for job in jobs(queue, user)] == sorted(photos)


def test_only_what_is_kept_up_is_filled(queue: Any, v1: int, v2: int) -> None:
    photo(queue, queue.user())
    idle = {"looked_at": 0, "enqueued": 0, "at_end": True, "passed_by": False}
    assert fill(queue, v1) == idle, "the active one is `jobs missing`'s"
    assert fill(queue, 0) == idle
    queue.value("select drop_generation(%s)", v2)
    assert fill(queue, v2) == idle


def test_a_former_one_is_filled_too(queue: Any, v1: int, v2: int) -> None:
    """So that it can be gone back to."""
    user = queue.user()
    asset = photo(queue, user)
    flip(queue, v2)
    embed(queue, user, asset, {"v2": unit(1, 16)})
    queue.db.execute("delete from jobs where asset_id = %s", (asset,))
    assert fill(queue, v1)["enqueued"] == 1
    assert [job["params"]["versions"] for job in jobs(queue, user)] == [{"embedding": "v1"}]


@pytest.mark.parametrize("role", ["authenticated", "anon"])
def test_users_fill_nothing(queue: Any, v2: int, role: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), queue.acting(role, queue.user()):
        queue.value("select fill_generation(%s)", v2)


def test_what_a_worker_wrote_that_had_not_heard_of_it_is_filled(queue: Any, v2: int) -> None:
    user = queue.user()
    stale, fresh, filling = (photo(queue, user) for _ in range(3))
    embed(queue, user, stale, {"v1": unit(1)})
    embed(queue, user, fresh, {"v1": unit(1), "v2": unit(1, 16)})
    embed(queue, user, filling, {"v2": unit(1, 16)})
    wanted = {"operations": ["embedding"], "versions": {"embedding": "v2"}}
    assert jobs(queue, user) == [{"asset_id": stale, "priority": 200, "params": wanted}]

    embed(queue, user, stale, {"v1": unit(1)})
    assert len(jobs(queue, user)) == 1


def test_what_a_worker_wrote_that_had_not_heard_of_the_flip_is_filled(queue: Any, v2: int) -> None:
    """Else the photo would not be found, and nothing would look for it."""
    user = queue.user()
    late = photo(queue, user)
    flip(queue, v2)
    embed(queue, user, late, {"v1": unit(1)})
    wanted = {"operations": ["embedding"], "versions": {"embedding": "v2"}}
    assert jobs(queue, user) == [{"asset_id": late, "priority": 200, "params": wanted}]


def test_what_a_worker_could_not_find_out_is_not_asked_at_once(queue: Any, v2: int) -> None:
    user, kind = queue.user(), queue.kind()
    asset = photo(queue, user)
    queue.enqueue(kind, user, asset)
    facts = [
        {"fact": "embedding", "version": "v1", "state": "done"},
        {"fact": "embedding", "version": "v2", "state": "unavailable", "reason": "model_failed"},
    ]
    queue.settle(queue.take(kind), writes=[{"table": "asset_facts", "rows": facts}])
    assert jobs(queue, user) == []
    assert progress(queue, v2) == {"photos": 1, "missing": 1, "missed": {"model_failed": 1}}


def test_facts_of_other_kinds_and_of_no_vectors_fill_nothing(queue: Any, v2: int) -> None:
    user, kind = queue.user(), queue.kind()
    queue.enqueue(kind, user, photo(queue, user))
    facts = [{"fact": fact, "version": "v1", "state": "done"} for fact in ("faces", "hashes", "ocr")]
    queue.settle(queue.take(kind), writes=[{"table": "asset_facts", "rows": facts}])
    assert jobs(queue, user) == []


def test_progress_counts_what_the_active_one_knows(queue: Any, v1: int, v2: int) -> None:
    user = queue.user()
    photos = [photo(queue, user) for _ in range(4)]
    for asset in photos[:3]:
        embed(queue, user, asset, {"v1": unit(1)})
    embed(queue, user, photos[0], {"v2": unit(1, 16)})
    assert progress(queue, v2) == {"photos": 3, "missing": 2, "missed": {}}
    assert progress(queue, v1) == {"photos": 3, "missing": 0, "missed": {}}
    with queue.acting("kizu_worker"):
        for job in queue.claim("image_ai", 10)["jobs"]:
            queue.settle(job, {"kind": "failed", "code": "too_large"})
    assert progress(queue, v2) == {"photos": 3, "missing": 2, "missed": {"too_large": 2}}


# Flipping.


def test_a_flip_waits_for_what_is_missing_unless_it_is_forced(queue: Any, v2: int) -> None:
    user = queue.user()
    photos = [photo(queue, user) for _ in range(3)]
    for asset in photos:
        embed(queue, user, asset, {"v1": unit(1)})
    embed(queue, user, photos[0], {"v2": unit(1, 16)})
    with pytest.raises(psycopg.Error, match="generation_incomplete") as refusal:
        flip(queue, v2)
    assert refusal.value.sqlstate == "PT409"
    assert str(refusal.value.diag.message_detail).startswith("2 photos")
    assert active(queue) == ["v1"]

    answer = flip(queue, v2, force=True)

    assert (answer["active"]["model_version"], answer["active"]["state"]) == ("v2", "active")
    assert (answer["former"]["model_version"], answer["former"]["state"]) == ("v1", "former")
    assert active(queue) == ["v2"]
    again = flip(queue, v2)
    assert (again["active"]["model_version"], again["former"]) == ("v2", None)


def test_a_flip_is_forced_by_nobody_who_does_not_say_so(queue: Any, v2: int) -> None:
    user = queue.user()
    embed(queue, user, photo(queue, user), {"v1": unit(1)})
    with pytest.raises(psycopg.Error, match="generation_incomplete"), queue.acting("service_role"):
        queue.db.execute("select flip_generation(%s, null)", (v2,))


def test_what_is_not_there_is_not_flipped_to(queue: Any, v1: int, v2: int) -> None:
    queue.value("select drop_generation(%s)", v2)
    for generation, code in ((v2, "unknown_generation"), (0, "not_found")):
        with pytest.raises(psycopg.Error, match=code):
            flip(queue, generation, force=True)
    with pytest.raises(psycopg.Error, match="not_found") as refusal:
        rollback(queue)
    assert refusal.value.sqlstate == "PT404"
    assert active(queue) == ["v1"]


def test_of_three_the_one_before_is_gone_back_to(queue: Any, v1: int, v2: int) -> None:
    v3 = queue.generation("v3", dimension=16)
    flip(queue, v2)
    flip(queue, v3)
    assert rollback(queue)["active"]["model_version"] == "v2"
    assert rollback(queue)["active"]["model_version"] == "v3", "which answered before that"
    assert len(active(queue)) == 1


def test_no_search_sees_a_flip(queue: Any, connect: Callable[[], psycopg.Connection]) -> None:
    """Not one error, and no answer of two models."""
    queue.generation("v1", dimension=8)
    v2 = queue.generation("v2", dimension=8)
    user = queue.user()
    assets = [photo(queue, user) for _ in range(20)]
    for number, asset in enumerate(assets):
        embed(queue, user, asset, {"v1": unit(number), "v2": unit(f"other {number}")})
    query = unit("query")
    expected = {
        version: search(queue, query, filter_model_version=version, match_count=20, filter_user_id=user)
        for version in ("v1", "v2")
    }
    done, wrong = threading.Event(), []
    seen: set[str] = set()

    def look_on(connection: psycopg.Connection, role: str) -> None:
        reader = Queue(connection)
        while not done.is_set():
            try:
                with reader.acting(role, user):
                    found = search(reader, query, match_count=20, filter_user_id=user)
                    rows = reader.rows("select distinct model_version from image_embeddings")
            except Exception as error:
                wrong.append(error)
                return
            version = found[0][2] if found else "nothing"
            seen.add(version)
            if found != expected.get(version) or (role == "authenticated" and len(rows) != 1):
                wrong.append((found, rows))

    threads = [
        threading.Thread(target=look_on, args=(connect(), role))
        for role in ("authenticated", "authenticated", "service_role")
    ]
    for thread in threads:
        thread.start()
    for number in range(100):
        flip(queue, v2) if number % 2 == 0 else rollback(queue)
        time.sleep(0.005)
    done.set()
    for thread in threads:
        thread.join(30)
    assert wrong == []
    assert seen == {"v1", "v2"}


EVERYTHING = {
    "faces": "select * from face_embeddings order by id",
    "contacts": "select * from contacts order by id",
    "clusters": "select id, name, contact_id, face_count, representative_face_id, centroid_embedding"
    " from face_clusters order by id",
    "tags": "select * from asset_tags order by id",
    "crops": "select * from derived_assets order by id",
    "pictures": "select * from image_embeddings order by id",
    "facts": "select * from asset_facts order by asset_id, fact, version",
    "assets": "select * from assets order by id",
}


def told(queue: Any, user: str, query: str) -> dict[str, Any]:
    """All that the user's apps see, and what a search finds."""
    with queue.acting("authenticated", user):
        return {name: queue.rows(rows) for name, rows in EVERYTHING.items()} | {
            "found": search(queue, query, match_count=100)
        }


def look_with(queue: Any, user: str, asset: str, model: str, *faces: dict[str, Any]) -> None:
    """As a worker does: the faces that a model finds, their crops, and the fact."""
    kind = queue.kind()
    queue.enqueue(kind, user, asset)
    job = queue.take(kind)
    crops = [
        {
            "bucket": "assets",
            "key": f"{user}/processed/{asset}/{job['id']}.1/{model}-{number}.jpg",
            "bytes": 1,
            "mime_type": "image/jpeg",
        }
        for number, _ in enumerate(faces)
    ]
    writes = [
        {"table": "face_embeddings", "scope": {"model_version": model}, "rows": list(faces)},
        {
            "table": "derived_assets",
            "scope": {"kind": "face_crop", "model_version": model},
            "rows": crops,
        },
        {"table": "asset_facts", "rows": [{"fact": "faces", "version": model, "state": "done"}]},
    ]
    answer = queue.settle(job, writes=writes)
    assert answer["answer"] == "settled", answer


@pytest.fixture
def library(queue: Any, v1: int, v2: int) -> Any:
    """A user's photos known by two models of each kind, with people named and recognised by the first."""
    user = queue.user()
    f1, f2 = queue.generation("f1", "faces"), queue.generation("f2", "faces")
    photos = [photo(queue, user) for _ in range(4)]
    ada, bob = contact(queue, user), contact(queue, user, "Bob")
    seen = [(1, None), (1, 2), (2, 3), (3, None)]
    for model, of_person in (("f1", lambda person: person), ("f2", lambda person: person + 100)):
        for number, (asset, people) in enumerate(zip(photos, seen, strict=True)):
            rows = [
                face(index, (HERE, THERE)[index], somebody(of_person(person), blur=number / 10), model)
                for index, person in enumerate(people)
                if person
            ]
            look_with(queue, user, asset, model, *rows)
            if model == "f1" and number == 0:
                name_face(queue, faces_of(queue, asset, "f1")[0]["id"], ada)
            if model == "f1" and number == 1:
                name_face(queue, faces_of(queue, asset, "f1")[1]["id"], bob)
    for number, asset in enumerate(photos):
        answer = embed(queue, user, asset, {"v1": unit(number), "v2": unit(f"other {number}", 16)})
        assert answer["answer"] == "settled"
    return {"user": user, "photos": photos, "faces": (f1, f2), "pictures": (v1, v2), "people": (ada, bob)}


def test_owners_see_what_answers_and_nothing_else(queue: Any, library: Any) -> None:
    user, query = library["user"], unit(0)
    before = told(queue, user, query)
    assert {row["model_version"] for row in before["pictures"]} == {"v1"}
    assert {row["model_version"] for row in before["faces"]} == {"f1"}
    assert {row["model_version"] for row in before["tags"]} == {None, "f1"}
    people = [(row["asset_id"], row["contact_id"]) for row in before["tags"]]
    assert len(people) == len(set(people)) == 4
    flip(queue, library["faces"][1])
    flip(queue, library["pictures"][1])
    after = told(queue, user, unit(0, 16))
    assert {row["model_version"] for row in after["pictures"]} == {"v2"}
    assert {row["model_version"] for row in after["faces"]} == {"f2"}
    assert {row["model_version"] for row in after["tags"]} == {None, "f2"}
    assert sorted((row["asset_id"], row["contact_id"]) for row in after["tags"]) == sorted(people)


def test_what_was_before_a_flip_is_there_again_after_it_is_rolled_back(queue: Any, library: Any) -> None:
    user, query = library["user"], unit(0)
    before = told(queue, user, query)
    assert len(before["found"]) == len(before["faces"]) - 2 == 4
    rows = {name: queue.rows(select) for name, select in EVERYTHING.items()}

    for kind in ("faces", "pictures"):
        flip(queue, library[kind][1])
    between = told(queue, user, unit(0, 16))
    assert between["found"] != before["found"]
    assert between["contacts"] == before["contacts"]
    for kind in ("faces", "pictures"):
        rollback(queue, kind)

    assert told(queue, user, query) == before
    assert {name: queue.rows(select) for name, select in EVERYTHING.items()} == rows


def test_what_is_uploaded_between_is_there_after_a_rollback(queue: Any, library: Any) -> None:
    user = library["user"]
    flip(queue, library["pictures"][1])
    new = photo(queue, user)
    embed(queue, user, new, {"v1": unit("new"), "v2": unit("new", 16)})
    rollback(queue)
    assert search(queue, unit("new"), match_count=1) == [(new, 1.0, "v1")]


def test_the_older_columns_of_an_asset_name_the_active_version(queue: Any, v1: int, v2: int) -> None:
    user = queue.user()
    asset = photo(queue, user)

    def version() -> Any:
        return queue.value(
            "select ai_operations -> 'embedding' ->> 'version' from assets where id = %s", asset
        )

    embed(queue, user, asset, {"v2": unit(1, 16)})
    embed(queue, user, asset, {"v1": unit(1)})
    assert version() == "v1"
    embed(queue, user, asset, {"v2": unit(1, 16)})
    assert version() == "v1"
    flip(queue, v2)
    embed(queue, user, asset, {"v1": unit(1), "v2": unit(1, 16)})
    assert version() == "v2"


# Dropping.


def test_the_one_that_answers_is_not_dropped(queue: Any, v1: int, v2: int) -> None:
    with pytest.raises(psycopg.Error, match="generation_answers") as refusal:
        queue.value("select drop_generation(%s)", v1)
    assert refusal.value.sqlstate == "PT409"
    with pytest.raises(psycopg.Error, match="not_found"):
        queue.value("select drop_generation(0)")
    flip(queue, v2)
    assert drop(queue, v1)[-1]["done"]
    assert active(queue) == ["v2"]


def count(queue: Any, table: str, version: str) -> int:
    column = (
        "model_version" if table in ("derived_assets", "asset_tags") or "embeddings" in table else "version"
    )
    return int(queue.value(f"select count(*) from {table} where {column} = %s", version))


OF_FACES = ("face_embeddings", "derived_assets", "asset_tags", "asset_facts", "kizu.misses")


def test_a_dropped_generation_leaves_nothing_and_takes_nothing_of_another(queue: Any, library: Any) -> None:
    user = library["user"]
    flip(queue, library["faces"][1])
    waiting = photo(queue, user)
    enqueued = fill(queue, library["faces"][0])
    assert enqueued["enqueued"] == 1
    own_upload = queue.enqueue("image_ai", user, library["photos"][0])
    both = queue.enqueue(
        "image_ai", user, waiting, p_params=Jsonb({"versions": {"faces": "f1", "embedding": "v1"}})
    )
    for version in ("f1", "f2"):
        queue.db.execute(
            "insert into kizu.misses (asset_id, fact, version, reason, tries, at)"
            " values (%s, 'faces', %s, 'model_failed', 1, now())",
            (waiting, version),
        )
    other = {table: count(queue, table, "f2") for table in OF_FACES}
    assert all(other.values())
    owned = told(queue, user, unit(0))

    answers = drop(queue, library["faces"][0], 2)

    assert [answer["deleted"] for answer in answers] == [0, 1, 4, 4, 2, 0], "the job, then faces and facts"
    assert answers[-1] == {"deleted": 0, "kept": 0, "done": True}
    assert {table: count(queue, table, "f1") for table in OF_FACES} == dict.fromkeys(OF_FACES, 0)
    assert {table: count(queue, table, "f2") for table in OF_FACES} == other
    after = told(queue, user, unit(0))
    files_and_facts = {
        "crops": [row for row in owned["crops"] if row["model_version"] != "f1"],
        "facts": [row for row in owned["facts"] if row["version"] != "f1"],
    }
    assert after == owned | files_and_facts
    assert queue.row(own_upload)["status"] == queue.row(both)["status"] == "pending"
    cancelled = queue.rows(
        "select asset_id::text from jobs where params -> 'versions' = '{\"faces\": \"f1\"}'"
        " and status = 'cancelled'"
    )
    assert cancelled == [{"asset_id": waiting}]
    assert (
        queue.value("select to_regclass(%s)", f"kizu.face_vectors_of_generation_{library['faces'][0]}")
        is None
    )
    assert [row["model_version"] for row in queue.value("select generations()")] == ["v1", "v2", "f2"]


def test_a_dropped_generation_of_pictures_takes_nothing_of_the_faces(queue: Any) -> None:
    """Not even where both models are called the same."""
    queue.generation("v1", dimension=8)
    same = queue.generation("same", dimension=8)
    queue.generation("same", "faces")
    user = queue.user()
    known, new, ada = photo(queue, user), photo(queue, user), contact(queue, user)
    look_with(queue, user, known, "same", face(0, HERE, somebody(1), "same"))
    name_face(queue, faces_of(queue, known, "same")[0]["id"], ada)
    look_with(queue, user, new, "same", face(0, HERE, somebody(1), "same"))
    for asset in (known, new):
        embed(queue, user, asset, {"v1": unit(1), "same": unit(1)})
    before = {
        table: count(queue, table, "same") for table in ("face_embeddings", "derived_assets", "asset_tags")
    }
    assert all(before.values())
    drop(queue, same)
    assert {table: count(queue, table, "same") for table in before} == before
    assert count(queue, "image_embeddings", "same") == 0
    assert (
        queue.rows("select fact, version from asset_facts where version = 'same' and fact <> 'faces'") == []
    )


def test_vectors_without_a_fact_are_dropped_too(queue: Any, library: Any) -> None:
    """As a library has them that is older than its facts."""
    queue.db.execute("delete from asset_facts where version = 'f2'")
    drop(queue, library["faces"][1], 3)
    assert {table: count(queue, table, "f2") for table in OF_FACES} == dict.fromkeys(OF_FACES, 0)


def test_a_face_that_people_named_and_no_other_model_finds_is_kept(queue: Any) -> None:
    user = queue.user()
    queue.generation("f1", "faces")
    f2 = queue.generation("f2", "faces")
    asset, ada, bob = photo(queue, user), contact(queue, user), contact(queue, user, "Bob")
    look_with(queue, user, asset, "f1", face(0, HERE, somebody(1), "f1"))
    look_with(queue, user, asset, "f2", face(0, HERE, somebody(11), "f2"), face(1, THERE, somebody(12), "f2"))
    for row, who in zip(faces_of(queue, asset, "f2"), (ada, bob), strict=True):
        name_face(queue, row["id"], who)
    kept = faces_of(queue, asset, "f2")[1]
    look_with(queue, user, asset, "f1", face(0, HERE, somebody(1), "f1"))

    answers = drop(queue, f2)

    assert answers[-1]["kept"] == 1
    assert faces_of(queue, asset, "f2") == [kept]
    assert [str(row["contact_id"]) for row in faces_of(queue, asset, "f1")] == [ada]
    with queue.acting("authenticated", user):
        assert queue.value("select count(*) from face_embeddings") == 1
        names = queue.rows("select tag_value from asset_tags order by 1")
    assert names == [{"tag_value": "Ada"}, {"tag_value": "Bob"}], "whom people named is in the photo"

    # A worker that has not heard of it still sends what it found.
    look_with(queue, user, asset, "f2", face(0, THERE, somebody(12), "f2"))
    look_with(queue, user, asset, "f2")
    assert faces_of(queue, asset, "f2") == [kept]

    # A model that finds the face again takes the name over.
    queue.generation("f3", "faces")
    look_with(queue, user, asset, "f3", face(0, THERE, somebody(32), "f3"))
    [again] = faces_of(queue, asset, "f3")
    assert (str(again["contact_id"]), again["face_id"], again["recognised"]) == (bob, kept["face_id"], False)

    # And so does the model itself, begun anew.
    queue.generation("f2", "faces")
    look_with(queue, user, asset, "f2", face(0, THERE, somebody(12), "f2"))
    assert [(row["id"], str(row["contact_id"])) for row in faces_of(queue, asset, "f2")] == [
        (kept["id"], bob)
    ]


def test_a_face_is_not_kept_because_its_cluster_has_a_name(queue: Any) -> None:
    """It may be in there by itself, and nobody spoke of it."""
    user = queue.user()
    f1 = queue.generation("f1", "faces")
    f2 = queue.generation("f2", "faces")
    asset = photo(queue, user)
    look_with(queue, user, asset, "f1", face(0, HERE, somebody(1), "f1"), face(1, THERE, somebody(2), "f1"))
    named, unnamed = (
        queue.value("insert into face_clusters (user_id, name) values (%s, %s) returning id", user, name)
        for name in ("Ada", None)
    )
    for row, cluster in zip(faces_of(queue, asset, "f1"), (named, unnamed), strict=True):
        queue.db.execute("update face_embeddings set cluster_id = %s where id = %s", (cluster, row["id"]))
    flip(queue, f2, force=True)
    assert drop(queue, f1)[-1]["kept"] == 0
    assert faces_of(queue, asset, "f1") == []
    assert [row["id"] for row in queue.rows("select id from face_clusters where user_id = %s", user)] == [
        named
    ]


def test_a_drop_passes_by_what_a_settlement_holds(
    queue: Any, connect: Callable[[], psycopg.Connection]
) -> None:
    """Each would wait for another row of the photo that the other holds."""
    user = queue.user()
    queue.generation("f1", "faces")
    f2 = queue.generation("f2", "faces")
    assets = [photo(queue, user) for _ in range(2)]
    for asset in assets:
        for version in ("f1", "f2"):
            look_with(queue, user, asset, version, face(0, HERE, somebody(1), version))
    kind = queue.kind()
    queue.enqueue(kind, user, assets[0])
    held = {
        "table": "face_embeddings",
        "scope": {"model_version": "f1"},
        "rows": [face(0, HERE, somebody(1), "f1")],
    }
    queue.value("select drop_generation(%s)", f2)
    with writing(connect, queue.take(kind), [held]):
        for _ in range(2):  # jobs that wait come first
            assert queue.value("select drop_generation(%s)", f2)["deleted"] > 0
        assert [len(faces_of(queue, asset, "f2")) for asset in assets] == [1, 0]
    drop(queue, f2)
    assert [len(faces_of(queue, asset, "f2")) for asset in assets] == [0, 0]


@contextmanager
def writing(connect: Callable[[], psycopg.Connection], job: Any, writes: Any) -> Iterator[None]:
    """A settlement that has written all it has to and is not committed before this is over."""
    connection = connect()
    with connection.transaction():
        row = connection.execute(
            "select settle_jobs('w1', %s)", (Jsonb([settlement(job, writes=writes)]),)
        ).fetchone()
        assert row is not None
        assert row[0][0]["answer"] == "settled"
        yield


@pytest.mark.parametrize("limit", [1, 1000])
def test_what_is_written_while_it_is_dropped_goes_too(
    queue: Any, connect: Callable[[], psycopg.Connection], v2: int, limit: int
) -> None:
    user = queue.user()
    first, second = photo(queue, user), photo(queue, user)
    embed(queue, user, first, {"v1": unit(1), "v2": unit(1, 16)})
    kind = queue.kind()
    queue.enqueue(kind, user, second)
    job = queue.take(kind)
    dropping = connect()
    answers: list[Any] = []

    def work() -> None:
        answers.extend(drop(Queue(dropping), v2, limit))

    thread = threading.Thread(target=work)
    with writing(connect, job, vectors_and_facts({"v1": unit(2), "v2": unit(2, 16)})):
        thread.start()
        wait_until_locked(queue, dropping)
    thread.join(30)

    assert answers[-1]["done"]
    assert count(queue, "image_embeddings", "v2") == count(queue, "asset_facts", "v2") == 0
    assert {asset for asset, _, _ in search(queue, unit(1))} == {first, second}


def test_a_table_that_is_written_to_without_a_pause_is_to_be_asked_again(
    queue: Any, connect: Callable[[], psycopg.Connection], v2: int
) -> None:
    user, kind = queue.user(), queue.kind()
    queue.enqueue(kind, user, photo(queue, user))
    job = queue.take(kind)
    queue.value("select drop_generation(%s)", v2)
    with writing(connect, job, vectors_and_facts({"v1": unit(2)})):
        with pytest.raises(psycopg.Error, match="database_busy") as refusal:
            queue.value("select drop_generation(%s)", v2)
        assert refusal.value.sqlstate == "PT503"
    assert drop(queue, v2)[-1]["done"]


def test_a_settlement_that_meets_a_flip_is_settled_and_known_to_both(
    queue: Any, connect: Callable[[], psycopg.Connection], v1: int, v2: int
) -> None:
    user, kind = queue.user(), queue.kind()
    asset = photo(queue, user)
    queue.enqueue(kind, user, asset)
    job = queue.take(kind)
    with writing(connect, job, vectors_and_facts({"v1": unit(2), "v2": unit(2, 16)})):
        flip(queue, v2)  # waits for nobody
        assert search(queue, unit(2, 16)) == []
    assert search(queue, unit(2, 16)) == [(asset, 1.0, "v2")]
    rollback(queue)
    assert search(queue, unit(2)) == [(asset, 1.0, "v1")]


def test_flips_at_once_leave_one_that_answers(
    queue: Any, connect: Callable[[], psycopg.Connection], v1: int, v2: int
) -> None:
    v3 = queue.generation("v3", dimension=8)
    errors: list[psycopg.Error] = []

    def work(connection: psycopg.Connection, generation: int) -> None:
        mine = Queue(connection)
        for _ in range(20):
            try:
                flip(mine, generation)
            except psycopg.Error as error:
                errors.append(error)

    threads = [threading.Thread(target=work, args=(connect(), one)) for one in (v1, v2, v3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert len(active(queue)) == 1
    assert {row["state"] for row in queue.value("select generations()")} == {"active", "former"}


@pytest.mark.parametrize(
    "call", ["flip_generation(%s)", "drop_generation(%s)", "generation_progress(%s)", "fill_generation(%s)"]
)
def test_others_users_reach_no_generation(queue: Any, v2: int, call: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), queue.acting("authenticated", str(uuid4())):
        queue.db.execute(f"select {call}", (v2,))
