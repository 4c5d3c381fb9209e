"""Somebody with a valid token reaches for what is another's, through every verb."""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg.types.json import Jsonb

pytestmark = pytest.mark.stack


class Scene(NamedTuple):
    kind: str
    victim: str
    attacker: str
    asset: str
    """The victim's."""


@pytest.fixture
def scene(queue: Any) -> Scene:
    victim = queue.user()
    return Scene(queue.kind(), victim, queue.user(), queue.asset(victim))


@pytest.fixture
def held(queue: Any, scene: Scene) -> Any:
    """A job of the victim's, running on the project's worker w1."""
    queue.enqueue(scene.kind, scene.victim, scene.asset)
    return queue.take(scene.kind)


def test_a_personal_worker_claims_only_its_own_users_jobs(queue: Any, scene: Scene) -> None:
    queue.enqueue(scene.kind, scene.victim)
    with queue.acting("authenticated", scene.attacker):
        assert queue.claim(scene.kind, 100) == {"jobs": [], "next_due_seconds": None, "rescued": 0}


def test_nobody_rescues_another_users_jobs(queue: Any, scene: Scene, held: Any) -> None:
    queue.expire(held)
    with queue.acting("authenticated", scene.attacker):
        assert queue.claim(scene.kind, 100)["rescued"] == 0
    assert queue.row(held)["status"] == "processing"


def test_a_claim_id_opens_nobody_elses_claim(queue: Any, scene: Scene) -> None:
    claim_id = str(uuid.uuid4())
    queue.enqueue(scene.kind, scene.victim)
    queue.claim(scene.kind, worker="w1", claim_id=claim_id)
    with queue.acting("authenticated", scene.attacker):
        assert queue.claim(scene.kind, worker="w1", claim_id=claim_id)["jobs"] == []


@pytest.mark.parametrize("verb", ["extend", "settle", "release"])
def test_a_known_fence_does_not_help_against_another_user(
    queue: Any, scene: Scene, held: Any, verb: str
) -> None:
    """The attacker knows worker id, job id and epoch."""
    before = queue.row(held)
    write = {"table": "assets", "set": {"thumbnail": "https://evil.example/x.jpg"}}

    with queue.acting("authenticated", scene.attacker):
        answer = {
            "extend": lambda: queue.extend([held]),
            "settle": lambda: queue.settle(held, writes=[write])["answer"],
            "release": lambda: queue.release("w1"),
        }[verb]()

    assert answer == {"extend": ["lost"], "settle": "lost", "release": 0}[verb]
    assert queue.row(held) == before
    assert queue.value("select thumbnail from assets where id = %s", scene.asset) is None


def test_a_repeat_tells_nobody_else_how_a_job_ended(queue: Any, scene: Scene, held: Any) -> None:
    queue.settle(held)
    with queue.acting("authenticated", scene.attacker):
        attempt = {name: held[name] for name in ("table", "id", "epoch")}
        assert queue.settle(held) == {**attempt, "answer": "lost", "status": None}


def test_jobs_of_others_are_not_found(queue: Any, scene: Scene, held: Any) -> None:
    pending = queue.enqueue(scene.kind, scene.victim)
    failed = queue.enqueue(scene.kind, scene.victim)
    queue.db.execute(
        "update jobs set status = 'failed', error_code = 'x', completed_at = now() where id = %s", (failed,)
    )
    with queue.acting("authenticated", scene.attacker):
        assert [queue.value("select cancel_job(%s)", job) for job in (held["id"], pending)] == [
            "not_found"
        ] * 2
        for chosen in ({"ids": [failed]}, {"kinds": [scene.kind]}, {"user_id": scene.victim}):
            assert queue.value("select retry_jobs(%s, false)", Jsonb(chosen))["count"] == 0
        assert queue.value("select job_stats()") == []
    assert queue.row(held)["cancel_requested_at"] is None
    assert (queue.row(pending)["status"], queue.row(failed)["status"]) == ("pending", "failed")


