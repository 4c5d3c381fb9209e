"""A command waits for a worker, not for ever, and has the database answer either way."""

from __future__ import annotations

from typing import Any

import pytest

from worker.core.errors import PermissionDenied, TooManyJobs
from worker.library import asking

QUESTION = {"p_text": "a dog"}


class Project:
    """Says one thing after the other when it is asked what words mean, the last of them for ever."""

    def __init__(self, *says: str | Exception, attended: bool = True, full: int = 0) -> None:
        self.attended = attended
        self.full = full
        self.says = list(says)
        self.asked: list[tuple[str, Any]] = []

    async def rpc(self, function: str, params: Any) -> Any:
        self.asked.append((function, params))
        if function == "search":
            if self.full:
                self.full -= 1
                raise TooManyJobs()
            return {"results": []}
        said = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        if isinstance(said, Exception):
            raise said
        return {"status": said, "job": {"attended": self.attended}}


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were slept, one after the other, by a clock that only sleeping moves."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asking.asyncio, "sleep", sleep)
    monkeypatch.setattr(asking.time, "monotonic", lambda: sum(slept))
    return slept


async def search(project: Project, wait: float = 3.0) -> Any:
    return await asking.search(project, QUESTION, {"p_limit": 5}, wait=wait)  # type: ignore[arg-type]


async def test_what_is_known_is_searched_for_at_once(slept: list[float]) -> None:
    project = Project("ready")
    assert await search(project) == {"results": [], "timed_out": False}
    assert project.asked == [("ask_search", QUESTION), ("search", {**QUESTION, "p_limit": 5})]
    assert slept == []


@pytest.mark.parametrize("end", ["ready", "failed"])
async def test_a_worker_is_waited_for_more_and_more_patiently(slept: list[float], end: str) -> None:
    project = Project("asked", TooManyJobs(), "asked", end)
    assert (await search(project))["timed_out"] is False
    assert slept == pytest.approx([0.04, 0.5, 0.25]), "where there is no room, looks are left to others"


async def test_nobody_waits_for_longer_than_was_asked(slept: list[float]) -> None:
    project = Project("asked")
    assert (await search(project, wait=1.0))["timed_out"] is True
    assert sum(slept) == pytest.approx(1.0)
    assert max(slept) <= asking.LAST_LOOK
    assert project.asked[-1][0] == "search"


async def test_nobody_waits_for_a_worker_that_is_not_there(slept: list[float]) -> None:
    assert await search(Project("asked", attended=False)) == {"results": [], "timed_out": True}
    assert slept == []


async def test_another_error_ends_it(slept: list[float]) -> None:
    with pytest.raises(PermissionDenied):
        await search(Project(PermissionDenied("no")))


async def test_the_users_other_searches_are_answered_first(slept: list[float]) -> None:
    assert await search(Project("ready", full=2)) == {"results": [], "timed_out": False}
    assert slept == pytest.approx([0.5, 0.75])


async def test_nobody_waits_for_ever_for_the_users_other_searches(slept: list[float]) -> None:
    with pytest.raises(TooManyJobs):
        await search(Project("ready", full=9))
    assert sum(slept) <= asking.MOST_FULL
