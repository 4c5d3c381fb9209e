from __future__ import annotations

from typing import Any

import pytest

from models.errors import WeightsMissing
from worker.core.errors import NotFound
from worker.library.search import search
from worker.testing import FakeModels


class Project:
    """A project whose model has seen no photo, and that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def rpc(self, function: str, arguments: dict[str, Any]) -> list[Any]:
        self.asked.append((function, arguments))
        return []


async def test_only_photos_that_the_sentences_model_has_seen_are_compared() -> None:
    project, models = Project(), FakeModels(embed=lambda sentence: (0.6, 0.8))
    with pytest.raises(NotFound, match="has seen no picture yet"):
        await search(project, models, "a red circle", 7)  # type: ignore[arg-type]
    [(function, arguments)] = project.asked
    assert function == "search_image_embeddings"
    assert arguments["filter_model_version"] == "fake-embed"
    assert arguments["match_count"] == 7
    assert arguments["match_threshold"] == -1.0


async def test_without_a_model_nothing_is_asked_of_the_database() -> None:
    project, models = Project(), FakeModels(embed=WeightsMissing("not here"))
    with pytest.raises(WeightsMissing):
        await search(project, models, "a red circle", 7)  # type: ignore[arg-type]
    assert project.asked == []
