"""Who deletes photos, contacts and users while others say who is in them: nobody waits in a circle."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

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
