"""The search that the demo suggests, and that it goes without one."""

from __future__ import annotations

from typing import Any

import pytest

from models.errors import WeightsMissing
from worker.core.errors import NotFound
from worker.demo import suggestion
from worker.demo.suggestion import sentence_for, suggest
from worker.library.search import Match


def thing(name: str, photo: str = "a", side: float = 0.5) -> dict[str, Any]:
    box = {"x": 0.0, "y": 0.0, "width": side, "height": side}
    return {"asset_id": photo, "object_class": name, "confidence": 0.8, "bounding_box": box}


@pytest.mark.parametrize(
    ("things", "sentence"),
    [
        ([], None),
        ([thing("person", "a"), thing("person", "b"), thing("dog")], "a dog"),
        ([thing("person")], "a person"),
        ([thing("cat", side=0.9), thing("bus", "a"), thing("bus", "b")], "a bus"),
        ([thing("bowl", "a"), thing("bowl", "a"), thing("zebra", side=0.9)], "a zebra"),  # bowls of one photo
        ([thing("cat"), thing("bus")], "a bus"),
        ([thing("umbrella")], "an umbrella"),
    ],
)
def test_it_is_what_most_photos_show(things: list[dict[str, Any]], sentence: str | None) -> None:
    assert sentence_for(things) == sentence


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


async def test_the_answer_is_the_best_three(models: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    async def search(*asked: Any) -> Any:
        assert asked[2:] == ("a dog", 3)
        matches = [
            Match(rank=1, similarity=0.5, asset_id="a", path="u/a.jpg", file_name="dog.jpg"),
            Match(rank=2, similarity=0.4, asset_id="b", path="u/b.jpg", file_name=None),
        ]
        return "conse-1", matches

    monkeypatch.setattr(suggestion, "search", search)
    nothing: Any = None
    found = await suggest(nothing, nothing, [thing("dog")])
    assert found == suggestion.Suggestion(sentence="a dog", found=["a", "b"], names=["dog.jpg", "u/b.jpg"])
    assert models == ["made", "closed"]


@pytest.mark.parametrize("error", [WeightsMissing("none here"), NotFound("nothing seen yet")])
async def test_without_a_model_nothing_is_suggested(
    models: list[str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def search(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(suggestion, "search", search)
    nothing: Any = None
    assert await suggest(nothing, nothing, [thing("dog")]) is None
    assert models == ["made", "closed"]


async def test_no_model_is_started_for_nothing(models: list[str]) -> None:
    nothing: Any = None
    assert await suggest(nothing, nothing, []) is None
    assert models == []
