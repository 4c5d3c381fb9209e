"""Who deletes photos, contacts and users while others say who is in them: nobody waits in a circle."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from tests.sql.clusters import Clustering
from tests.sql.conftest import Queue, acting, wait_until_locked
from tests.sql.people import HERE, face, faces_of, look, somebody
from tests.sql.people_invariants import violations

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def model(queue: Any) -> int:
    """The generation of faces that answers."""
    return int(queue.generation("m", "faces"))


def photo(queue: Queue, user: str, vector: str) -> tuple[str, str]:
    """A photo with one face: its id and the face_id."""
    asset = queue.asset(user)
    look(queue, user, asset, face(0, HERE, vector))
    return asset, str(faces_of(queue, asset)[0]["face_id"])


def test_a_user_goes_while_a_photo_of_theirs_is_settled(
    queue: Queue, connect: Callable[[], psycopg.Connection]
) -> None:
    user = queue.user()
    asset, face_id = photo(queue, user, somebody(1))
    with queue.acting("authenticated", user):
        queue.db.execute("select assign_face(%s, p_name => 'Ada')", (face_id,))
    settler, deleter = connect(), connect()
    with ThreadPoolExecutor(1) as pool:
        with settler.transaction():
            # As a settlement does: first the people of the user, then the photo.
            settler.execute("select pg_advisory_xact_lock(kizu.faces_of(%s))", (user,))
            with queue.db.transaction():
                # What the deletion waits for while it has whatever comes before the photo.
                queue.db.execute("select from contacts where user_id = %s for update", (user,))
                going = pool.submit(deleter.execute, "delete from auth.users where id = %s", (user,))
                waiting = Queue(connect())
                wait_until_locked(waiting, deleter)
            settler.execute("set local lock_timeout = '10s'")
            settler.execute("select from assets where id = %s for no key update", (asset,))
        assert going.result(30).rowcount == 1
    assert queue.rows("select from face_embeddings where user_id = %s", user) == []


def test_a_photo_goes_while_its_faces_are_asked_about(
    queue: Queue, connect: Callable[[], psycopg.Connection]
) -> None:
    """By a clustering, and as another photo comes: about who is about to go nothing is asked."""
    user = queue.user()
    going, in_it = photo(queue, user, somebody(1))
    _, other = photo(queue, user, somebody(2))
    for name, face_id in (("Ada", in_it), ("Bob", other)):
        with queue.acting("authenticated", user):
            queue.db.execute("select assign_face(%s, p_name => %s)", (face_id, name))
    run = Clustering(queue, user)
    maybe = somebody(1, blur=1.9)  # so like that it is asked about
    deleter = connect()
    with ThreadPoolExecutor(1) as pool, ExitStack() as deletion:
        deletion.enter_context(deleter.transaction())
        deleter.execute("delete from assets where id = %s", (going,))
        clustered = pool.submit(run.settle, [], [{"face_id": in_it, "other_id": other, "likeness": 0.4}])
        assert clustered.result(30)["answer"] == "settled"
        pool.submit(photo, queue, user, maybe).result(30)
        assert queue.rows("select from kizu.face_questions where user_id = %s", user) == []
        deletion.close()
    photo(queue, user, somebody(2, blur=1.9))
    (question,) = queue.rows("select face_id, other_id from kizu.face_questions where user_id = %s", user)
    assert other in map(str, question.values())
    assert violations(queue, user) == []


def test_a_cluster_goes_with_its_photos_while_a_clustering_moves_a_face_to_it(
    queue: Queue, connect: Callable[[], psycopg.Connection]
) -> None:
    """The settlement gives way and is sent again, and finds that the cluster is gone."""
    user = queue.user()
    going = [photo(queue, user, somebody(1, blur=blur))[0] for blur in (0.1, 0.2)]
    _, stranger = photo(queue, user, somebody(2))
    run = Clustering(queue, user)
    (cluster,) = {row["cluster_id"] for asset in going for row in faces_of(queue, asset)}
    moves = [run.move(stranger, str(cluster))]
    deleter = connect()
    with ThreadPoolExecutor(1) as pool:
        with deleter.transaction():
            deleter.execute("delete from assets where id = any (%s::uuid[])", (going,))
            settling = pool.submit(run.settle, moves, [])
            wait_until_locked(Queue(connect()), queue.db)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            settling.result(30)
    assert run.settle(moves, [])["answer"] == "settled"
    assert queue.value("select cluster_id from face_embeddings where face_id = %s", stranger) is None
    assert violations(queue, user) == []


def test_photos_go_while_people_become_one(queue: Queue, connect: Callable[[], psycopg.Connection]) -> None:
    """Who deletes has a photo that the name would come to, and waits for the person that is merged."""
    user = queue.user()
    kept, _ = photo(queue, user, somebody(1))
    going, in_it = photo(queue, user, somebody(1, blur=0.3))
    _, other = photo(queue, user, somebody(2))
    with queue.acting("authenticated", user):
        queue.db.execute("select assign_face(%s, p_name => 'Ada')", (other,))
    (into,) = {row["cluster_id"] for asset in (kept, going) for row in faces_of(queue, asset)}
    named = queue.value("select cluster_id from face_embeddings where face_id = %s", other)
    merger, deleter = connect(), connect()
    merger.execute("set deadlock_timeout = '20s'")

    def merge() -> str | None:
        try:
            with acting(merger, "authenticated", user):
                merger.execute("select merge_people(%s, array[%s]::uuid[])", (into, named))
        except psycopg.DatabaseError as refusal:
            return refusal.sqlstate
        return None

    with ThreadPoolExecutor(1) as pool:
        with deleter.transaction():
            deleter.execute("select from assets where id = %s for update", (going,))
            merging = pool.submit(merge)
            until = time.monotonic() + 10
            while not merging.done() and time.monotonic() < until:
                state = queue.value(
                    "select wait_event_type from pg_stat_activity where pid = %s", merger.info.backend_pid
                )
                if state == "Lock":
                    break
                time.sleep(0.01)
            deleter.execute("delete from assets where id = %s", (going,))
        assert merging.result(30) in (None, "PT503")
    assert queue.rows("select from face_embeddings where face_id = %s", in_it) == []
    assert violations(queue, user) == []
