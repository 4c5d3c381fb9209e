from __future__ import annotations

from typing import Any

import pytest

from worker.library.names import PAGES_AT_ONCE, spread_names


class Project:
    """Has so many pages of photos that names have not been told to."""

    def __init__(self, pages: int) -> None:
        self.pages = pages

    async def rpc(self, function: str) -> dict[str, Any]:
        assert function == "spread_names"
        self.pages -= 1
        return {"more": self.pages > 0}


@pytest.mark.parametrize(("pages", "more"), [(1, False), (PAGES_AT_ONCE, False), (PAGES_AT_ONCE + 1, True)])
async def test_a_round_does_some_pages(pages: int, more: bool) -> None:
    project = Project(pages)
    assert await spread_names(project) is more  # type: ignore[arg-type]
    assert project.pages == int(more)
