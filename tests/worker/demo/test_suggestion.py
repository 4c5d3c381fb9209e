"""The search that the demo suggests, and that it goes without one."""

from __future__ import annotations

from typing import Any

import pytest

from models.errors import WeightsMissing
from worker.core.errors import NotFound
from worker.demo import suggestion
from worker.demo.suggestion import candidates, suggest
from worker.generations import Generation
from worker.library.search import Found, Match

GENERATION = Generation(id=1, kind="pictures", version="conse-1", model={}, dimension=384)


class Nothing:
    """Stands for what the fakes do not ask."""

    rpc = None


def thing(name: str, photo: str = "a", side: float = 0.5, score: float = 0.8) -> dict[str, Any]:
    box = {"x": 0.0, "y": 0.0, "width": side, "height": side}
    return {"asset_id": photo, "object_class": name, "confidence": score, "bounding_box": box}


@pytest.mark.parametrize(
    ("things", "names"),
    [
        ([], []),
        ([thing("person", "a"), thing("person", "b"), thing("dog")], ["dog"]),
        ([thing("cat", side=0.9), thing("bus", "a"), thing("bus", "b")], ["bus", "cat"]),
        (
            [thing("bowl", "a"), thing("bowl", "a"), thing("zebra", side=0.9)],
            ["zebra", "bowl"],
        ),  # one photo's
        ([thing("cat"), thing("bus")], ["bus", "cat"]),
        ([thing("frisbee", score=0.4)], []),
    ],
)
def test_first_comes_what_most_photos_show(things: list[dict[str, Any]], names: list[str]) -> None:
    assert candidates(things) == names


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What became of the models."""
    told: list[str] = []

    class Remote:
        def __init__(self, settings: Any) -> None:
            told.append("made")

        async def close(self) -> None:
            told.append("closed")

    monkeypatch.setattr(suggestion, "RemoteModels", Remote)
    return told


def answering(**first: str) -> Any:
    """A search that finds, for each thing, the photo of that id first."""

    async def search(_connection: Any, _models: Any, _generations: Any, sentence: str, count: int) -> Any:
        assert count == suggestion.BEST
        best = first[sentence.split()[-1]]
        matches = [
            Match(rank=1, similarity=0.5, asset_id=best, path="u/1.jpg", file_name=f"{best}.jpg"),
            Match(rank=2, similarity=0.4, asset_id="other", path="u/b.jpg", file_name=None),
            Match(rank=3, similarity=0.3, asset_id="far", path="u/c.jpg", file_name=None),
        ]
        return Found(generation=GENERATION, matches=matches)

    return search


async def test_what_is_suggested_finds_what_it_asks_for(
    models: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suggestion, "search", answering(frisbee="stars", umbrella="rain"))
    nothing: Any = Nothing()
    things = [thing("frisbee", "sun", side=0.9), thing("umbrella", "rain")]
    found = await suggest(nothing, nothing, things)
    assert found == suggestion.Suggestion(
        sentence="an umbrella", found=["rain", "other"], names=["rain.jpg", "u/b.jpg"]
    )
    assert models == ["made", "closed"]


async def test_nothing_is_suggested_where_searches_find_something_else(
    models: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suggestion, "search", answering(frisbee="stars"))
    nothing: Any = Nothing()
    assert await suggest(nothing, nothing, [thing("frisbee", "sun")]) is None
    assert models == ["made", "closed"]


@pytest.mark.parametrize("error", [WeightsMissing("none here"), NotFound("nothing seen yet")])
async def test_without_a_model_nothing_is_suggested(
    models: list[str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def search(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(suggestion, "search", search)
    nothing: Any = Nothing()
    assert await suggest(nothing, nothing, [thing("dog")]) is None
    assert models == ["made", "closed"]
