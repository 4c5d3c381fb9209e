"""Clusters are counted, summed up and represented whatever happens to their faces."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from tests.sql.people import HERE, look
from tests.sql.people import face as row_of
from tests.sql.people_invariants import violations
from tests.sql.test_place_faces import now, seen
from tests.sql.test_recognise_faces import MARGIN, MAYBE, SAME, towards

CLOSE = [towards(1 - n / 50) for n in range(6)]


@pytest.fixture
def user(queue: Any) -> str:
    queue.generation("m", "faces", dimension=16, p_same_face=SAME)
    queue.db.execute("update generations set maybe_face = %s, face_margin = %s", (MAYBE, MARGIN))
    return str(queue.user())


@pytest.fixture
def members(queue: Any, user: str) -> list[dict[str, Any]]:
    rows = [seen(queue, user, vector, quality=0.9 - n / 10)[0] for n, vector in enumerate(CLOSE)]
    assert len({now(queue, row) for row in rows}) == 1
    return rows


def cluster_of(queue: Any, user: str) -> dict[str, Any]:
    [row] = queue.rows("select * from face_clusters where user_id = %s", user)
    return dict(row)


def test_the_best_stands_for_all(queue: Any, user: str, members: list[dict[str, Any]]) -> None:
    assert cluster_of(queue, user)["representative_face_id"] == members[0]["id"]
    queue.db.execute("delete from assets where id = %s", (members[0]["asset_id"],))
    assert cluster_of(queue, user)["representative_face_id"] == members[1]["id"]
    assert cluster_of(queue, user)["face_count"] == 5
    assert violations(queue, user) == []


@pytest.mark.parametrize("goes", ["face", "asset", "user"])
def test_what_goes_is_in_no_sum(queue: Any, user: str, members: list[dict[str, Any]], goes: str) -> None:
    for row in members:
        if goes == "user":
            queue.db.execute("delete from auth.users where id = %s", (user,))
        elif goes == "face":
            queue.db.execute("delete from face_embeddings where id = %s", (row["id"],))
        else:
            queue.db.execute("delete from assets where id = %s", (row["asset_id"],))
        assert violations(queue, user) == []
    assert queue.rows("select from face_clusters where user_id = %s", user) == []
    assert queue.rows("select from kizu.cluster_sums where user_id = %s", user) == []


def test_a_flip_counts_by_the_vectors_that_answer(
    queue: Any, user: str, members: list[dict[str, Any]]
) -> None:
    other = queue.generation("n", "faces", dimension=16, p_same_face=0.6)
    before = cluster_of(queue, user)
    for row in members[:4]:
        look(queue, user, row["asset_id"], row_of(0, {**HERE, "x": 0.0}, towards(0, 1), model="n"))
    assert cluster_of(queue, user)["face_count"] == 6
    queue.value("select flip_generation(%s, true)", other)
    assert cluster_of(queue, user)["face_count"] == 4
    assert violations(queue, user) == []
    queue.value("select rollback_generation('faces', true)")
    assert cluster_of(queue, user)["representative_face_id"] == before["representative_face_id"]
    assert violations(queue, user) == []


ROWS = """
    select coalesce(sum(pg_stat_get_xact_tuples_fetched(indexrelid)), 0)::int
      from pg_index
     where indrelid in ('face_embeddings'::regclass, 'kizu.face_vectors'::regclass)
"""


def test_who_joins_and_leaves_a_large_cluster_costs_no_more(queue: Any, user: str) -> None:
    cost = {}
    for size in (20, 2000):
        cluster = queue.value("insert into face_clusters (user_id) values (%s) returning id", user)
        queue.db.execute(
            "with asset as (insert into assets (user_id, path, media_type)"
            " select %(user)s::uuid, %(user)s::text || '/' || %(cluster)s::text || n, 'document'"
            "   from generate_series(1, %(size)s) as n returning id)"
            " insert into face_embeddings"
            "   (user_id, asset_id, embedding, bounding_box, model_version, cluster_id)"
            " select %(user)s::uuid, id, %(vector)s, '{}', 'm', %(cluster)s::uuid from asset",
            {"user": user, "cluster": cluster, "size": size, "vector": towards(1)},
        )
        queue.db.execute("analyze face_embeddings, kizu.face_vectors, face_clusters, kizu.cluster_sums")
        face_id = queue.value("select face_id from face_embeddings where cluster_id = %s limit 1", cluster)
        queue.db.execute("select pg_stat_force_next_flush()")
        with queue.db.transaction():
            for where in (None, cluster):
                queue.db.execute("select kizu.move_faces(%s, array[%s]::uuid[], %s)", (user, face_id, where))
            cost[size] = queue.value(ROWS)
    assert 0 < cost[2000] <= cost[20] + 10, cost
    assert violations(queue, user) == []


def test_a_deletion_waits_for_a_settlement_and_neither_for_the_other(
    queue: Any,
    user: str,
    members: list[dict[str, Any]],
    stack: Any,
) -> None:
    """Who changes people holds the cluster; who deletes a photo of it holds the photo, and comes after."""
    with psycopg.connect(stack.database_url) as settling:
        settling.execute("select pg_advisory_xact_lock(kizu.faces_of(%s))", (user,))
        settling.execute("select kizu.move_faces(%s, array[%s]::uuid[], null)", (user, members[5]["face_id"]))
        done = threading.Event()

        def delete() -> None:
            with psycopg.connect(stack.database_url) as deleting:
                deleting.execute("delete from assets where id = %s", (members[0]["asset_id"],))
            done.set()

        thread = threading.Thread(target=delete)
        thread.start()
        assert not done.wait(0.5)
        with pytest.raises(psycopg.errors.LockNotAvailable), settling.transaction():
            settling.execute(
                "select kizu.move_faces(%s, array[%s]::uuid[], null)", (user, members[0]["face_id"])
            )
        settling.commit()
        thread.join()
    assert cluster_of(queue, user)["face_count"] == 4
    assert violations(queue, user) == []
