"""Workers go on filling generations when no command waits for that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from worker.core.errors import DatabaseUnavailable, PermissionDenied
from worker.generations import FILL_PAGE, Generations
from worker.settings import Settings


class Project:
    """Three generations; `fill_generation` answers with pages, or raises."""

    def __init__(self, *pages: bool | Exception) -> None:
        self.pages = list(pages)
        self.filled: list[int] = []

    async def rpc(self, function: str, params: Mapping[str, Any], *, within: float) -> Any:
        if function == "generations":
            return [
                {
                    "id": number,
                    "kind": kind,
                    "model_version": f"model-{number}",
                    "model": {"embed_model": "conse"},
                    "dimension": 384,
                    "weights_digest": None,
                    "precision": None,
                    "cutoff": None,
                    "state": state,
                }
                for number, kind, state in [
                    (1, "pictures", "former"),
                    (2, "pictures", "active"),
                    (3, "faces", "active"),
                    (4, "pictures", "filling"),
                    (5, "pictures", "dropping"),
                ]
            ]
        assert function == "fill_generation"
        assert params["p_limit"] == FILL_PAGE
        self.filled.append(params["p_id"])
        page = self.pages.pop(0)
        if isinstance(page, Exception):
            raise page
        return {"looked_at": 1, "enqueued": 1, "at_end": page}


def generations_of(project: Project) -> Generations:
    return Generations(project.rpc, Settings(_env_file=None))


@pytest.mark.parametrize(
    ("pages", "more"), [((True, True), False), ((True, False), True), ((False, True), True)]
)
async def test_one_page_of_each_that_does_not_answer_is_filled(pages: tuple[bool, bool], more: bool) -> None:
    project = Project(*pages)
    assert await generations_of(project).fill() is more
    assert project.filled == [1, 4]


async def test_a_users_worker_is_refused_once_and_asks_no_more() -> None:
    project = Project(PermissionDenied("not yours"))
    generations = generations_of(project)
    assert [await generations.fill(), await generations.fill()] == [False, False]
    assert project.filled == [1]


async def test_after_an_outage_it_is_tried_again() -> None:
    project = Project(DatabaseUnavailable("gone"), True, True)
    generations = generations_of(project)
    with pytest.raises(DatabaseUnavailable):
        await generations.fill()
    assert await generations.fill() is False
    assert project.filled == [1, 1, 4]
