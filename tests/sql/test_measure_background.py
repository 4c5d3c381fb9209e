"""The cut-off of a generation of pictures: whose turn it is, what is compared, and what stands."""

from __future__ import annotations

import math
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

pytestmark = pytest.mark.stack

VERSION = "m"
NORTH, EAST = "[1,0,0,0]", "[0,1,0,0]"


@pytest.fixture
def generation(queue: Any) -> int:
    return int(queue.generation(VERSION, dimension=4))


def see(queue: Any, user: str, count: int, version: str = VERSION) -> None:
    """Photos of a user, the n-th at an angle of n degrees to the north."""
    queue.db.execute(
        """
        with photo as (
          insert into assets (user_id, path, media_type)
          select %(user)s::uuid, concat(%(user)s::text, '/', gen_random_uuid()), 'document'
            from generate_series(1, %(count)s)
          returning id
        ),
        numbered as (select id, row_number() over () as number from photo),
        seen as (
          insert into image_embeddings (user_id, asset_id, model_version, embedding)
          select %(user)s::uuid, id, %(version)s,
                 format('[%%s,%%s,0,0]', 2 * cosd(number), 2 * sind(number))::extensions.vector
            from numbered
        )
        insert into asset_facts (user_id, asset_id, fact, version, state)
        select %(user)s::uuid, id, 'embedding', %(version)s, 'done' from numbered
        """,
        {"user": user, "count": count, "version": version},
    )


def due(queue: Any, role: str = "service_role", user: str | None = None) -> dict[int, int]:
    with queue.acting(role, user):
        rows = queue.value("select unmeasured_generations()")
    return {row["id"]: row["photos"] for row in rows}


def measure(queue: Any, generation: int, *vectors: str) -> Any:
    with queue.acting("service_role"):
        return queue.value("select measure_background(%s, %s)", generation, list(vectors))


def keep(queue: Any, generation: int, cutoff: float, photos: int) -> float:
    with queue.acting("service_role"):
        return float(queue.value("select keep_cutoff(%s, %s, %s)", generation, cutoff, photos)["cutoff"])


def test_it_is_due_with_twenty_photos_and_again_with_four_times_as_many(queue: Any, generation: int) -> None:
    user = queue.user()
    assert due(queue) == {}
    see(queue, user, 19)
    assert due(queue) == {}
    see(queue, user, 1)
    assert due(queue) == {generation: 20}
    assert keep(queue, generation, 0.3, 20) == pytest.approx(0.3)
    assert due(queue) == {}
    see(queue, user, 59)
    assert due(queue) == {}
    see(queue, user, 2)
    assert due(queue) == {generation: 81}


def test_one_that_a_comparison_or_an_older_worker_set_is_measured_too(queue: Any, generation: int) -> None:
    see(queue, queue.user(), 25)
    queue.value("select calibrate_generation(%s, 0.5, %s)", generation, Jsonb({}))
    assert due(queue) == {generation: 25}
    assert keep(queue, generation, 0.3, 25) == pytest.approx(0.3)
    assert due(queue) == {}


def test_each_generation_that_is_written_to_is_measured(queue: Any, generation: int) -> None:
    beside = queue.generation("n", dimension=4)
    user = queue.user()
    see(queue, user, 20)
    see(queue, user, 30, "n")
    assert due(queue) == {generation: 20, beside: 30}
    queue.db.execute("update generations set state = 'dropping' where id = %s", [beside])
    assert due(queue) == {generation: 20}


def test_the_nearest_of_each_block_is_told_as_a_cosine(queue: Any, generation: int) -> None:
    see(queue, queue.user(), 24)
    found = measure(queue, generation, NORTH, EAST, "[-3,0,0,0]")
    assert found["photos"] == 24
    north, east, south = found["nearest"]
    assert [len(north), len(east), len(south)] == [8, 8, 8]
    assert max(north) == pytest.approx(math.cos(math.radians(1)), abs=1e-5)
    assert max(east) == pytest.approx(math.sin(math.radians(24)), abs=1e-5)
    assert max(south) == pytest.approx(-math.cos(math.radians(24)), abs=1e-5)
    # Eight blocks of three photos: the least of their maxima is at most the third best of all.
    assert math.cos(math.radians(22)) - 1e-5 < min(north) < max(north)


def test_what_was_measured_among_more_photos_stands(queue: Any, generation: int) -> None:
    see(queue, queue.user(), 20)
    assert keep(queue, generation, 0.4, 100) == pytest.approx(0.4)
    assert keep(queue, generation, 0.3, 100) == pytest.approx(0.4), "another worker was as quick"
    assert keep(queue, generation, 0.3, 99) == pytest.approx(0.4)
    assert keep(queue, generation, 0.3, 101) == pytest.approx(0.3)


