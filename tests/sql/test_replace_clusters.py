"""What a clustering found is written as far as it goes together with what happened meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sql.clusters import Clustering, clusters_of, photo
from tests.sql.people_invariants import violations

pytestmark = pytest.mark.stack


@pytest.fixture
def ann(queue: Any) -> str:
    queue.generation("m", "faces")
    return str(queue.user())


def verdict(queue: Any, user: str, word: str, *faces: str, cluster: str | None = None) -> int:
    """As a verb would write it."""
    number = queue.value(
        "insert into face_verdicts (user_id, verdict, cluster_id) values (%s, %s, %s) returning id",
        *(user, word, cluster),
    )
    for one in faces:
        queue.db.execute(
            "insert into face_verdict_faces (verdict_id, face_id, asset_id, user_id)"
            " select distinct %s::bigint, face_id, asset_id, user_id from face_embeddings where face_id = %s",
            (number, one),
        )
    return int(number)


def pair(queue: Any, user: str, one: str, other: str, *, same: bool) -> None:
    number = verdict(queue, user, "same" if same else "different", one, other)
    queue.db.execute(
        "insert into kizu.face_pairs (face_id, other_id, user_id, asset_id, other_asset, same, verdict_id)"
        " select distinct one.face_id, other.face_id, one.user_id, one.asset_id, other.asset_id, %s,"
        "        %s::bigint"
        "   from face_embeddings as one, face_embeddings as other"
        "  where one.face_id = %s and other.face_id = %s",
        (same, number, min(one, other), max(one, other)),
    )


def clear(queue: Any, user: str) -> None:
    """As if placing had not known where to put anybody."""
    queue.db.execute("update face_embeddings set cluster_id = null where user_id = %s", (user,))
    queue.db.execute("delete from face_clusters where user_id = %s", (user,))


def test_faces_come_into_new_clusters_which_are_counted(queue: Any, ann: str) -> None:
    faces = [photo(queue, ann, 1)[0] for _ in range(3)]
    clear(queue, ann)
    run = Clustering(queue, ann)
    cluster, moves = run.group(*faces)

    assert run.settle(moves)["answer"] == "settled"

    assert clusters_of(queue, ann) == dict.fromkeys(faces, cluster)
    (row,) = queue.rows("select face_count, user_id from face_clusters where id = %s", cluster)
    assert (row["face_count"], str(row["user_id"])) == (3, ann)
    assert violations(queue, ann) == []
    assert queue.value("select count(*) from kizu.staged") == 0