def test_nobody_enqueues_for_anothers_asset(queue: Any, scene: Scene) -> None:
    with pytest.raises(psycopg.Error, match="not_found"), queue.acting("authenticated", scene.attacker):
        queue.enqueue(scene.kind, scene.attacker, scene.asset)


def test_nobody_enqueues_in_anothers_name(queue: Any, scene: Scene) -> None:
    with queue.acting("authenticated", scene.attacker):
        job_id = queue.enqueue(scene.kind, scene.victim)
    assert str(queue.row(job_id)["user_id"]) == scene.attacker


def test_params_that_point_at_anothers_files_give_no_right_to_them(queue: Any, scene: Scene) -> None:
    """The job stays the attacker's: whatever its params say, SQL writes only to the attacker's rows, and
    the worker compares what it fetches with the job's user."""
    params = {
        "input_url": f"{scene.victim}/originals/x.jpg",
        "user_id": scene.victim,
        "asset_id": scene.asset,
        "job_type": "image_ai",
    }
    mine = queue.asset(scene.attacker)
    with queue.acting("authenticated", scene.attacker):
        queue.enqueue(scene.kind, scene.attacker, mine, p_params=Jsonb(params))
        job = queue.take(scene.kind, worker="home")
        queue.settle(job, writes=[{"table": "assets", "set": {"width": 7}}], worker="home")

    assert (job["user_id"], job["asset_id"]) == (scene.attacker, mine)
    assert queue.value("select width from assets where id = %s", mine) == 7
    assert queue.value("select width from assets where id = %s", scene.asset) is None


def test_a_personal_workers_writes_stay_with_its_user(queue: Any, scene: Scene) -> None:
    mine = queue.asset(scene.attacker)
    queue.enqueue(scene.kind, scene.attacker, mine)
    forged = {"user_id": scene.victim, "asset_id": scene.asset}
    box = {"object_class": "cat", "confidence": 1, "bounding_box": {}}
    with queue.acting("authenticated", scene.attacker):
        job = queue.take(scene.kind, worker="home")
        queue.settle(
            {**job, **forged},
            writes=[
                {
                    "table": "detected_objects",
                    "scope": {"model_version": "m", **forged},
                    "rows": [{**box, **forged}],
                }
            ],
            worker="home",
        )
    (row,) = queue.rows(
        "select user_id::text, asset_id::text from detected_objects where user_id = any (%s::uuid[])",
        [scene.victim, scene.attacker],
    )
    assert row == {"user_id": scene.attacker, "asset_id": mine}


def test_an_asset_cannot_point_into_anothers_folder(queue: Any, scene: Scene) -> None:
    paths = [
        f"{scene.victim}/originals/x.jpg",
        f"{scene.attacker}/../{scene.victim}/x.jpg",
        f"{scene.attacker}/./x.jpg",
        f"{scene.attacker}/..",
        f"/{scene.victim}/x.jpg",
        f"{scene.attacker}",
        f"{scene.attacker}x/y.jpg",
        "x.jpg",
        "",
    ]
    for path in paths:
        with (
            pytest.raises(psycopg.errors.CheckViolation, match="path_is_in_the_owners_folder"),
            queue.acting("authenticated", scene.attacker),
        ):
            queue.db.execute("insert into assets (path) values (%s)", (path,))
    mine = queue.asset(scene.attacker)
    with (
        pytest.raises(psycopg.errors.CheckViolation, match="path_is_in_the_owners_folder"),
        queue.acting("authenticated", scene.attacker),
    ):
        queue.db.execute("update assets set path = %s where id = %s", (paths[0], mine))


