"""A worker clusters faces, over the embedded stack; what it reads and writes goes over REST."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.library import Library, service
from tests.sql.clusters import clusters_of, photo
from tests.sql.conftest import Queue
from tests.sql.people_invariants import violations
from worker.app import run_worker
from worker.handlers import cluster_faces
from worker.local.stack import StackInfo

pytestmark = [pytest.mark.stack, pytest.mark.slow]

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def queue(db: Any) -> Any:
    queue = Queue(db)
    queue.generation("m", "faces", p_same_face=0.5)
    yield queue
    queue.close()


def unplace(queue: Any, user: str) -> None:
    """As if placing had not known where to put anybody."""
    queue.db.execute("update face_embeddings set cluster_id = null where user_id = %s", (user,))
    queue.db.execute("delete from face_clusters where user_id = %s", (user,))


async def drain(stack: StackInfo) -> None:
    """Let a worker of this kind alone work until nothing is due."""
    handlers = {"cluster_faces": cluster_faces.HANDLER}
    await run_worker(service(stack, lanes={"ai": 2}), drain=True, handlers=handlers)


def ask(library: Library) -> str:
    row = library.db.execute("select cluster_people(%s) ->> 'id'", [library.user_id]).fetchone()
    assert row
    return str(row[0])


def job(library: Library, job_id: str) -> Any:
    cursor = library.db.execute("select status, result, error_message from jobs where id = %s", [job_id])
    return cursor.fetchone()


async def test_a_worker_finds_out_who_is_who(
    library: Library, join: Any, stack: StackInfo, queue: Any
) -> None:
    ada = [photo(queue, library.user_id, 1)[0] for _ in range(3)]
    bob = [photo(queue, library.user_id, 2)[0] for _ in range(2)]
    [stranger] = photo(queue, library.user_id, 3)
    other = join()
    theirs = [photo(queue, other.user_id, 1)[0] for _ in range(2)]
    unplace(queue, library.user_id)
    before = clusters_of(queue, other.user_id)
    job_id = ask(library)

    await drain(stack)

    assert job(library, job_id)[:2] == ("completed", {"faces": 6, "people": 2, "moved": 5})
    found = clusters_of(queue, library.user_id)
    assert len({found[one] for one in ada}) == len({found[one] for one in bob}) == 1
    assert found[ada[0]] != found[bob[0]]
    assert None not in {found[one] for one in ada + bob}
    assert found[stranger] is None
    assert violations(queue, library.user_id) == []
    assert clusters_of(queue, other.user_id) == before
    assert set(before) == set(theirs)
