from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from worker.core.errors import StorageUnavailable
from worker.files.trash import PAGE, PAGES_AT_ONCE, empty_trash


class Project:
    """Answers with one page of trash after the other, and then with empty ones; Storage deletes all."""

    def __init__(self, *pages: Mapping[str, Any], fails: bool = False, keeps: bool = False) -> None:
        self.pages = list(pages)
        self.done: list[Sequence[int]] = []
        self.deleted: list[tuple[str, list[str]]] = []
        self.fails = fails
        self.keeps = keeps

    async def rpc(self, function: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        assert function == "take_trash"
        assert params["p_limit"] in (PAGE, 0)
        self.done.append(params["p_done"])
        last = not self.pages or params["p_limit"] == 0
        return page(more=bool(self.pages)) if last else self.pages.pop(0)

    async def delete(self, bucket: str, keys: list[str]) -> int:
        if self.fails:
            raise StorageUnavailable("away")
        self.deleted.append((bucket, keys))
        return 0 if self.keeps else len(keys)


def page(*files: str, ids: Sequence[int] = (), more: bool = False) -> dict[str, Any]:
    named = [dict(zip(("bucket", "key"), file.split("/", 1), strict=True)) for file in files]
    return {"files": named, "ids": list(ids), "more": more}


async def empty(project: Project) -> tuple[int, bool]:
    return await empty_trash(project, project)  # type: ignore[arg-type]


async def test_files_go_bucket_by_bucket_and_are_told_to_be_done() -> None:
    project = Project(
        page("assets/a/1", "avatars/a/2", "assets/a/3", ids=[7, 8]), page("assets/b/4", ids=[9])
    )
    assert await empty(project) == (4, False)
    assert project.deleted == [("assets", ["a/1", "a/3"]), ("avatars", ["a/2"]), ("assets", ["b/4"])]
    assert project.done == [[], [7, 8], [9]]


async def test_a_page_without_files_is_not_the_end() -> None:
    project = Project(page(more=True), page("assets/a/1", ids=[1]))
    assert (await empty(project))[0] == 1


async def test_what_storage_refuses_is_not_done() -> None:
    project = Project(page("assets/a/1", ids=[1]), fails=True)
    with pytest.raises(StorageUnavailable):
        await empty(project)
    assert project.done == [[]]


async def test_a_round_ends_and_says_that_there_is_more() -> None:
    project = Project(*(page("assets/a/1", ids=[number], more=True) for number in range(PAGES_AT_ONCE + 1)))
    assert await empty(project) == (PAGES_AT_ONCE, True)
    assert project.done[-1] == [PAGES_AT_ONCE - 1]


async def test_what_storage_keeps_is_not_done() -> None:
    """A project whose policies let this caller delete nothing: a folder that is done is due again at once."""
    project = Project(page("assets/a/1", ids=[1]), keeps=True)
    assert await empty(project) == (0, False)
    assert project.done == [[], []]
