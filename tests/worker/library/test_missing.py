from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.errors import UnknownModel, WeightsMissing
from worker import operations
from worker.generations import Generations
from worker.library.missing import (
    enqueue_missing,
    enqueue_what_can_be_found,
    versions_of,
    without_weights,
)
from worker.settings import Settings
from worker.testing import FakeModels, MemoryGenerations


class Project:
    """Answers with one page after the other."""

    def __init__(self, *pages: tuple[int, int, int]) -> None:
        self._pages = pages
        self.asked: list[dict[str, Any]] = []

    async def rpc(self, function: str, params: dict[str, Any]) -> dict[str, Any]:
        assert function == "enqueue_missing"
        number = len(self.asked)
        self.asked.append(params)
        looked_at, missing, enqueued = self._pages[number]
        after = None if number == len(self._pages) - 1 else f"photo {number}"
        facts = {"ocr": missing} if missing else {}
        return {
            "looked_at": looked_at,
            "missing": missing,
            "enqueued": enqueued,
            "facts": facts,
            "left": {"ocr": {"timeout": 1}} if missing else {},
            "next": after,
        }


async def test_pages_are_added_up_to_the_last() -> None:
    project: Any = Project((1000, 10, 8), (1000, 0, 0), (5, 2, 2))
    total = await enqueue_missing(project, {"ocr": "1"}, force=True)
    assert total == {
        "looked_at": 2005,
        "missing": 12,
        "enqueued": 10,
        "facts": {"ocr": 12},
        "left": {"ocr": {"timeout": 2}},
    }
    assert [asked["p_after"] for asked in project.asked] == [None, "photo 0", "photo 1"]
    assert {(asked["p_force"], asked["p_dry_run"], asked["p_limit"]) for asked in project.asked} == {
        (True, False, 1000)
    }
    assert project.asked[0]["p_versions"] == {"ocr": "1"}


async def test_a_library_without_photos_lacks_nothing() -> None:
    project: Any = Project((0, 0, 0))
    total = await enqueue_missing(project, {}, dry_run=True)
    assert total == {"looked_at": 0, "missing": 0, "enqueued": 0, "facts": {}, "left": {}}
    assert project.asked[0]["p_dry_run"] is True


class Workers:
    """Photos lack both facts; some worker has announced a version of `faces`."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.enqueued: list[str] = []

    async def rpc(self, function: str, params: Any = None) -> Any:
        if function == "announced_facts":
            return {"faces": [self.version]}
        wanted = sorted(params["p_versions"])
        if not params["p_dry_run"]:
            self.enqueued += wanted
        return {
            "looked_at": 3,
            "missing": 3,
            "enqueued": 0 if params["p_dry_run"] else 3,
            "facts": dict.fromkeys(wanted, 3),
            "left": {},
            "next": None,
        }


@pytest.mark.parametrize(
    ("announced", "force", "enqueued", "lacking"),
    [
        ("buffalo", False, ["faces", "hashes"], []),
        ("older", False, ["hashes"], ["faces"]),
        ("older", True, ["faces", "hashes"], ["faces"]),
    ],
)
async def test_what_no_worker_has_the_model_for_is_named_and_left_alone(
    announced: str, force: bool, enqueued: list[str], lacking: list[str]
) -> None:
    project: Any = Workers(announced)
    wanted = {"faces": "buffalo", "hashes": "1"}
    total = await enqueue_what_can_be_found(
        project, wanted, {"faces": WeightsMissing("not here")}, force=force
    )
    assert project.enqueued == enqueued
    assert (total["enqueued"], total["facts"]) == (3, {"faces": 3, "hashes": 3})
    assert total["lacking"] == {name: {"code": "weights_missing", "message": "not here"} for name in lacking}
    assert total["left"] == ({} if force or not lacking else {"faces": {"weights_missing": 3}})


def settings(cache: Path, **values: Any) -> Settings:
    return Settings(_env_file=None, model_cache_dir=cache, model_profile="tiny", model_device="cpu", **values)


async def test_a_fact_is_of_the_models_version_or_else_the_operations(tmp_path: Path) -> None:
    known, project = operations.discover(), MemoryGenerations()
    generations = Generations(project, settings(tmp_path))
    wanted = [known[name] for name in ("describe", "embedding", "hashes")]
    found_out = {"describe": "fake-caption", "hashes": known["hashes"].version}
    assert await versions_of(wanted, FakeModels(), generations) == {**found_out, "embedding": "fake-embed"}

    for version in ("that answers", "that is filled"):
        wish = {"p_kind": "pictures", "p_version": version, "p_model": {"a": "b"}, "p_dimension": 3}
        await project("begin_generation", {**wish, "p_new": True}, within=1)
    assert await versions_of(wanted, FakeModels(), Generations(project, settings(tmp_path))) == {
        **found_out,
        "embedding": "that answers",
    }


def test_operations_whose_models_lack_weights_are_named(tmp_path: Path) -> None:
    known = operations.discover()
    lacking = without_weights([known["describe"], known["hashes"]], settings(tmp_path))
    assert lacking == {"describe": "florence-2-tiny"}


def test_a_model_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    chosen = settings(tmp_path).model_copy(update={"model_profile": "best", "face_pack": "nobody"})
    with pytest.raises(UnknownModel, match="FACE_PACK=nobody"):
        without_weights([operations.discover()["faces"]], chosen)
