"""When faces are clustered anew: asked for, once enough has changed, and after a change of generation."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.sql.clusters import Clustering, photo
from tests.sql.people import HERE, contact, face, faces_of, look, somebody

pytestmark = pytest.mark.stack


@pytest.fixture
def ann(queue: Any) -> Any:
    queue.db.execute("update kizu.reclustering set after = null")  # flips of earlier tests
    queue.db.execute(
        "delete from jobs where job_type = 'cluster_faces'"
    )  # and what they left, which would be taken
    queue.generation("m", "faces")
    return queue.user()


def jobs(queue: Any, user: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = queue.rows(
        "select id, status, priority, run_at > kizu.now() as later from jobs"
        " where job_type = 'cluster_faces' and user_id = %s order by created_at, id",
        user,
    )
    return found


def add_faces(queue: Any, user: str, count: int, model: str = "m") -> None:
    """Faces in one photo, as an import inserts them."""
    asset = queue.asset(user)
    queue.db.execute(
        "insert into face_embeddings (user_id, asset_id, embedding, bounding_box, model_version, face_index)"
        " select %s, %s, %s, '{}', %s, n from generate_series(1, %s) as n",
        (user, asset, somebody(1), model, count),
    )


def take(queue: Any) -> Any:
    queue.db.execute("set kizu.test_now = '2100-01-01'")
    job = queue.take("cluster_faces")
    queue.db.execute("reset kizu.test_now")
    return job


def test_a_user_asks_once_while_it_waits_and_once_more_while_it_runs(queue: Any, ann: str) -> None:
    def ask() -> Any:
        with queue.acting("authenticated", ann):
            return queue.value("select cluster_people()")

    first = ask()
    assert first["status"] == "enqueued"
    assert ask() == {"id": first["id"], "status": "already_queued"}
    queue.value("select enqueue_job('cluster_faces', p_user_id => %s)", ann)
    assert len(jobs(queue, ann)) == 1
    job = take(queue)
    second = ask()
    assert second["status"] == "enqueued", "the one that runs may have read what is older"
    assert ask() == {"id": second["id"], "status": "already_queued"}
    queue.settle(job)
    assert [job["status"] for job in jobs(queue, ann)] == ["completed", "pending"]


def test_users_ask_for_themselves_and_the_service_for_anybody(queue: Any, ann: str) -> None:
    ben = queue.user()
    with queue.acting("authenticated", ben), pytest.raises(psycopg.DatabaseError, match="not_found"):
        queue.value("select cluster_people(%s)", ann)
    with queue.acting("service_role"), pytest.raises(psycopg.DatabaseError, match="bad_params"):
        queue.value("select cluster_people()")
    with queue.acting("service_role"):
        assert queue.value("select cluster_people(%s)", ann)["status"] == "enqueued"
    assert (len(jobs(queue, ann)), len(jobs(queue, ben))) == (1, 0)


def test_it_comes_by_itself_once_enough_faces_are_new(queue: Any, ann: str) -> None:
    add_faces(queue, ann, 19)
    assert jobs(queue, ann) == []
    add_faces(queue, ann, 1)
    (job,) = jobs(queue, ann)
    assert (job["status"], job["priority"], job["later"]) == ("pending", 200, True)
    add_faces(queue, ann, 20)
    assert len(jobs(queue, ann)) == 1


def test_a_large_library_waits_for_a_tenth(queue: Any, ann: str) -> None:
    queue.db.execute("insert into kizu.clusterings (user_id, faces) values (%s, 500)", (ann,))
    add_faces(queue, ann, 49)
    assert jobs(queue, ann) == []
    add_faces(queue, ann, 1)
    assert len(jobs(queue, ann)) == 1


def test_a_few_verdicts_are_enough(queue: Any, ann: str) -> None:
    queue.db.execute("insert into kizu.clusterings (user_id, faces) values (%s, 5000)", (ann,))
    for count in range(1, 11):
        queue.db.execute("insert into face_verdicts (user_id, verdict) values (%s, 'clear')", (ann,))
        assert len(jobs(queue, ann)) == (count == 10)


def test_nothing_comes_where_nothing_changed(queue: Any, ann: str) -> None:
    for who in range(3):
        photo(queue, ann, who)
    run = Clustering(queue, ann)
    run.settle([])
    queue.db.execute("update face_embeddings set quality = 0.5 where user_id = %s", (ann,))
    add_faces(queue, ann, 25, model=_other(queue))
    assert jobs(queue, ann) == [], "faces of a generation that does not answer change no cluster"


def _other(queue: Any) -> str:
    queue.generation("n", "faces")
    return "n"


def follow(queue: Any, limit: int = 1000) -> Any:
    with queue.acting("kizu_worker"):
        return queue.value("select cluster_after_flip(%s)", limit)


def test_every_user_with_faces_follows_a_flip_page_by_page(queue: Any, ann: str) -> None:
    other = queue.generation("n", "faces")
    users = [queue.user() for _ in range(3)]
    for user in users:
        add_faces(queue, user, 1, model="n")
    add_faces(queue, ann, 1)
    assert follow(queue) == {"enqueued": 0, "more": False}

    queue.value("select flip_generation(%s, true)", other)

    assert [jobs(queue, user) for user in users] == [[], [], []]
    with queue.acting("authenticated", users[0]):
        assert queue.value("select cluster_after_flip()") == {"enqueued": 0, "more": False}
    first = follow(queue, 2)
    assert first["more"]
    rest = follow(queue)
    assert (first["enqueued"] + rest["enqueued"], rest["more"]) == (3, False)
    assert [len(jobs(queue, user)) for user in users] == [1, 1, 1]
    assert jobs(queue, ann) == [], "whose faces the new generation has not seen"
    assert follow(queue) == {"enqueued": 0, "more": False}


def test_whom_a_generation_saw_before_the_faces_with_names_is_recognised_once_it_answers(
    queue: Any, ann: str
) -> None:
    """As it is when older photos are filled in no order."""
    named, alike = queue.asset(ann), queue.asset(ann)
    look(queue, ann, named, face(0, HERE, somebody(1)))
    look(queue, ann, alike, face(0, HERE, somebody(2)))
    ada = contact(queue, ann)
    with queue.acting("authenticated", ann):
        queue.value("select assign_face(%s, %s)", faces_of(queue, named)[0]["id"], ada)
    other = queue.generation("n", "faces")
    look(queue, ann, alike, face(0, HERE, somebody(3, blur=0.3), "n"))
    look(queue, ann, named, face(0, HERE, somebody(3), "n"))
    queue.value("select flip_generation(%s, true)", other)
    assert [row["contact_id"] for row in faces_of(queue, alike, "n")] == [None]
    follow(queue)

    with queue.acting("authenticated", queue.user()):
        assert not queue.value("select spread_names()")["more"], "it is not about somebody else's"
    with queue.acting("kizu_worker"):
        assert queue.value("select spread_names()")["recognised"] == 1
        assert not queue.value("select spread_names()")["more"]

    [row] = faces_of(queue, alike, "n")
    assert (str(row["contact_id"]), row["recognised"]) == (ada, True)
    assert queue.rows("select from kizu.unrecognised where user_id = %s", ann) == []


def test_who_was_clustered_by_that_generation_does_not_follow_back(queue: Any, ann: str) -> None:
    ben = queue.user()
    for user in (ann, ben):
        photo(queue, user, 1)
    Clustering(queue, ann).settle([])
    other = queue.generation("n", "faces")
    queue.value("select flip_generation(%s, true)", other)
    queue.value("select rollback_generation('faces', true)")

    assert follow(queue)["enqueued"] == 1

    assert (len(jobs(queue, ann)), len(jobs(queue, ben))) == (0, 1)
