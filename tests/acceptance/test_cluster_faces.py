"""A worker clusters faces, over the embedded stack; what it reads and writes goes over REST."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.library import Library, service, wait_for
from tests.sql.clusters import clusters_of, photo
from tests.sql.conftest import Queue
from tests.sql.people import somebody
from tests.sql.people_invariants import violations
from worker.app import run_worker
from worker.handlers import cluster_faces
from worker.local.stack import StackInfo
from worker.project.connection import Connection

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


async def test_what_happens_while_it_runs_is_neither_lost_nor_undone(
    library: Library, stack: StackInfo, queue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = [photo(queue, library.user_id, 1)[0] for _ in range(4)]
    unplace(queue, library.user_id)
    real = cluster_faces.cluster
    new: list[str] = []

    async def cluster(*arguments: Any, **more: Any) -> Any:
        new.extend(photo(queue, library.user_id, 1))
        number = queue.value(
            "insert into face_verdicts (user_id, verdict) values (%s, 'not_a_face') returning id",
            library.user_id,
        )
        queue.db.execute("select kizu.move_faces(%s, array[%s]::uuid[], null)", (library.user_id, ada[0]))
        queue.db.execute(
            "insert into kizu.face_marks (face_id, user_id, asset_id, mark, verdict_id)"
            " select face_id, user_id, asset_id, 'not_a_face', %s from face_embeddings where face_id = %s",
            (number, ada[0]),
        )
        return await real(*arguments, **more)

    monkeypatch.setattr(cluster_faces, "cluster", cluster)
    job_id = ask(library)

    await drain(stack)

    assert job(library, job_id)[0] == "completed"
    found = clusters_of(queue, library.user_id)
    assert found[ada[0]] is None, "it is no face, as was said meanwhile"
    assert len({found[one] for one in ada[1:]} - {None}) == 1
    assert set(found) == {*ada, *new}
    assert violations(queue, library.user_id) == []


STUCK_WORKER = """
import asyncio
from worker.cli import main
from worker.project.staging import SupabaseStaging

keep = SupabaseStaging.keep

async def keep_and_hang(self, name, rows):
    staged = await keep(self, name, rows)
    await asyncio.sleep(600)
    return staged

SupabaseStaging.keep = keep_and_hang
main()
"""


def test_a_worker_that_is_killed_leaves_nothing_half_written_and_another_goes_on(
    library: Library, join: Any, queue: Any, start_worker: Start
) -> None:
    """F6 of the defects that are not to be inherited: who clusters may die."""
    ada = [photo(queue, library.user_id, 1)[0] for _ in range(3)]
    unplace(queue, library.user_id)
    stranger = join()
    photo(queue, stranger.user_id, 1)
    theirs = clusters_of(queue, stranger.user_id)
    job_id = ask(library)
    lane = {
        "LANES": "ai=1",
        "MODEL_PROFILE": "tiny",
        "LEASE_SECONDS": "30",
        "WAKE": "off",
        "POLL_INTERVAL": "1",
    }
    victim = start_worker(program=("-c", STUCK_WORKER), **lane)
    wait_for(lambda: queue.value("select count(*) from kizu.staged"), "staged rows")

    victim.kill()
    victim.wait()

    assert set(clusters_of(queue, library.user_id).values()) == {None}
    queue.expire({"id": job_id})
    start_worker(**lane)
    wait_for(lambda: job(library, job_id)[0] == "completed", "the other worker")
    found = clusters_of(queue, library.user_id)
    assert len({found[one] for one in ada} - {None}) == 1
    assert queue.value("select count(*) from kizu.staged") == 0
    assert clusters_of(queue, stranger.user_id) == theirs
    assert violations(queue, library.user_id) == []


async def test_names_and_ids_outlive_a_second_run(library: Library, stack: StackInfo, queue: Any) -> None:
    """F2 of the defects that are not to be inherited."""
    ada = [photo(queue, library.user_id, 1)[0] for _ in range(3)]
    ask(library)
    await drain(stack)
    first = clusters_of(queue, library.user_id)[ada[0]]
    queue.db.execute("update face_clusters set name = 'Gran', hidden = true where id = %s", (first,))
    more = photo(queue, library.user_id, 1)
    queue.db.execute(
        "update face_embeddings set cluster_id = null where face_id = any (%s::uuid[])", ([*more, ada[2]],)
    )
    queue.db.execute("select kizu.count_people(%s, array[%s]::uuid[])", (library.user_id, first))
    job_id = ask(library)

    await drain(stack)

    assert job(library, job_id)[0] == "completed"
    assert set(clusters_of(queue, library.user_id).values()) == {first}
    assert queue.rows("select name, hidden, face_count from face_clusters where id = %s", first) == [
        {"name": "Gran", "hidden": True, "face_count": 4}
    ]
    assert violations(queue, library.user_id) == []


async def test_no_request_carries_more_than_a_page(
    library: Library, stack: StackInfo, queue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F5 of the defects that are not to be inherited."""
    queue.db.execute(
        "with asset as (insert into assets (user_id, path, media_type)"
        "               select %s, %s || '/' || n, 'document' from generate_series(1, 2100) as n"
        "            returning id)"
        " insert into face_embeddings (user_id, asset_id, embedding, bounding_box, model_version)"
        " select %s, id, %s, '{}', 'm' from asset",
        (library.user_id, library.user_id, library.user_id, somebody(1)),
    )
    pages: list[int] = []
    real = Connection.rpc

    async def rpc(self: Any, function: str, params: Any = None, **more: Any) -> Any:
        answer = await real(self, function, *([params] if params is not None else []), **more)
        if function == "read_for_job":
            pages.append(len(answer["rows"]))
        elif function == "stage_for_job":
            pages.append(len(params["p_rows"]))
        elif function == "settle_jobs":
            pages.append(len(json.dumps(params["p_settlements"], default=str)) // 1000)
        return answer

    monkeypatch.setattr(Connection, "rpc", rpc)
    queue.db.execute("delete from jobs where user_id = %s", (library.user_id,))
    job_id = ask(library)

    await drain(stack)

    assert job(library, job_id)[1]["moved"] == 2100
    assert max(pages) == 1000
    assert sum(count == 1000 for count in pages) == 4, "two pages read, two staged, and what is left of both"
    assert len(set(clusters_of(queue, library.user_id).values())) == 1


async def test_what_is_too_much_for_one_settlement_is_written_by_several(
    library: Library, stack: StackInfo, queue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = [photo(queue, library.user_id, 1)[0] for _ in range(5)]
    bob = [photo(queue, library.user_id, 2)[0] for _ in range(3)]
    unplace(queue, library.user_id)
    queue.db.execute("delete from jobs where user_id = %s", (library.user_id,))
    monkeypatch.setattr(cluster_faces, "MOST_MOVES", 3)
    ask(library)

    await drain(stack)

    found = clusters_of(queue, library.user_id)
    assert [len({found[one] for one in faces} - {None}) for faces in (ada, bob)] == [1, 1]
    assert None not in found.values()
    rows = queue.rows("select status from jobs where user_id = %s", library.user_id)
    assert [row["status"] for row in rows] == ["completed"] * 3
    assert violations(queue, library.user_id) == []
