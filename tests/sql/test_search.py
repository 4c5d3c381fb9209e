"""Searching by vector: whose pictures, which model's vectors, the nearest first, no more than asked for."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import psycopg
import pytest

pytestmark = pytest.mark.stack

MODEL = "openclip-test"
DIMENSIONS = 512


def vector(similarity: float, seed: int = 0) -> str:
    """A unit vector as like QUERY as that, and beyond that at random."""
    if abs(similarity) == 1:
        rest = [0.0] * (DIMENSIONS - 1)
    else:
        random = Random(seed)
        rest = [random.gauss(0, 1) for _ in range(DIMENSIONS - 1)]
        length = math.hypot(*rest)
        rest = [number / length * math.sqrt(1 - similarity**2) for number in rest]
    return "[" + ",".join(map(str, [similarity, *rest])) + "]"


QUERY = vector(1)


@pytest.fixture
def picture(queue: Any) -> Any:
    """Adds a picture of a user, as like QUERY as told, seen by a model; MODEL is the active generation."""
    known = {MODEL: queue.generation(MODEL)}

    def add(user: str, similarity: float, model: str = MODEL, asset: str | None = None) -> str:
        asset = asset or queue.asset(user)
        if model not in known:
            known[model] = queue.generation(model)
        queue.db.execute(
            "insert into image_embeddings (user_id, asset_id, embedding, model_version)"
            " values (%s, %s, %s, %s)",
            (user, asset, vector(similarity, queue.value("select (random() * 1e9)::int")), model),
        )
        return asset

    return add


def search(queue: Any, user: str, **arguments: Any) -> list[dict[str, Any]]:
    """As the user's app would."""
    with queue.acting("authenticated", user):
        return found(queue, **arguments)


def found(queue: Any, **arguments: Any) -> list[dict[str, Any]]:
    wish = {"query_embedding": QUERY, "filter_model_version": MODEL, **arguments}
    names = ", ".join(f"{name} => %s" for name in wish)
    rows = queue.rows(f"select * from public.search_image_embeddings({names})", *wish.values())
    return [{**row, "asset_id": str(row["asset_id"])} for row in rows]


def test_the_most_similar_come_first(queue: Any, picture: Any) -> None:
    user = queue.user()
    wanted = {similarity: picture(user, similarity) for similarity in (0.7, 0.95, 0.6, 0.8)}
    rows = search(queue, user)
    assert [row["asset_id"] for row in rows] == [wanted[similarity] for similarity in (0.95, 0.8, 0.7, 0.6)]
    assert [round(row["similarity"], 5) for row in rows] == [0.95, 0.8, 0.7, 0.6]
    assert {row["metadata"]["model_version"] for row in rows} == {MODEL}
    created = queue.value(
        "select to_jsonb(created_at) from image_embeddings where asset_id = %s", wanted[0.95]
    )
    assert rows[0]["metadata"]["created_at"] == created


def test_nothing_less_similar_than_the_threshold_is_found(queue: Any, picture: Any) -> None:
    user = queue.user()
    for similarity in (0.9, 0.55, 0.45, 0.1, -0.3):
        picture(user, similarity)
    assert len(search(queue, user)) == 2
    assert len(search(queue, user, match_threshold=0.8)) == 1
    assert len(search(queue, user, match_threshold=0.0)) == 4
    assert len(search(queue, user, match_threshold=-1)) == 5


def test_no_more_are_found_than_asked_for(queue: Any, picture: Any) -> None:
    user = queue.user()
    best = [picture(user, 0.99 - number / 100) for number in range(13)]
    assert [row["asset_id"] for row in search(queue, user)] == best[:10]
    assert [row["asset_id"] for row in search(queue, user, match_count=3)] == best[:3]
    assert search(queue, user, match_count=0) == search(queue, user, match_count=-5) == []
    assert len(search(queue, user, match_count=None)) == 10
    assert len(search(queue, user, match_count=2_000_000_000)) == 13


