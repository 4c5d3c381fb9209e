"""Two generations side by side: how far they agree on what is alike, and on who is who."""

from __future__ import annotations

from math import cos, sin
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.people import HERE, THERE, contact, face, faces_of, look, name_face, somebody
from tests.sql.pictures import embed, photo, text, unit

pytestmark = pytest.mark.stack


@pytest.fixture
def pictures(queue: Any) -> tuple[int, int]:
    return queue.generation("v1", dimension=8), queue.generation("v2", dimension=16)


@pytest.fixture
def people(queue: Any) -> tuple[int, int]:
    return queue.generation("m", "faces"), queue.generation("n", "faces")


def neighbours(queue: Any, one: int, other: int, after: Any = None, **more: int) -> dict[str, Any]:
    names = "".join(f", p_{name} => %s" for name in more)
    with queue.acting("service_role"):
        return dict(
            queue.value(f"select compare_neighbours(%s, %s, %s{names})", one, other, after, *more.values())
        )


def along(angle: float, dimension: int) -> str:
    """A direction in a plane; how alike two are is told by their angles alone."""
    return text([cos(angle), sin(angle), *[0.0] * (dimension - 2)])


def test_models_that_see_the_same_agree_wholly(queue: Any, pictures: tuple[int, int]) -> None:
    for user in (queue.user(), queue.user()):  # who do not mix
        for number in range(8):
            embed(
                queue,
                user,
                photo(queue, user),
                {"v1": along(number / 10, 8), "v2": along(number / 10, 16)},
            )
    assert neighbours(queue, *pictures, top=3) == {"compared": 16, "overlap": 1.0, "next": None}


def test_overlap_is_the_share_of_the_nearest_that_both_name(queue: Any, pictures: tuple[int, int]) -> None:
    """To v1 the photos lie in order; to v2 photo 3 has changed places with photo 0."""
    user = queue.user()
    places = [3, 1, 2, 0]
    for number, place in enumerate(places):
        embed(
            queue,
            user,
            photo(queue, user),
            {"v1": along(2.0**number / 10, 8), "v2": along(2.0**place / 10, 16)},
        )
    # Nearest of v1: 0→1, 1→0, 2→1, 3→2; of v2: 0→2, 1→3, 2→1, 3→1.
    assert neighbours(queue, *pictures, top=1) == {"compared": 4, "overlap": 0.25, "next": None}
    assert neighbours(queue, *pictures, top=3)["overlap"] == 1.0


def test_pages_go_through_what_both_know(queue: Any, pictures: tuple[int, int]) -> None:
    user = queue.user()
    for number in range(7):
        asset = photo(queue, user)
        embed(queue, user, asset, {"v1": unit(number)})
        if number:
            embed(queue, user, asset, {"v2": unit(number, 16)})
    compared, after, pages = 0, None, 0
    while pages == 0 or after:
        page = neighbours(queue, *pictures, after, limit=4)
        compared, after, pages = compared + page["compared"], page["next"], pages + 1
    assert (compared, pages) == (6, 2)


def test_where_nothing_is_known_nothing_is_compared(queue: Any, pictures: tuple[int, int]) -> None:
    nothing = {"compared": 0, "overlap": None, "next": None}
    assert neighbours(queue, *pictures) == nothing
    user = queue.user()
    embed(queue, user, photo(queue, user), {"v1": unit(1), "v2": unit(1, 16)})
    assert neighbours(queue, *pictures) == nothing, "a photo alone has no neighbours"


def test_only_generations_of_pictures_have_neighbours(
    queue: Any, pictures: tuple[int, int], people: Any
) -> None:
    for other in (people[0], 0):
        with pytest.raises(psycopg.Error, match="not_found") as refusal:
            neighbours(queue, pictures[0], other)
        assert refusal.value.sqlstate == "PT404"


def compare_people(queue: Any, one: int, other: int, limit: int = 200) -> dict[str, Any]:
    with queue.acting("service_role"):
        return dict(queue.value("select compare_people(%s, %s, %s)", one, other, limit))


