"""Which model a search is made with, where MODEL_PROFILE=auto leaves it open."""

from __future__ import annotations

from typing import Any

import pytest

from models.errors import WeightsMissing
from worker.commands import search as module
from worker.core.errors import NotFound
from worker.output import CommandFailed
from worker.settings import Settings


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a search with each profile answers or raises and, under `order`, which were tried."""
    answers: dict[str, Any] = {"order": []}

    async def find(settings: Settings, query: str, limit: int) -> Any:
        profile = "free" if settings.embed_model else settings.model_profile
        answers["order"].append(profile)
        answer = answers[profile]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def resolve(settings: Settings) -> Settings:
        if settings.model_profile != "auto":
            return settings
        chosen = {"embed_model": "conse"} if answers.get("no hub") else {}
        return settings.model_copy(update={"model_profile": "best", **chosen})

    monkeypatch.setattr(module, "_find", find)
    monkeypatch.setattr(module, "resolved", resolve)
    return answers


async def found(**settings: Any) -> Any:
    return await module.find(Settings(_env_file=None, **settings), "a dog", 3)


async def test_the_reference_model_is_asked_first(tried: dict[str, Any]) -> None:
    tried["best"] = {"found": []}
    assert await found() == {"found": []}
    assert tried["order"] == ["best"]


async def test_the_free_model_answers_where_the_reference_has_seen_nothing(tried: dict[str, Any]) -> None:
    tried.update(best=NotFound("best has seen no picture yet"), free={"found": ["a"]})
    assert await found() == {"found": ["a"]}


@pytest.mark.parametrize("free", [NotFound("free has seen no picture yet"), WeightsMissing("none")])
async def test_where_neither_has_it_is_the_reference_that_says_so(
    tried: dict[str, Any], free: Exception
) -> None:
    tried.update(best=NotFound("best has seen no picture yet"), free=free)
    with pytest.raises(CommandFailed, match="best has seen no picture yet"):
        await found()
    assert tried["order"] == ["best", "free"]


@pytest.mark.parametrize("profile", ["best", "free", "tiny"])
async def test_a_profile_that_was_named_is_the_only_one(tried: dict[str, Any], profile: Any) -> None:
    tried[profile] = NotFound("nothing seen yet")
    with pytest.raises(CommandFailed):
        await found(model_profile=profile)
    assert tried["order"] == [profile]


async def test_without_a_hub_the_free_model_is_the_only_one(tried: dict[str, Any]) -> None:
    tried.update({"no hub": True, "free": NotFound("nothing seen yet")})
    with pytest.raises(CommandFailed):
        await found()
    assert tried["order"] == ["free"]
