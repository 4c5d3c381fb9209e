"""A library whose faces had clusters and names before people had rules: migrated, the rules hold."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import psycopg
import pytest

from tests.sql.conftest import Queue
from tests.sql.people import HERE, THERE, contact, face, look, somebody
from tests.sql.people_invariants import violations
from worker.local.migrations import apply_migrations
from worker.local.stack import PROJECT, LocalStack

pytestmark = pytest.mark.stack

LAST = "20261130000920"
"""The last migration of a library without rules for people."""
SOMEWHERE = {"x": 0.8, "y": 0.1, "width": 0.1, "height": 0.1}


class Library(NamedTuple):
    queue: Queue
    user: str
    faces: dict[str, str]
    """The row of each, by what it is called here."""
    contacts: dict[str, str]


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
                library = filled(Queue(db))
                apply_migrations(local.up().database_url, PROJECT / "migrations")
                yield library
        finally:
            local.down()


def filled(queue: Queue) -> Library:
    queue.generation("m", "faces")
    queue.generation("n", "faces")
    user = queue.user()
    contacts = {name: contact(queue, user, name) for name in ("Ada", "Bob", "Cid")}
    faces: dict[str, str] = {}

    def photo(*names: str, seed: int = 1) -> None:
        asset = queue.asset(user)
        boxes = (HERE, THERE, SOMEWHERE)
        look(
            queue,
            user,
            asset,
            *(face(n, boxes[n], somebody(seed + 100 * n, blur=0.9)) for n, _ in enumerate(names)),
        )
        rows = queue.rows("select id from face_embeddings where asset_id = %s order by face_index", asset)
        faces.update(zip(names, (str(row["id"]) for row in rows), strict=True))

    def cluster(*names: str, who: str | None = None, called: str | None = None) -> str:
        made = str(uuid.uuid4())
        queue.db.execute(
            "insert into face_clusters (id, user_id, contact_id, name, face_count)"
            " values (%s, %s, %s, %s, %s)",
            (made, user, who and contacts[who], called, len(names)),
        )
        put(made, *names)
        return made

    def put(where: str | None, *names: str) -> None:
        queue.db.execute(
            "update face_embeddings set cluster_id = %s where id = any (%s::uuid[])",
            (where, [faces[name] for name in names]),
        )

    def say(name: str, who: str | None) -> None:
        with queue.acting("authenticated", user):
            queue.db.execute("select assign_face(%s, %s)", (faces[name], who and contacts[who]))

    photo("ada 1", seed=1)
    photo("ada 2", seed=2)
    photo("ada 3", seed=3)
    photo("ada beside", "beside ada", seed=4)
    photo("twice 1", "twice 2", seed=5)
    photo("not ada", seed=6)
    photo("bob", seed=7)
    photo("grandpa 1", seed=8)
    photo("grandpa 2", seed=9)
    photo("cid among others", seed=10)
    photo("another", seed=11)
    cluster("ada 1", "ada 2", "beside ada", "not ada", who="Ada")
    cluster("ada 3", who="Ada")
    cluster("grandpa 1", "grandpa 2", called="Grandpa")
    cluster("twice 1", "twice 2")
    cluster("cid among others", "another")
    cluster()
    say("ada beside", "Ada")
    say("bob", "Bob")
    say("not ada", "Ada")
    say("not ada", None)
    put(str(queue.value("select cluster_id from face_embeddings where id = %s", faces["ada 1"])), "not ada")
    say("cid among others", "Cid")
    # As another model had it.
    queue.db.execute(
        "insert into face_embeddings (user_id, asset_id, face_id, embedding, bounding_box, model_version)"
        " select user_id, asset_id, face_id, embedding, bounding_box, 'n' from face_embeddings where id = %s",
        (faces["another"],),
    )
    return Library(queue=queue, user=user, faces=faces, contacts=contacts)


def where(library: Library, name: str) -> Any:
    (row,) = library.queue.rows(
        "select face.cluster_id::text as cluster, cluster.contact_id::text as contact, cluster.name"
        " from face_embeddings as face left join face_clusters as cluster on cluster.id = face.cluster_id"
        " where face.id = %s",
        library.faces[name],
    )
    return row


def test_the_rules_hold(library: Library) -> None:
    assert violations(library.queue, library.user) == []


def test_what_people_said_is_kept(library: Library) -> None:
    """A contact's clusters are one, whatever contradicts it has left."""
    ada = where(library, "ada 1")["cluster"]
    for name in ("ada 2", "ada 3", "ada beside"):
        assert where(library, name) == {**where(library, "ada 1"), "contact": library.contacts["Ada"]}
    assert {where(library, name)["cluster"] for name in ("not ada", "beside ada")} == {None}
    assert where(library, "bob")["contact"] == library.contacts["Bob"]
    assert where(library, "cid among others")["contact"] == library.contacts["Cid"]
    assert where(library, "grandpa 1") == where(library, "grandpa 2")
    assert where(library, "grandpa 1")["name"] == "Grandpa"
    counted = library.queue.value("select face_count from face_clusters where id = %s", ada)
    assert counted == 4
    (other,) = library.queue.rows(
        "select cluster_id::text as cluster from face_embeddings where model_version = 'n'"
        " and face_id = (select face_id from face_embeddings where id = %s)",
        library.faces["another"],
    )
    assert other["cluster"] == where(library, "another")["cluster"]


def test_the_library_is_clustered_soon(library: Library) -> None:
    assert library.queue.value("select cluster_after_flip()") == {"enqueued": 1, "more": False}
