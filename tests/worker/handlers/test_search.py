"""What the handler makes of words: parts with the library's names, and a vector where one is to be had."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from models.errors import WeightsMissing
from worker.context import Context
from worker.core.errors import BadParams
from worker.core.handler import Handler
from worker.core.job import Done, Job, Replace
from worker.core.record import Record
from worker.generations import Generations
from worker.handlers import search
from worker.library import understanding
from worker.settings import Settings
from worker.testing import FakeModels, MemoryGenerations, MemoryRows

ANNA, OTHER_ANNA = "a" * 8, "b" * 8
WORDS = [
    {"kind": "person", "name": "Anna", "id": ANNA},
    {"kind": "person", "name": "Anna", "id": OTHER_ANNA},
    {"kind": "camera", "name": "Canon EOS R5", "id": None},
    {"kind": "camera", "name": "Canon EOS R6", "id": None},
    {"kind": "place", "name": "Lisbon, Portugal", "id": None},
    {"kind": "place", "name": "Paris", "id": None},
]
VECTOR = (0.6, 0.8, 0.0)


def generation(**columns: Any) -> dict[str, Any]:
    return {
        "id": 1,
        "kind": "pictures",
        "model_version": "fake-embed",
        "model": {"embed_model": "conse"},
        "dimension": 4,
        "weights_digest": None,
        "precision": None,
        "cutoff": None,
        "state": "active",
        **columns,
    }


class Told:
    """What came of a search: the row that is kept, what the model was asked, and the record."""

    def __init__(self, done: Done, asked: Sequence[str], record: Record) -> None:
        self.done, self.asked, self.record = done, asked, record
        [write] = done.writes
        assert isinstance(write, Replace)
        assert (write.table, write.scope) == ("queries", {})
        [self.row] = write.rows

    def parts(self, kind: str) -> list[Any]:
        return [part for part in self.row["understood"]["parts"] if part["kind"] == kind]


async def run(
    text: str,
    *,
    library: Sequence[Any] = WORDS,
    generations: Sequence[Any] = (generation(),),
    error: Exception | None = None,
    **params: Any,
) -> Told:
    asked: list[str] = []

    def embed(sentence: str) -> Any:
        asked.append(sentence)
        return VECTOR

    known = MemoryGenerations()
    known.rows = [dict(row) for row in generations]
    record = Record()
    settings = Settings(_env_file=None)
    context: Any = Context(
        job=Job(table="t", id=UUID(int=1), kind="search", user_id=UUID(int=2), epoch=1),
        files=None,  # type: ignore[arg-type]
        models=FakeModels(embed=error or embed),
        generations=Generations(known, settings),
        rows=MemoryRows({"search_words": lambda args: library}),
        staging=None,  # type: ignore[arg-type]
        settings=settings,
        pixels=None,  # type: ignore[arg-type]
        pictures=None,  # type: ignore[arg-type]
        record=record,
        progress=lambda percent, step: None,
    )
    handler: Handler[Any, Any] = search.HANDLER
    job = Job(
        table="t",
        id=UUID(int=1),
        kind="search",
        user_id=UUID(int=2),
        epoch=1,
        params={"text": text, "today": "2026-04-01", **params},
    )
    return Told(await handler.perform(job, context), asked, record)


async def test_words_become_parts_with_the_librarys_names_and_a_vector_of_the_rest() -> None:
    told = await run("two dogs with Anna in Lisbon last summer")
    assert [part["ids"] for part in told.parts("person")] == [[ANNA, OTHER_ANNA]]
    assert [part["name"] for part in told.parts("place")] == ["Lisbon"]
    assert told.asked == [told.row["understood"]["semantic"]]
    assert "Anna" not in told.asked[0]
    assert "dogs" in told.asked[0]
    assert told.row["vector"] == "[0.6,0.8,0,0]"
    assert told.row["model_version"] == "fake-embed"
    assert "lacks" not in told.row
    assert [model["version"] for model in told.record.models] == ["fake-embed"]


@pytest.mark.parametrize(
    ("text", "today"),
    [
        ("dogs last summer", "2026-04-01"),
        ("dogs yesterday", "2026-04-01"),
        ("dogs", None),
        ("dogs in July", None),
    ],
)
async def test_an_answer_is_of_a_day_if_it_depends_on_it(text: str, today: str | None) -> None:
    assert (await run(text)).row["today"] == today


async def test_a_kind_of_camera_is_each_of_it_that_the_library_has() -> None:
    told = await run("dogs with my Canon")
    [camera] = told.parts("camera")
    assert (camera["name"], camera["names"]) == ("Canon", ["Canon EOS R5", "Canon EOS R6"])
    assert told.asked == ["dogs"]


async def test_without_words_left_no_model_is_asked() -> None:
    told = await run("Anna in Paris")
    assert told.row["understood"]["semantic"] == ""
    assert told.asked == []
    assert not {"vector", "lacks", "model_version"} & set(told.row)
    assert told.done.result == {"parts": 2, "embedded": False}


async def test_a_part_that_was_taken_out_is_words_again() -> None:
    told = await run("a dog in Lisbon", without=[0, 1])
    assert told.row["understood"]["parts"] == []
    assert "Lisbon" in told.asked[0]


async def test_a_library_that_no_model_has_seen_is_searched_by_what_is_understood() -> None:
    told = await run("dogs with Anna", generations=())
    assert told.row["lacks"] == "unknown_generation"
    assert "vector" not in told.row
    assert told.parts("person")


async def test_a_machine_without_the_model_says_what_it_lacks() -> None:
    told = await run("dogs with Anna", error=WeightsMissing("not here"))
    assert (told.row["lacks"], told.row["model_version"]) == ("weights_missing", "fake-embed")
    assert "vector" not in told.row
    assert told.parts("person")


async def test_another_model_than_the_librarys_makes_no_vector() -> None:
    told = await run("dogs", generations=[generation(model_version="another")])
    assert told.row["lacks"] == "model_failed"
    assert "vector" not in told.row


async def test_no_more_names_are_read_than_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(understanding, "MOST_WORDS", 1000)
    words = [{"kind": "person", "name": f"Name{number}", "id": str(number)} for number in range(1500)]
    assert (await run("with Name999", library=words)).parts("person")
    assert not (await run("with Name1000", library=words)).parts("person")


@pytest.mark.parametrize(
    ("places", "known"),
    [
        (["Lisbon, Portugal"], ["Lisbon, Portugal", "Lisbon", "Portugal"]),
        (
            ["Lisbon, Portugal", "Porto, Portugal"],
            [
                "Lisbon, Portugal",
                "Lisbon",
                "Portugal",
                "Porto, Portugal",
                "Porto",
            ],
        ),
        ([" , ", ",", "Rome,"], [",", "Rome,", "Rome"]),
    ],
)
def test_a_place_is_known_by_its_pieces(places: list[str], known: list[str]) -> None:
    assert [place.names[0] for place in understanding.places_of(places)] == known


@pytest.mark.parametrize(
    "params",
    [
        {"text": ""},
        {"text": "x" * 501},
        {"today": "soon"},
        {"hemisphere": "east"},
        {"without": [-1]},
        {"without": list(range(21))},
        {"words": "x" * 33},
    ],
    ids=str,
)
async def test_params_that_mean_nothing_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(BadParams):
        await run(**{"text": "a dog", **params})