def test_a_user_finds_only_their_own_pictures(queue: Any, picture: Any) -> None:
    user, another = queue.user(), queue.user()
    mine, theirs = picture(user, 0.6), picture(another, 0.9)
    assert [row["asset_id"] for row in search(queue, user)] == [mine]
    assert [row["asset_id"] for row in search(queue, user, filter_user_id=user)] == [mine]
    assert search(queue, user, filter_user_id=another) == []
    with queue.acting("service_role"):
        everybody = [row["asset_id"] for row in found(queue)]
        assert everybody == [theirs, mine]
        assert [row["asset_id"] for row in found(queue, filter_user_id=user)] == [mine]


def test_others_pictures_take_no_place_in_the_answer(queue: Any, picture: Any) -> None:
    """Filtered before the limit: however many of others' are nearer."""
    user, another = queue.user(), queue.user()
    for _ in range(30):
        picture(another, 0.99)
        picture(user, 0.99, model="another-model")
    mine = picture(user, 0.6)
    assert [row["asset_id"] for row in search(queue, user, match_count=1)] == [mine]


def test_vectors_of_two_models_are_never_mixed(queue: Any, picture: Any) -> None:
    user = queue.user()
    asset = picture(user, 0.7)
    picture(user, 0.9, model="another-model", asset=asset)
    assert [round(row["similarity"], 5) for row in search(queue, user)] == [0.7]
    assert [
        round(row["similarity"], 5)
        for row in search(queue, user, filter_model_version="another-model")
    ] == [0.9]  # fmt: skip
    with pytest.raises(psycopg.DatabaseError, match="unknown_generation") as refusal:
        search(queue, user, filter_model_version="unheard-of")
    assert refusal.value.sqlstate == "PT409"


def test_left_to_itself_a_search_takes_the_active_generation(queue: Any, picture: Any) -> None:
    """However many pictures another model knows."""
    user = queue.user()
    mine = picture(user, 0.6)
    newer = queue.generation("newer")
    for _ in range(3):
        picture(user, 0.7, model="newer")
    rows = search(queue, user, filter_model_version=None)
    assert [row["asset_id"] for row in rows] == [mine]
    assert versions(rows) == {MODEL}

    queue.value("select flip_generation(%s, true)", newer)

    assert versions(search(queue, user, filter_model_version=None)) == {"newer"}
    with queue.acting("service_role"):
        assert versions(found(queue, filter_user_id=user, filter_model_version=None)) == {"newer"}


def test_before_there_is_a_generation_nothing_is_found(queue: Any) -> None:
    assert search(queue, queue.user(), filter_model_version=None) == []


def versions(rows: list[dict[str, Any]]) -> set[str]:
    return {row["metadata"]["model_version"] for row in rows}


@pytest.mark.parametrize("query", [None, "[1,0,0]", "[" + ",".join("0" * DIMENSIONS) + "]"])
def test_what_is_no_vector_of_ours_is_a_mistake(queue: Any, query: str | None) -> None:
    user = queue.user()
    queue.generation(MODEL)
    with pytest.raises(psycopg.DatabaseError, match="bad_params"):
        search(queue, user, query_embedding=query)


# Beside many.

CROWD = 1_050


@pytest.fixture
def crowd(queue: Any, picture: Any) -> str:
    """A user with many pictures, each like nothing in particular, all less like QUERY than 0.3."""
    user: str = queue.user()
    queue.db.execute(
        "with made as (insert into assets (user_id, path, media_type)"
        " select %(user)s::uuid, %(user)s::text || '/' || n, 'document'"
        "   from generate_series(1, %(count)s) as n"
        " returning id, user_id)"
        " insert into image_embeddings (user_id, asset_id, model_version, embedding)"
        " select user_id, id, %(model)s, extensions.l2_normalize("
        "          (select array_agg(random() - 0.5) from generate_series(1, 512) where made.id is not null)"
        "          ::extensions.vector)"
        "   from made",
        {"user": user, "count": CROWD, "model": MODEL},
    )
    return user