@pytest.mark.parametrize(
    "statement",
    [
        "insert into assets (user_id) values (%(victim)s)",
        "update assets set user_id = %(victim)s where user_id = %(attacker)s",
        "insert into albums (user_id, title) values (%(victim)s, 't')",
        "insert into contacts (user_id, display_name) values (%(victim)s, 'n')",
        "insert into profiles (id) values (%(victim)s)",
        "insert into ai_processing_jobs (user_id) values (%(attacker)s)",
        "update ai_processing_jobs set status = 'pending'",
        "insert into image_embeddings (user_id) values (%(attacker)s)",
        "insert into runs (user_id) values (%(attacker)s)",
        "insert into workers (owner, worker_id) values (%(attacker)s, 'w')",
        "insert into storage.objects (bucket_id, name) values ('assets', %(victim)s || '/x.jpg')",
    ],
)
def test_what_is_anothers_or_the_workers_is_not_written(queue: Any, scene: Scene, statement: str) -> None:
    queue.asset(scene.attacker)
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        queue.acting("authenticated", scene.attacker),
    ):
        queue.db.execute(statement, {"victim": scene.victim, "attacker": scene.attacker})


def test_an_album_cannot_hold_anothers_photo(queue: Any, scene: Scene) -> None:
    with queue.acting("authenticated", scene.attacker):
        album = queue.value("insert into albums (title) values ('mine') returning id")
    with (
        pytest.raises(psycopg.errors.ForeignKeyViolation, match="asset_belongs_to_the_same_user"),
        queue.acting("authenticated", scene.attacker),
    ):
        queue.db.execute(
            "insert into album_assets (album_id, asset_id) values (%s, %s)", (album, scene.asset)
        )


def test_a_worker_of_the_same_name_is_another_worker(queue: Any, scene: Scene) -> None:
    name = uuid.uuid4().hex
    announce = "select announce_worker(%s, %s)"
    with queue.acting("service_role"):
        queue.value(announce, name, Jsonb({"of": "the project"}))
    with queue.acting("authenticated", scene.victim):
        queue.value(announce, name, Jsonb({"of": "the victim"}))
    with queue.acting("authenticated", scene.attacker):
        queue.value(announce, name, Jsonb({"of": "the attacker", "stopped": True}))
        assert [row["info"]["of"] for row in queue.rows("select info from workers")] == ["the attacker"]

    rows = queue.rows("select info ->> 'of' as of, stopped_at from workers where worker_id = %s", name)
    assert {row["of"] for row in rows if row["stopped_at"] is None} == {"the project", "the victim"}
    queue.db.execute("delete from workers where worker_id = %s", (name,))


def test_a_worker_of_the_same_name_does_not_release_anothers_jobs(
    queue: Any, scene: Scene, held: Any
) -> None:
    queue.enqueue(scene.kind, scene.attacker)
    with queue.acting("authenticated", scene.attacker):
        queue.take(scene.kind, worker="w1")
        assert queue.release("w1") == 1
    assert queue.row(held)["status"] == "processing"


def test_the_clock_and_the_callers_identity_are_not_the_callers_to_choose(queue: Any, scene: Scene) -> None:
    """A search path with look-alikes in it changes nothing: every function pins its own."""
    with queue.db.transaction(force_rollback=True):
        queue.db.execute("create schema trap")
        queue.db.execute("create function trap.uid() returns uuid language sql return gen_random_uuid()")
        queue.db.execute("create function trap.format(text, text) returns text language sql return 'oops'")
        queue.db.execute("grant usage on schema trap to authenticated")
        with queue.acting("authenticated", scene.attacker):
            queue.db.execute("set local search_path = trap, public, pg_catalog")
            job_id = queue.enqueue(scene.kind, scene.victim)
        assert str(queue.row(job_id)["user_id"]) == scene.attacker


def test_removing_a_user_removes_everything_of_theirs(queue: Any, scene: Scene, held: Any) -> None:
    queue.settle(held)
    queue.db.execute("delete from auth.users where id = %s", (scene.victim,))
    for table in ("assets", "jobs", "runs", "job_events"):
        assert queue.value(f"select count(*) from {table} where user_id = %s", scene.victim) == 0
