"""How a generation is begun, filled, waited for and dropped; tests/acceptance has it on a stack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from models.errors import LicenceRefused, UnknownModel
from worker.core.errors import (
    GenerationAnswers,
    GenerationIncomplete,
    NotFound,
    PermissionDenied,
    UnknownGeneration,
)
from worker.generations import Generations
from worker.library import changing
from worker.settings import Settings
from worker.testing import FakeModels

ROW = {
    "kind": "pictures",
    "model": {"embed_model": "conse", "vector_precision": "fp32"},
    "dimension": 384,
    "weights_digest": None,
    "precision": None,
    "cutoff": None,
}
OLD = {**ROW, "id": 1, "model_version": "conse-efficientnet_lite2-minilm_l6", "state": "active"}
NEW = {**ROW, "id": 2, "model_version": "fake-embed", "state": "filling"}


class Project:
    """Answers each function with what it is told, one after the other; the last goes on being the answer."""

    def __init__(self, **answers: Sequence[Any]) -> None:
        self.answers = {function: list(said) for function, said in answers.items()}
        self.asked: list[tuple[str, Any]] = []

    async def rpc(self, function: str, params: Any = None, *, within: float = 30) -> Any:
        self.asked.append((function, params))
        said = self.answers[function]
        answer = said.pop(0) if len(said) > 1 else said[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize("kind", ["user", "worker"])
def test_nobody_but_the_service_changes_the_model(kind: str) -> None:
    stranger: Any = SimpleNamespace(caller=SimpleNamespace(kind=kind))
    with pytest.raises(PermissionDenied, match="SUPABASE_SECRET_KEY"):
        changing.check_service(stranger)
    service: Any = SimpleNamespace(caller=SimpleNamespace(kind="service"))
    changing.check_service(service)


def test_a_generation_is_named_by_its_id_or_version() -> None:
    assert changing.named([OLD, NEW], "2") is NEW
    assert changing.named([OLD, NEW], "fake-embed") is NEW
    with pytest.raises(NotFound, match=r"there are 1 \(conse.*, 2 \(fake-embed\)"):
        changing.named([OLD, NEW], "fake")
    with pytest.raises(NotFound, match="there are none"):
        changing.named([], "1")


async def begin(project: Any, **settings: Any) -> Any:
    whole = Settings(_env_file=None, **{"embed_model": "conse", "model_profile": "best", **settings})
    return await changing.begin(project, FakeModels(), Generations(project.rpc, whole), whole, "pictures")


async def test_the_settings_model_begins_as_a_new_generation() -> None:
    project = Project(generations=[[OLD]], begin_generation=[NEW])
    assert await begin(project) == NEW
    function, params = project.asked[-1]
    assert function == "begin_generation"
    assert (params["p_kind"], params["p_new"], params["p_dimension"]) == ("pictures", True, 384)
    assert params["p_model"] == {"embed_model": "conse", "vector_precision": "fp32"}


async def test_the_model_that_answers_is_not_begun_again() -> None:
    project = Project(generations=[[{**OLD, "model_version": "fake-embed"}]])
    with pytest.raises(GenerationAnswers, match="EMBED_MODEL"):
        await begin(project)
    assert [function for function, _ in project.asked] == ["generations"]


async def test_what_is_being_dropped_cannot_begin() -> None:
    project = Project(generations=[[OLD]], begin_generation=[{**NEW, "state": "dropping"}])
    with pytest.raises(UnknownGeneration, match="drop 2 --yes"):
        await begin(project)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"model_licences": ("copyleft",)}, LicenceRefused),
        ({"embed_model": "open_clip", "clip_model": "nope"}, UnknownModel),
    ],
)
async def test_a_model_that_is_not_to_be_had_here_is_not_begun(
    settings: dict[str, Any], error: type[Exception]
) -> None:
    project = Project(generations=[[OLD]])
    with pytest.raises(error):
        await begin(project, **settings)
    assert project.asked == []


async def test_pages_are_enqueued_to_the_end() -> None:
    pages = [
        {"looked_at": 1000, "enqueued": 900, "at_end": False},
        {"looked_at": 7, "enqueued": 7, "at_end": True},
    ]
    project: Any = Project(fill_generation=pages)
    seen: list[int] = []
    assert await changing.fill(project, 2, seen.append) == {"looked_at": 1007, "enqueued": 907}
    assert seen == [1000, 7]
    assert [asked["p_again"] for _, asked in project.asked] == [True, False], "once, or it would never end"


def far(missing: int, state: str = "filling", **missed: int) -> dict[str, Any]:
    return {"photos": 10, "missing": missing, "missed": missed, "generation": {**NEW, "state": state}}


async def waited(*progress: dict[str, Any], clock: Callable[[], float]) -> tuple[Any, int]:
    """What waiting answers, and how often it looked; a look takes what the clock says."""
    project: Any = Project(generation_progress=progress, fill_generation=[{"looked_at": 0, "enqueued": 0}])
    looks: list[Any] = []
    answer = await changing.wait(
        project, 2, looks.append, look_seconds=0.001, still_seconds=6, tried_seconds=1, clock=clock
    )
    return answer, len(looks)


def ticking(seconds: float) -> Callable[[], float]:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += seconds
        return now

    return clock


async def test_waiting_ends_when_nothing_is_missing() -> None:
    answer, looks = await waited(far(5), far(1), far(0), far(9), clock=ticking(0.0001))
    assert (answer["missing"], looks) == (0, 3)


async def test_waiting_ends_when_nothing_moves() -> None:
    answer, looks = await waited(*(far(missing) for missing in (9, 8, 7, 6, 5)), clock=ticking(0.01))
    assert answer["missing"] == 5
    assert 250 < looks < 350, "6 seconds after the last photo; a look takes two hundredths"


async def test_where_each_missing_one_was_tried_in_vain_waiting_is_soon_over() -> None:
    answer, looks = await waited(far(2), far(2, timeout=1), far(2, timeout=2), clock=ticking(0.01))
    assert answer["missed"] == {"timeout": 2}
    assert 40 < looks < 60


@pytest.mark.parametrize("state", ["dropping", "active"])
async def test_nobody_waits_for_a_generation_that_is_filled_no_more(state: str) -> None:
    answer, looks = await waited(far(5), far(4, state), clock=ticking(0.0001))
    assert (answer["missing"], looks) == (4, 2)


async def test_a_flip_before_its_time_says_what_helps() -> None:
    project: Any = Project(flip_generation=[GenerationIncomplete("3 photos are missing")])
    with pytest.raises(GenerationIncomplete, match=r"3 photos are missing: .*--force"):
        await changing.flip(project, NEW)
    project = Project(rollback_generation=[GenerationIncomplete("3 photos are missing")])
    with pytest.raises(GenerationIncomplete, match=r"3 photos are missing: .*--force"):
        await changing.roll_back(project, "pictures")


async def test_a_generation_is_dropped_batch_by_batch() -> None:
    pages = [
        {"deleted": 0, "kept": 0, "done": False},
        {"deleted": 2000, "kept": 0, "done": False},
        {"deleted": 5, "kept": 0, "done": False},
        {"deleted": 0, "kept": 3, "done": True},
    ]
    project: Any = Project(drop_generation=pages)
    seen: list[int] = []
    assert await changing.drop(project, 2, seen.append) == {"deleted": 2005, "kept": 3}
    assert seen == [0, 2000, 5, 0]


def test_what_answers_is_not_dropped() -> None:
    changing.check_droppable(NEW)
    with pytest.raises(GenerationAnswers, match="flip to another"):
        changing.check_droppable(OLD)
