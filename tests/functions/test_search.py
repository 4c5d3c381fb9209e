"""The edge function `search`, over HTTP, as an app calls it; tests/acceptance has it with a worker."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.functions.app import App
from tests.generations import forget_generations

pytestmark = pytest.mark.stack

DAY = "2026-04-01"
VECTOR = "[" + ",".join(["0.5"] * 8) + "]"


@pytest.fixture(autouse=True)
def _model(db: psycopg.Connection[Any]) -> Iterator[None]:
    """A library of vectors of 8 numbers, and no searches of before."""
    forget_generations(db)
    db.execute("select begin_generation('pictures', 'm', '{\"name\": \"m\"}', 8, p_new => true)")
    yield
    db.execute("delete from jobs where job_type in ('search', 'understand')")
    forget_generations(db)


def told(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error.get("field")


def photo(db: psycopg.Connection[Any], app: App, text: str) -> str:
    """A photo with a text in it, and a picture that has a vector."""
    [asset] = app.add_assets(1)
    db.execute(
        "insert into image_text (user_id, asset_id, extracted_text, model_version) values (%s, %s, %s, '1')",
        [app.user_id, asset, text],
    )
    db.execute(
        "insert into image_embeddings (user_id, asset_id, embedding, model_version) values (%s, %s, %s, 'm')",
        [app.user_id, asset, VECTOR],
    )
    return asset


def work(db: psycopg.Connection[Any], app: App) -> None:
    """As a worker does: takes the user's search, and says what it means."""
    [job] = [
        one
        for one in db.execute("select claim_jobs('w', '{search,understand}', 100, 60)").fetchone()[0]["jobs"]  # type: ignore[index]
        if one["user_id"] == app.user_id
    ]
    text = job["params"]["text"]
    row = {
        "understood": {"text": text, "parts": [], "semantic": text},
        "model_version": "m",
        "vector": VECTOR,
    }
    fence = {name: job[name] for name in ("table", "id", "epoch")}
    writes = [{"table": "queries", "rows": [row]}]
    settlement = {**fence, "outcome": {"kind": "done"}, "run": {}, "writes": writes}
    [answer] = db.execute("select settle_jobs('w', %s)", [Jsonb([settlement])]).fetchone()[0]  # type: ignore[index]
    assert answer["answer"] == "settled"


def test_without_a_worker_what_the_database_knows_is_found(db: psycopg.Connection[Any], app: App) -> None:
    read, _ = photo(db, app, "beware of the dog"), photo(db, app, "ice cream")
    answer = told(app.search(text="dog", today=DAY, wait_ms=200))
    assert [row["asset_id"] for row in answer["results"]] == [read]
    assert (answer["status"], answer["timed_out"]) == ("asked", True)
    assert answer["left_out"] == ["picture", "understanding"]


def test_what_a_worker_understood_is_found_and_paged(db: psycopg.Connection[Any], app: App) -> None:
    photos = {photo(db, app, "beware of the dog"), photo(db, app, "ice cream")}
    app.search(text="dog", today=DAY, wait_ms=0)
    work(db, app)
    first = told(app.search(text=" dog ", today=DAY, zone="Europe/Berlin", limit=1))
    assert (first["status"], first["timed_out"], first["left_out"]) == ("ready", False, [])
    assert (first["understood"]["text"], first["understood"]["zone"]) == ("dog", "Europe/Berlin")
    second = told(app.search(text="dog", today=DAY, zone="Europe/Berlin", limit=1, after=first["next"]))
    assert {row["asset_id"] for page in (first, second) for row in page["results"]} == photos


def test_a_mistyped_word_is_corrected_and_the_person_takes_it_back(
    db: psycopg.Connection[Any], app: App
) -> None:
    read = photo(db, app, "beware of the crocodile")
    answer = told(app.search(text="crocodille", today=DAY, wait_ms=0))
    assert [row["asset_id"] for row in answer["results"]] == [read]
    assert answer["corrected"] == [{"from": "crocodille", "to": "crocodile"}]
    taken_back = told(app.search(text="crocodille", today=DAY, wait_ms=0, as_written=True))
    assert (taken_back["results"], taken_back["corrected"]) == ([], [])


def test_what_is_like_an_example_is_found(db: psycopg.Connection[Any], app: App) -> None:
    one, other = photo(db, app, "a"), photo(db, app, "b")
    assert [row["asset_id"] for row in told(app.search(by={"asset_id": one}))["results"]] == [other]
    assert refused(app.search(by={"asset_id": str(uuid.uuid4())}))[:2] == (404, "not_found")


def test_suggestions_and_things_are_told(db: psycopg.Connection[Any], app: App) -> None:
    app.insert("contacts", display_name="Anna")
    asset = photo(db, app, "a")
    app.insert("asset_tags", asset_id=asset, tag_type="object", tag_value="dog")
    suggested = told(app.search(path="/suggestions", prefix="an"))["suggestions"]
    assert [one["text"] for one in suggested] == ["Anna"]
    things = told(app.search(path="/objects"))["things"]
    assert [(one["class"], one["photos"]) for one in things] == [("dog", 1)]


def test_nobody_finds_anothers(db: psycopg.Connection[Any], app: App, join: Any) -> None:
    other_app = join()
    asset = photo(db, other_app, "beware of the dog")
    assert told(app.search(text="dog", today=DAY, wait_ms=0))["results"] == []
    assert refused(app.search(by={"asset_id": asset}))[:2] == (404, "not_found")
    assert refused(app.search(text="dog", user=other_app.user_id))[:2] == (400, "bad_params")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "'; drop table assets; --"])
def test_the_databases_refusal_is_passed_on(app: App, zone: str) -> None:
    assert refused(app.search(text="dog", zone=zone))[:2] == (400, "bad_params")


def test_an_app_of_before_is_answered_as_it_reads(db: psycopg.Connection[Any], app: App) -> None:
    read, _ = photo(db, app, "beware of the dog"), photo(db, app, "ice cream")
    app.search(text="dog", wait_ms=0)
    work(db, app)
    filters = {"has_text": True, "text_query": "the dog"}
    answer = told(app.search(query="dog", filters=filters, limit=200, offset=0, threshold=0.2))
    assert (answer["status"], answer["total"], answer["query_parsed"]["semantic_query"]) == (
        "success",
        1,
        "dog",
    )
    [result] = answer["results"]
    assert (result["asset_id"], result["similarity"]) == (read, 1)
    assert "beware" in result["extracted_text"]
