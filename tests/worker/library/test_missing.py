from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.errors import UnknownModel
from worker import operations
from worker.library import missing as module
from worker.library.missing import enqueue_missing, versions_of, without_weights
from worker.settings import Settings
from worker.testing import FakeModels


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
            "next": after,
        }


async def test_pages_are_added_up_to_the_last() -> None:
    project: Any = Project((1000, 10, 8), (1000, 0, 0), (5, 2, 2))
    total = await enqueue_missing(project, {"ocr": "1"}, force=True)
    assert total == {"looked_at": 2005, "missing": 12, "enqueued": 10, "facts": {"ocr": 12}}
    assert [asked["p_after"] for asked in project.asked] == [None, "photo 0", "photo 1"]
    assert {(asked["p_force"], asked["p_dry_run"], asked["p_limit"]) for asked in project.asked} == {
        (True, False, 1000)
    }
    assert project.asked[0]["p_versions"] == {"ocr": "1"}


async def test_a_library_without_photos_lacks_nothing() -> None:
    project: Any = Project((0, 0, 0))
    total = await enqueue_missing(project, {}, dry_run=True)
    assert total == {"looked_at": 0, "missing": 0, "enqueued": 0, "facts": {}}
    assert project.asked[0]["p_dry_run"] is True


def settings(cache: Path, **values: Any) -> Settings:
    return Settings(_env_file=None, model_cache_dir=cache, model_profile="tiny", model_device="cpu", **values)


async def test_a_fact_is_of_the_models_version_or_else_the_operations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, models = operations.discover(), FakeModels()
    monkeypatch.setattr(module, "RemoteModels", lambda settings: models)
    versions = await versions_of([known["describe"], known["hashes"]], settings(tmp_path))
    assert versions == {"describe": "fake-caption", "hashes": known["hashes"].version}
    assert models.asked == [("", "close")]


def test_operations_whose_models_lack_weights_are_named(tmp_path: Path) -> None:
    known = operations.discover()
    lacking = without_weights([known["describe"], known["hashes"]], settings(tmp_path))
    assert lacking == {"describe": "florence-2-tiny"}


def test_a_model_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    chosen = settings(tmp_path).model_copy(update={"model_profile": "best", "face_pack": "nobody"})
    with pytest.raises(UnknownModel, match="FACE_PACK=nobody"):
        without_weights([operations.discover()["faces"]], chosen)
