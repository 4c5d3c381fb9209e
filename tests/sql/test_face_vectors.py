"""The vectors by which a face's neighbours are found: of unit length, and apart from who the face is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sql.people import HERE, contact, face, faces_of, look, somebody

CHANGED = """
    select (n_tup_ins + n_tup_upd + n_tup_del)::int
      from pg_stat_xact_all_tables where relid = 'kizu.face_vectors'::regclass
"""


@pytest.fixture
def known(queue: Any) -> tuple[str, str]:
    """A user, and a photo of theirs with a face."""
    queue.generation("m", "faces", p_same_face=0.55)
    user = queue.user()
    asset = queue.asset(user)
    look(queue, user, asset, face(0, HERE, somebody(1)))
    return user, asset


def test_a_face_has_one_of_unit_length_as_long_as_it_is_there(queue: Any, known: tuple[str, str]) -> None:
    user, asset = known
    queue.db.execute(
        "update face_embeddings set embedding = embedding + embedding where asset_id = %s", (asset,)
    )
    (row,) = queue.rows(
        "select face.id = vector.id and face.face_id = vector.face_id as same,"
        "       l2_norm(vector.embedding) as length, vector.embedding <=> face.embedding::halfvec as apart"
        "  from kizu.face_vectors as vector join face_embeddings as face using (asset_id)"
        " where vector.user_id = %s",
        user,
    )
    assert row["same"]
    assert row["length"] == pytest.approx(1, abs=1e-3)
    assert row["apart"] == pytest.approx(0, abs=1e-4)
    queue.db.execute("delete from face_embeddings where asset_id = %s", (asset,))
    assert queue.rows("select from kizu.face_vectors where user_id = %s", user) == []


def test_names_and_clusters_change_and_its_index_is_not_told(queue: Any, known: tuple[str, str]) -> None:
    user, asset = known
    (one,) = faces_of(queue, asset)
    ada = contact(queue, user)
    cluster = queue.value("insert into face_clusters (user_id) values (%s) returning id", user)
    indexed = queue.value(
        "select array_agg(indrelid::regclass::text) from pg_index"
        " join generations as generation on kizu.index_of(generation) = (indexrelid::regclass::text::name)"
        "   or 'kizu.' || kizu.index_of(generation) = indexrelid::regclass::text"
        " where kind = 'faces'"
    )
    assert indexed == ["kizu.face_vectors"]
    queue.db.execute("select pg_stat_force_next_flush()")
    with queue.db.transaction():
        queue.db.execute("select kizu.move_faces(%s, %s, %s)", (user, [one["face_id"]], cluster))
        queue.db.execute("update face_embeddings set contact_id = %s where id = %s", (ada, one["id"]))
        assert queue.value(CHANGED) == 0
        queue.db.execute(
            "update face_embeddings set embedding = embedding + embedding where id = %s", (one["id"],)
        )
        assert queue.value(CHANGED) == 0
        queue.db.execute("update face_embeddings set embedding = %s where id = %s", (somebody(2), one["id"]))
        assert queue.value(CHANGED) == 1