def test_a_generation_that_was_dropped_and_begun_again_is_measured_anew(queue: Any, generation: int) -> None:
    beside = queue.generation("n", dimension=4)
    see(queue, queue.user(), 20, "n")
    keep(queue, beside, 0.4, 1000)
    queue.db.execute("update generations set state = 'dropped' where id = %s", [beside])
    with pytest.raises(psycopg.Error, match="not_found"):
        keep(queue, beside, 0.4, 2000)
    assert queue.generation("n", dimension=4) == beside
    assert due(queue) == {beside: 20}
    assert keep(queue, beside, 0.2, 20) == pytest.approx(0.2)


def test_a_user_measures_what_is_all_their_own_and_nothing_else(queue: Any, generation: int) -> None:
    user, other = queue.user(), queue.user()
    see(queue, user, 20)
    assert due(queue, "authenticated", user) == {generation: 20}
    with queue.acting("authenticated", user):
        assert queue.value("select measure_background(%s, %s)", generation, [NORTH])["photos"] == 20
        queue.value("select keep_cutoff(%s, 0.3, 5)", generation)
    see(queue, other, 1)
    for stranger in (user, other):
        assert due(queue, "authenticated", stranger) == {}
        for call in ("measure_background(%s, array['[1,0,0,0]'])", "keep_cutoff(%s, 0.9, 1000)"):
            with queue.acting("authenticated", stranger), pytest.raises(psycopg.Error, match="not_found"):
                queue.value(f"select {call}", generation)
    assert queue.value("select cutoff from generations where id = %s", generation) == pytest.approx(0.3)
    assert due(queue, "kizu_worker") == {generation: 21}


def test_what_a_user_says_hides_nobody_elses_photos(queue: Any, generation: int) -> None:
    liar, owner = queue.user(), queue.user()
    with queue.acting("authenticated", liar):
        told = queue.value("select keep_cutoff(%s, 1, 2147483647)", generation)
    assert told["cutoff"] == 1
    assert "measured_by" not in told
    see(queue, owner, 20)
    asked = {"text": "north", "semantic": "north", "parts": []}
    with queue.acting("authenticated", owner):
        answer = queue.value("select rank_search(%s, '[1,0,0,0]')", Jsonb(asked))
        assert len(answer["results"]) == 20
        found = "select count(*) from search_image_embeddings('[1,0,0,0]', 50, null)"
        assert queue.value(found) == 20
    assert due(queue) == due(queue, "authenticated", owner) == {generation: 20}
    with queue.acting("authenticated", owner):
        assert queue.value("select keep_cutoff(%s, 0.5, 20)", generation)["cutoff"] == pytest.approx(0.5)
    assert due(queue) == due(queue, "authenticated", owner) == {}
    see(queue, liar, 1)
    assert due(queue) == {generation: 21}
    assert keep(queue, generation, 0.3, 20) == pytest.approx(0.3)
    assert due(queue) == {}


def test_a_user_is_told_of_no_photos_of_others(queue: Any, generation: int) -> None:
    user, other = queue.user(), queue.user()
    see(queue, user, 20)
    see(queue, other, 3)
    queue.db.execute("delete from image_embeddings where user_id = %s", (other,))  # as of blank photos
    assert due(queue, "authenticated", user) == {generation: 20}
    assert due(queue) == {generation: 23}


@pytest.mark.parametrize(
    "vectors",
    [
        None,
        [],
        [NORTH] * 51,
        ["[1,0]"],
        ["[0,0,0,0]"],
        ["north"],
        [None],
        ["[1,0,0,0" + " " * 100_000 + "]"],
        ["[" + "1," * 20_000 + "1]"],
    ],
)
def test_what_is_no_page_of_sentences_is_refused(queue: Any, generation: int, vectors: Any) -> None:
    with pytest.raises(psycopg.Error, match="bad_params") as refusal:
        queue.value("select measure_background(%s, %s::text[])", generation, vectors)
    assert refusal.value.sqlstate == "PT400"


@pytest.mark.parametrize(("cutoff", "photos"), [("1.1", 1), ("NaN", 1), (None, 1), ("0.2", 0), ("0.2", None)])
def test_what_is_no_cut_off_is_refused(queue: Any, generation: int, cutoff: Any, photos: Any) -> None:
    with pytest.raises(psycopg.Error, match="bad_params"):
        queue.value("select keep_cutoff(%s, %s, %s)", generation, cutoff, photos)