def test_people_are_told_apart_by_each_model_or_not(queue: Any, people: tuple[int, int]) -> None:
    """To `n` Ada's third face is Bob's, and Bob's second is nobody's."""
    user = queue.user()
    ada, bob, once = (contact(queue, user, name) for name in ("Ada", "Bob", "Cay"))
    seen = [
        (ada, somebody(1), somebody(11)),
        (ada, somebody(1, blur=0.1), somebody(11, blur=0.1)),
        (ada, somebody(1, blur=0.2), somebody(12, blur=0.2)),
        (bob, somebody(2), somebody(12)),
        (bob, somebody(2, blur=0.1), somebody(77)),
        (once, somebody(3), somebody(13)),
    ]
    for who, by_m, by_n in seen:
        asset = queue.asset(user)
        look(queue, user, asset, face(0, HERE, by_m, "m"))
        look(queue, user, asset, face(0, HERE, by_n, "n"))
        name_face(queue, faces_of(queue, asset, "m")[0]["id"], who)

    answer = compare_people(queue, *people)

    assert answer == {
        "faces": 5,
        "one": {"right": 5, "wrong": 0, "unsure": 0},
        "other": {"right": 2, "wrong": 2, "unsure": 1},
    }
    assert compare_people(queue, *people[::-1]) == {
        "faces": 5,
        "one": answer["other"],
        "other": answer["one"],
    }
    assert compare_people(queue, *people, 3)["faces"] == 3


def test_what_was_only_recognised_or_is_anothers_proves_nothing(queue: Any, people: tuple[int, int]) -> None:
    for user in (queue.user(), queue.user()):
        ada = contact(queue, user)
        for number in range(2):
            asset = queue.asset(user)
            for model in ("m", "n"):
                look(
                    queue, user, asset, face(0, HERE, somebody(1), model), face(1, THERE, somebody(2), model)
                )
            if number == 0:
                name_face(queue, faces_of(queue, asset, "m")[0]["id"], ada)
    assert queue.value("select count(*) from face_embeddings where recognised") == 4
    none = {"right": 0, "wrong": 0, "unsure": 0}
    assert compare_people(queue, *people) == {"faces": 0, "one": none, "other": none}


def test_only_two_generations_of_faces_are_compared(
    queue: Any, people: tuple[int, int], pictures: Any
) -> None:
    for pair in ((people[0], pictures[0]), (people[0], people[0]), (0, people[1])):
        with pytest.raises(psycopg.Error, match="not_found"):
            compare_people(queue, *pair)


def test_a_cut_off_that_was_calibrated_is_where_a_search_ends(queue: Any, pictures: tuple[int, int]) -> None:
    user = queue.user()
    near, far = photo(queue, user), photo(queue, user)
    embed(queue, user, near, {"v1": along(0.5, 8)})
    embed(queue, user, far, {"v1": along(1.2, 8)})

    def found(threshold: float | None) -> list[str]:
        rows = queue.rows(
            "select asset_id::text from search_image_embeddings(%s, match_threshold => %s)",
            along(0, 8),
            threshold,
        )
        return [row["asset_id"] for row in rows]

    assert found(None) == [near, far], "without one, everything is an answer"
    with queue.acting("service_role"):
        told = queue.value("select calibrate_generation(%s, 0.5, %s)", pictures[0], Jsonb({"overlap": 0.9}))
    assert (told["cutoff"], told["model_version"]) == (0.5, "v1")
    assert found(None) == [near]
    assert found(0.1) == [near, far]
    queue.value("select calibrate_generation(%s, null, '{}')", pictures[0])
    assert found(None) == [near], "nothing was said of it"
    comparison = queue.value("select comparison from generations where id = %s", pictures[0])
    assert comparison == {}


@pytest.mark.parametrize(("cutoff", "comparison"), [("1.1", {}), ("NaN", {}), ("0.2", []), ("0.2", None)])
def test_an_odd_calibration_is_a_mistake(
    queue: Any, pictures: tuple[int, int], cutoff: str, comparison: Any
) -> None:
    with pytest.raises(psycopg.Error, match="bad_params") as refusal:
        queue.value("select calibrate_generation(%s, %s, %s)", pictures[0], cutoff, Jsonb(comparison))
    assert refusal.value.sqlstate == "PT400"
