from __future__ import annotations

from typing import Any

import pytest

from models.errors import WeightsMissing
from worker.core.errors import NotFound, UnknownGeneration
from worker.generations import Generations
from worker.library.search import Found, search
from worker.settings import Settings
from worker.testing import FakeModels, MemoryGenerations


class Project(MemoryGenerations):
    """A project that remembers what it was asked, and whose searches are answered in turn."""

    def __init__(self, *answers: Any) -> None:
        super().__init__()
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    async def rpc(self, function: str, arguments: dict[str, Any], *, within: float = 30.0) -> Any:
        if function != "search_image_embeddings":
            return await self(function, arguments, within=within)
        self.asked.append(arguments)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def begin(self, version: str, model: str, *, state: str = "active") -> None:
        wish = {"p_kind": "pictures", "p_version": version, "p_model": {"m": model}, "p_dimension": 3}
        await self("begin_generation", {**wish, "p_new": True}, within=1)
        for row in self.rows:
            if state == "active":
                row["state"] = "active" if row["model_version"] == version else "former"


async def find(project: Project, models: FakeModels) -> Found:
    generations = Generations(project.rpc, Settings(_env_file=None))
    return await search(project, models, generations, "a red circle", 7)  # type: ignore[arg-type]


async def test_generation_that_answers_is_asked_with_its_own_models_vector() -> None:
    project, models = Project([]), FakeModels(embed=lambda sentence: (0.6, 0.8))
    await project.begin("fake-embed-x", "x")
    with pytest.raises(NotFound, match="has seen no picture yet"):
        await find(project, models)
    [arguments] = project.asked
    assert arguments["filter_model_version"] == "fake-embed-x"
    assert arguments["query_embedding"] == "[0.6,0.8,0]"
    assert arguments["match_count"] == 7
    assert arguments["match_threshold"] == -1.0


async def test_sentence_is_embedded_anew_where_its_generation_was_dropped_meanwhile() -> None:
    project, models = Project(UnknownGeneration("gone"), []), FakeModels(embed=lambda sentence: (0.6, 0.8))
    await project.begin("fake-embed-x", "x")
    generations = Generations(project.rpc, Settings(_env_file=None))
    assert [one.version for one in await generations.of("pictures")] == ["fake-embed-x"]
    await project.begin("fake-embed-y", "y")
    with pytest.raises(NotFound, match="fake-embed-y has seen no picture yet"):
        await search(project, models, generations, "a red circle", 7)  # type: ignore[arg-type]
    assert [asked["filter_model_version"] for asked in project.asked] == ["fake-embed-x", "fake-embed-y"]


async def test_before_the_first_photo_there_is_nothing_to_search() -> None:
    project = Project()
    with pytest.raises(NotFound, match="kizu jobs missing embedding"):
        await find(project, FakeModels())
    assert project.asked == []


async def test_without_a_model_nothing_is_asked_of_the_database() -> None:
    project, models = Project(), FakeModels(embed=WeightsMissing("not here"))
    await project.begin("fake-embed-x", "x")
    with pytest.raises(WeightsMissing):
        await find(project, models)
    assert project.asked == []
