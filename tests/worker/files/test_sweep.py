from __future__ import annotations

from typing import Any

from worker.files.sweep import orphans


class Project:
    """Answers with one page of orphans after the other."""

    def __init__(self, *pages: list[str]) -> None:
        self._pages = pages
        self.asked: list[dict[str, Any]] = []

    async def rpc(self, function: str, params: dict[str, Any]) -> dict[str, Any]:
        assert function == "list_orphans"
        number = len(self.asked)
        self.asked.append(params)
        last = number == len(self._pages) - 1
        return {"orphans": self._pages[number], "next": None if last else f"after {number}"}


async def found_by(project: Project, hours: float = 24.0) -> list[list[str]]:
    return [keys async for keys in orphans(project, older_than_hours=hours)]  # type: ignore[arg-type]


async def test_pages_are_asked_for_one_after_the_other() -> None:
    project = Project(["a", "b"], ["c"])
    assert await found_by(project) == [["a", "b"], ["c"]]
    assert [asked["p_after"] for asked in project.asked] == ["", "after 0"]


async def test_a_page_without_orphans_is_not_the_end() -> None:
    assert await found_by(Project(["a"], [], ["b"])) == [["a"], ["b"]]
    assert await found_by(Project([])) == []


async def test_the_age_is_told_in_hours() -> None:
    project = Project([])
    await found_by(project, 0.5)
    assert project.asked == [{"p_older_than": "0.5 hours", "p_after": ""}]