READS = """
    select seq_scan::int as seq_scans,
           idx_tup_fetch::int as rows_fetched,
           (select idx_scan::int from pg_stat_user_indexes
             where indexrelname = (select kizu.index_of(generation) from generations as generation
                                    where kind = 'pictures' and state = 'active')) as by_similarity
      from pg_stat_user_tables
     where relid = 'public.image_embeddings'::regclass
"""


def cost(queue: Any, act: Any) -> dict[str, int]:
    """What `act` reads, planned afresh."""
    before = reads(queue)
    act()
    after = reads(queue)
    return {name: after[name] - before[name] for name in after}


def reads(queue: Any) -> dict[str, int]:
    queue.db.execute("select pg_stat_force_next_flush()")
    queue.db.execute("select pg_stat_clear_snapshot()")
    return dict(queue.rows(READS)[0])


def test_a_search_answers_a_thousand_at_most(queue: Any, crowd: str) -> None:
    assert len(search(queue, crowd, match_count=5_000, match_threshold=-1)) == 1_000


@pytest.mark.parametrize("analyzed", ["no", "yes", "when it was empty"])
def test_a_small_library_beside_a_large_one_reads_only_its_own(
    queue: Any, crowd: str, picture: Any, analyzed: str
) -> None:
    user = queue.user()
    mine = [picture(user, 0.9 - number / 10) for number in range(5)]
    if analyzed != "no":
        queue.db.execute("analyze public.image_embeddings")
    if analyzed == "when it was empty":  # its columns are known from before
        queue.db.execute(
            "update pg_class set reltuples = 0, relpages = 1"
            " where oid = 'public.image_embeddings'::regclass"
            "    or oid in (select indexrelid from pg_index"
            "                where indrelid = 'public.image_embeddings'::regclass)"
        )
    for version in (MODEL, None):
        arguments = {"filter_model_version": version, "match_threshold": -1}
        assert [row["asset_id"] for row in search(queue, user, **arguments)] == mine

        touched = cost(queue, lambda arguments=arguments: search(queue, user, **arguments))

        assert touched["seq_scans"] == touched["by_similarity"] == 0
        assert touched["rows_fetched"] <= 4 * len(mine)


def test_everybodys_pictures_are_searched_by_their_index(queue: Any, crowd: str, picture: Any) -> None:
    wanted = [picture(queue.user(), 0.9 - number / 10) for number in range(3)]

    def act() -> None:
        with queue.acting("service_role"):
            assert [row["asset_id"] for row in found(queue)] == wanted

    touched = cost(queue, act)

    assert touched["by_similarity"] == 1
    assert touched["seq_scans"] == 0
    assert touched["rows_fetched"] < CROWD / 2


def test_a_large_library_is_searched_by_the_index_and_still_alone(
    queue: Any, crowd: str, picture: Any
) -> None:
    """The index goes on past others' pictures until enough of the user's own are found."""
    user, others = queue.user(), [queue.user() for _ in range(2)]
    mine = []
    for number in range(60):
        mine.append(picture(user, 0.6 - number / 1000))
        for another in others:
            picture(another, 0.95)
    queue.db.execute("set kizu.test_exact = 10")
    try:
        touched = cost(queue, lambda: search(queue, user, match_count=40))
        rows = search(queue, user, match_count=40)
        short = search(queue, user, match_count=40, match_threshold=0.5805)
    finally:
        queue.db.execute("reset kizu.test_exact")
    assert touched["by_similarity"] == 1
    assert touched["seq_scans"] == 0
    # An HNSW index is approximate, and in strict order drops a nearer row that it finds late.
    for found, nearest in ((rows, mine[:40]), (short, mine[:20])):
        ids = [row["asset_id"] for row in found]
        assert ids == sorted(ids, key=mine.index)
        assert len(set(ids) & set(nearest)) >= 0.9 * len(nearest)
    assert len(rows) == 40
    assert {row["asset_id"] for row in short} <= set(mine[:20])
