"""Which model's vectors a project has: the first that a worker names, until the service begins another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.conftest import Queue, wait_until_locked
from tests.sql.pictures import embed, photo, search, unit

pytestmark = pytest.mark.stack

MODEL = {"embed_model": "open_clip", "clip_model": "ViT-B-32"}


def begin(queue: Any, version: str = "v1", **more: Any) -> dict[str, Any]:
    arguments = {
        "p_kind": "pictures",
        "p_version": version,
        "p_model": Jsonb(MODEL),
        "p_dimension": 8,
        **more,
    }
    names = ", ".join(f"{name} => %s" for name in arguments)
    return dict(queue.value(f"select public.begin_generation({names})", *arguments.values()))


def drop(queue: Any, generation: int, limit: int = 1000) -> dict[str, Any]:
    """Drop it to the end; answers the last answer."""
    for _ in range(100):
        answer: dict[str, Any] = queue.value("select drop_generation(%s, %s)", generation, limit)
        if answer["done"]:
            return answer
    raise AssertionError("there is no end to it")


def states(queue: Any) -> dict[str, str]:
    return {row["model_version"]: row["state"] for row in queue.value("select generations()")}


def test_the_first_is_active_and_another_callers_model_is_answered_with_it(queue: Any) -> None:
    with queue.acting("kizu_worker"):
        assert queue.value("select generations()") == []
        first = begin(queue, p_digest="abc", p_precision="fp32")
        other = begin(queue, "v2", p_dimension=768)
        again = begin(queue)
        assert queue.value("select generations()") == [first]
    assert other == again == first
    assert first.pop("created_at") is not None
    assert first.pop("activated_at") is not None
    assert first.pop("id") > 0
    assert first == {
        "kind": "pictures",
        "model_version": "v1",
        "model": MODEL,
        "weights_digest": "abc",
        "precision": "fp32",
        "dimension": 8,
        "same_face": None,
        "maybe_face": None,
        "face_margin": None,
        "false_accepts": None,
        "cutoff": None,
        "measured_photos": None,
        "state": "active",
    }


def test_each_kind_has_a_first(queue: Any) -> None:
    assert begin(queue)["state"] == "active"
    faces = begin(queue, p_kind="faces", p_same_face="0.4")
    assert (faces["state"], faces["kind"], faces["model_version"]) == ("active", "faces", "v1")
    assert faces["same_face"] == pytest.approx(0.4)


SCALE = ("same_face", "maybe_face", "face_margin", "false_accepts")
ARCFACE = {"p_same_face": 0.55, "p_maybe_face": 0.4, "p_face_margin": 0.1, "p_false_accepts": 1e-6}


def scale(generation: dict[str, Any]) -> list[Any]:
    return [generation[name] for name in SCALE]


def test_faces_are_measured_by_the_scale_of_who_begins_them(queue: Any) -> None:
    begun = begin(queue, p_kind="faces", **ARCFACE)
    assert scale(begun) == pytest.approx([0.55, 0.4, 0.1, 1e-6])
    other = begin(queue, p_kind="faces", **{**ARCFACE, "p_same_face": 0.7, "p_maybe_face": 0.5})
    assert scale(other) == scale(begun), "it is overridden by nobody"
    with queue.db.cursor() as cursor:
        found = cursor.execute("select same, maybe, margin from kizu.face_scale('v1')").fetchone()
    assert list(found.values() if isinstance(found, dict) else found) == pytest.approx([0.55, 0.4, 0.1])


@pytest.mark.parametrize(("same", "learnt"), [(0.55, [0.4, 0.1, 1e-6]), (0.7, [None, None, None])])
def test_of_an_older_workers_generation_the_scale_is_learnt_where_it_is_the_same(
    queue: Any, same: float, learnt: list[float | None]
) -> None:
    begin(queue, p_kind="faces", p_digest="d", p_precision="fp32", p_same_face=same)
    with queue.acting("kizu_worker"):
        told = begin(queue, p_kind="faces", **ARCFACE)
        again = begin(queue, p_kind="faces", p_same_face=same)
    assert scale(told) == pytest.approx([same, *learnt])
    assert again == told
    with queue.acting("kizu_worker"):
        assert begin(queue, p_kind="faces", **{**ARCFACE, "p_maybe_face": 0.2}) == told


def test_a_user_does_not_teach_the_scale_of_faces_that_others_have(queue: Any) -> None:
    begin(queue, p_kind="faces", p_digest="d", p_precision="fp32", p_same_face=0.55)
    user, other = queue.user(), queue.user()
    queue.db.execute(
        "insert into face_embeddings (user_id, asset_id, embedding, bounding_box, model_version)"
        " values (%s, %s, '[1,0,0,0,0,0,0,0]', '{}', 'v1')",
        (user, photo(queue, user)),
    )
    with queue.acting("authenticated", other):
        assert scale(begin(queue, p_kind="faces", **ARCFACE))[1:] == [None, None, None]
    with queue.acting("authenticated", user):
        assert scale(begin(queue, p_kind="faces", **ARCFACE)) == pytest.approx([0.55, 0.4, 0.1, 1e-6])


@pytest.mark.parametrize("role", ["kizu_worker", "authenticated"])
def test_only_the_service_begins_another(queue: Any, role: str) -> None:
    user = queue.user()
    for _ in range(2):  # neither the first nor the next
        with pytest.raises(psycopg.errors.InsufficientPrivilege), queue.acting(role, user):
            begin(queue, "v2", p_new=True)
        begin(queue)
    with queue.acting("service_role"):
        assert begin(queue, "v2", p_new=True)["state"] == "filling"
        assert begin(queue, "v2", p_new=True)["state"] == "filling", "begun again, it is the same"
        assert begin(queue, "v2")["model_version"] == "v1", "what a worker asks for is the active one"
    assert states(queue) == {"v1": "active", "v2": "filling"}


def test_what_is_not_known_of_it_is_learnt_from_who_asks_with_its_version(queue: Any) -> None:
    """As where a library is older than its generations."""
    begin(queue, p_model=Jsonb({}))
    begin(queue, "v2", p_digest="other", p_precision="fp16")
    assert begin(queue, "v2")["weights_digest"] is None
    with queue.acting("kizu_worker"):
        learnt = begin(queue, p_digest="abc", p_precision="fp32")
        assert (learnt["model"], learnt["weights_digest"], learnt["precision"]) == (MODEL, "abc", "fp32")
        known = begin(queue, p_digest="def", p_precision="fp16", p_model=Jsonb({"other": "model"}))
    assert known == learnt


def test_a_user_teaches_nothing_of_vectors_that_others_have(queue: Any) -> None:
    """A word of theirs would stop the workers of everybody."""
    begin(queue, p_model=Jsonb({}))
    user, other = queue.user(), queue.user()
    embed(queue, user, photo(queue, user), {"v1": unit(1)})
    with queue.acting("authenticated", other):
        untaught = begin(queue, p_digest="none of it", p_precision="fp0")
    assert (untaught["model"], untaught["weights_digest"], untaught["precision"]) == ({}, None, None)
    with queue.acting("authenticated", user):
        assert begin(queue, p_digest="abc")["weights_digest"] == "abc"


@pytest.mark.parametrize(
    "wrong",
    [
        *({"p_kind": "sounds"}, {"p_kind": None}, {"p_version": ""}, {"p_version": None}),
        *({"p_version": "v" * 201}, {"p_dimension": 0}, {"p_dimension": 4001}, {"p_dimension": None}),
        *({"p_digest": "d" * 201}, {"p_precision": "p" * 51}, {"p_same_face": "0"}, {"p_same_face": "1"}),
        *({"p_same_face": "1e-50"}, {"p_same_face": "0.99999999999"}),
        *({"p_maybe_face": "0.3"}, {"p_face_margin": "0.1"}, {"p_false_accepts": "0.1"}),
        *({"p_same_face": "0.5", "p_maybe_face": wrong} for wrong in ("0.51", "-1", "NaN", "-Infinity")),
        *({"p_same_face": "0.5", "p_face_margin": wrong} for wrong in ("-0.1", "1", "NaN", "1e300")),
        *({"p_same_face": "0.5", "p_false_accepts": wrong} for wrong in ("-0.1", "1.1", "NaN", "Infinity")),
        *({"p_same_face": "NaN"}, {"p_model": None}, {"p_model": Jsonb([])}, {"p_model": Jsonb({"a": 1})}),
        *({"p_model": Jsonb({"A": "x"})}, {"p_model": Jsonb({"a": "x" * 301})}),
        {"p_model": Jsonb({f"a{'b' * number}": "x" for number in range(17)})},
    ],
    ids=lambda wrong: str(wrong)[:40],
)
def test_what_is_no_generation_is_a_mistake(queue: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(psycopg.Error, match="bad_params") as refusal:
        begin(queue, **wrong)
    assert refusal.value.sqlstate == "PT400"
    assert states(queue) == {}


def test_two_who_begin_at_once_have_one_generation(
    queue: Any, connect: Callable[[], psycopg.Connection]
) -> None:
    callers = [Queue(connect()) for _ in range(6)]
    together = threading.Barrier(len(callers))

    def ask(number: int) -> str:
        together.wait()
        return str(begin(callers[number], f"v{number}")["model_version"])

    with ThreadPoolExecutor(len(callers)) as pool:
        answers = list(pool.map(ask, range(len(callers))))

    assert len(set(answers)) == 1
    assert states(queue) == {answers[0]: "active"}


def test_begun_while_somebody_writes_without_a_pause_it_is_to_be_asked_again(
    queue: Any, connect: Callable[[], psycopg.Connection]
) -> None:
    begin(queue)
    user = queue.user()
    asset = photo(queue, user)
    writing = Queue(connect())
    with writing.db.transaction():
        writing.db.execute(
            "insert into image_embeddings (user_id, asset_id, embedding, model_version)"
            " values (%s, %s, %s, 'v1')",
            (user, asset, unit(1)),
        )
        with pytest.raises(psycopg.Error, match="database_busy") as refusal:
            begin(queue, "v2", p_new=True)
        assert refusal.value.sqlstate == "PT503"
        assert states(queue) == {"v1": "active"}
    assert begin(queue, "v2", p_new=True)["state"] == "filling"


def test_it_is_begun_when_who_writes_is_ready_and_they_lose_nothing(
    queue: Any, connect: Callable[[], psycopg.Connection]
) -> None:
    begin(queue)
    user = queue.user()
    asset = photo(queue, user)
    writing, beginning = Queue(connect()), connect()
    with ThreadPoolExecutor(1) as pool:
        with writing.db.transaction():
            assert embed(writing, user, asset, {"v1": unit(1)})["answer"] == "settled"
            answer = pool.submit(begin, Queue(beginning), "v2", p_new=True)
            wait_until_locked(queue, beginning)
        assert answer.result(30)["state"] == "filling"
    assert [found for found, _, _ in search(queue, unit(1))] == [asset]


def index_scans(queue: Any, generation: int) -> int:
    queue.db.execute("select pg_stat_force_next_flush()")
    queue.db.execute("select pg_stat_clear_snapshot()")
    return int(
        queue.value(
            "select idx_scan from pg_stat_user_indexes where indexrelname = %s",
            f"image_embeddings_of_generation_{generation}",
        )
    )


@pytest.mark.parametrize("dimension", [384, 768, 1152, 4000])
def test_vectors_of_any_length_are_found_one_by_one_and_by_their_index(queue: Any, dimension: int) -> None:
    queue.generation("first", dimension=512)
    generation = queue.generation("v1", dimension=dimension)
    user = queue.user()
    photos = [photo(queue, user) for _ in range(12)]
    for number, asset in enumerate(photos):
        vectors = {"v1": unit(number, dimension), "first": unit(number, 512)}
        assert embed(queue, user, asset, vectors)["answer"] == "settled"
    queue.value("select flip_generation(%s)", generation)

    def everything() -> list[tuple[str, float, str]]:
        with queue.acting("authenticated", user):
            return search(queue, unit(3, dimension), match_count=12)

    one_by_one = everything()
    assert index_scans(queue, generation) == 0
    queue.db.execute("set kizu.test_exact = 0")
    try:
        by_index = everything()
    finally:
        queue.db.execute("reset kizu.test_exact")

    assert index_scans(queue, generation) == 1
    assert one_by_one[0][:2] == (photos[3], 1.0)
    assert {asset for asset, _, _ in one_by_one} == set(photos)
    assert by_index == one_by_one


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_a_query_is_a_direction_whatever_its_size(queue: Any, size: float) -> None:
    """A half holds no number above 65,504, and takes a very small one for zero."""
    queue.generation("v1", dimension=2)
    user = queue.user()
    near, far = photo(queue, user), photo(queue, user)
    embed(queue, user, near, {"v1": "[1,0]"})
    embed(queue, user, far, {"v1": "[0,1]"})
    with queue.acting("service_role"):  # searches by the index
        found = search(queue, f"[{size:.0e},0]")
    assert [(asset, similarity) for asset, similarity, _ in found] == [(near, 1.0), (far, 0.0)]


def test_only_a_generations_vectors_are_written_and_none_that_is_zero(queue: Any) -> None:
    queue.generation("v1", dimension=8)
    user = queue.user()
    asset = photo(queue, user)
    for version, vector, rule in (
        ("v2", unit(1), "unknown_generation: v2 is no generation of pictures"),
        ("v1", "[0,0,0,0,0,0,0,0]", "vector_is_not_zero"),
        ("v1", unit(1, 9), "expected 8 dimensions, not 9"),
        ("v1", unit(1, 7), "expected 8 dimensions, not 7"),
    ):
        answer = embed(queue, user, asset, {version: vector})
        assert answer["answer"] == "refused"
        assert rule in answer["error"]
    assert queue.value("select count(*) from asset_facts where asset_id = %s", asset) == 0
    assert queue.value("select count(*) from image_embeddings where asset_id = %s", asset) == 0


def test_what_is_sent_late_for_one_that_was_dropped_is_passed_over(queue: Any) -> None:
    queue.generation("v1", dimension=8)
    old = queue.generation("old", dimension=8)
    user = queue.user()
    asset = photo(queue, user)
    facts = "select version from asset_facts where asset_id = %s and fact = 'embedding' order by 1"

    for _ in ("dropping", "dropped"):
        queue.value("select drop_generation(%s)", old)
        assert embed(queue, user, asset, {"v1": unit(1), "old": unit(2)})["answer"] == "settled"
        assert queue.rows(facts, asset) == [{"version": "v1"}]
        assert queue.rows("select model_version from image_embeddings where asset_id = %s", asset) == [
            {"model_version": "v1"}
        ]
    assert states(queue) == {"v1": "active"}
    with pytest.raises(psycopg.Error, match="unknown_generation"):
        search(queue, unit(1), filter_model_version="old")


def test_one_that_was_dropped_begins_again_from_nothing(queue: Any) -> None:
    queue.generation("v1", dimension=8)
    old = queue.generation("v2", dimension=8)
    user = queue.user()
    asset = photo(queue, user)
    embed(queue, user, asset, {"v1": unit(1), "v2": unit(1)})
    queue.value("select calibrate_generation(%s, 0.2, '{}')", old)
    drop(queue, old)
    queue.db.execute(
        "insert into kizu.misses (asset_id, fact, version, reason, tries, at)"
        " values (%s, 'embedding', 'v2', 'model_failed', 3, now())",
        (asset,),
    )

    again = begin(queue, "v2", p_new=True, p_dimension=16)

    assert (again["id"], again["state"], again["dimension"]) == (old, "filling", 16)
    assert (again["cutoff"], again["activated_at"]) == (None, None)
    assert queue.value("select generation_progress(%s)", old)["missing"] == 1
    assert queue.value("select fill_generation(%s)", old)["enqueued"] == 1
    assert embed(queue, user, asset, {"v2": unit(1, 16)})["answer"] == "settled"
    assert search(queue, unit(1, 16), filter_model_version="v2") == [(asset, 1.0, "v2")]


def test_a_dropped_first_model_does_not_begin_at_a_workers_start(queue: Any) -> None:
    first = queue.generation("v1", dimension=8)
    second = queue.generation("v2", dimension=8)
    queue.value("select flip_generation(%s)", second)
    drop(queue, first)
    with queue.acting("kizu_worker"):
        assert begin(queue, "v1")["model_version"] == "v2"
    assert states(queue) == {"v2": "active"}


def test_huge_words_are_cut_or_refused(queue: Any) -> None:
    huge = "x" * 5_000_000
    generation = queue.generation("v1", dimension=8)
    for call, arguments in (
        ("search_image_embeddings(%s, filter_model_version => %s)", [unit(1), huge]),
        ("rollback_generation(%s)", [huge]),
        ("calibrate_generation(%s, null, %s)", [generation, Jsonb({"a": huge})]),
    ):
        with pytest.raises(psycopg.Error) as refusal:
            queue.db.execute(f"select {call}", arguments)
        assert (refusal.value.sqlstate or "").startswith("PT4")
        assert len(str(refusal.value)) < 1000
    for wrong in ({"p_version": huge}, {"p_kind": huge}, {"p_model": Jsonb({huge: "x"})}):
        with pytest.raises(psycopg.Error, match="bad_params") as refusal:
            begin(queue, **wrong)
        assert len(str(refusal.value)) < 1000
