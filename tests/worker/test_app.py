"""What a worker makes sure of before it claims anything."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import pytest

from models import catalog
from models.selection import select
from models.serving.machine import problem_of
from worker import operations
from worker.app import Able, check_generations, check_machine, operations_of
from worker.core.errors import DatabaseUnavailable, StartupError
from worker.generations import Generations
from worker.handlers import discover
from worker.settings import Settings
from worker.testing import MemoryGenerations


class Slow(MemoryGenerations):
    """Can be reached after an outage of so many seconds."""

    outage = 3600.0

    async def __call__(self, function: str, params: Any, *, within: float) -> Any:
        if within < self.outage:
            raise DatabaseUnavailable
        return await super().__call__(function, params, within=within)


async def check(project: MemoryGenerations, **values: Any) -> list[str]:
    settings = Settings(_env_file=None, **values)
    return await check_generations(
        Generations(project, settings), settings, operations_of(discover().values())
    )


async def begun(project: MemoryGenerations, version: str, **model: str) -> None:
    wish = {"p_kind": "pictures", "p_version": version, "p_model": model, "p_dimension": 512}
    await project("begin_generation", wish, within=1)


async def test_settings_that_mean_another_model_than_the_librarys_are_told_of() -> None:
    project = MemoryGenerations()
    assert await check(project) == []
    await begun(project, "conse-1", embed_model="conse", vector_precision="fp32")
    assert await check(project, embed_model="conse") == []
    [said] = await check(project, clip_model="ViT-L-14", clip_pretrained="openai")
    assert "pictures" in said
    assert "conse-1" in said
    assert "ViT-L-14" in said


async def test_library_of_before_generations_hears_what_its_settings_are() -> None:
    project = MemoryGenerations()
    settings = Settings(_env_file=None)
    version = select(catalog.discover(), "embed", settings)[1].version
    await begun(project, version)
    [said] = await check(project, embed_model="conse")
    assert "no worker has said yet" in said
    assert project.rows[0]["model"] == {}
    assert await check(project) == []
    assert project.rows[0]["model"]["clip_pretrained"] == settings.clip_pretrained


async def test_a_model_that_nobody_knows_is_refused_with_a_word() -> None:
    with pytest.raises(StartupError, match="unknown_model: FACE_PACK=nobody"):
        await check(MemoryGenerations(), face_pack="nobody")
    with pytest.raises(StartupError, match="unknown_model: OBJECTS_MODEL=yolov9 is none of"):
        await check(MemoryGenerations(), objects_model="yolov9")


async def test_a_worker_that_starts_during_an_outage_waits_for_its_end() -> None:
    assert await check(Slow()) == []


def test_only_kinds_that_find_out_facts_bring_operations() -> None:
    handlers = discover()
    assert [operation.name for operation in operations_of([handlers["image_ai"]])] == list(
        operations.discover()
    )
    assert operations_of([handlers["optimize_image"]]) == []


AI = operations_of([discover()["image_ai"]])


async def look(tmp_path: Path, **settings: Any) -> None:
    await check_machine(Settings(_env_file=None, model_cache_dir=tmp_path, **settings), AI)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "darwin", reason="there it may be")
async def test_a_device_that_is_asked_for_and_not_there_stops_the_worker_at_start(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"MODEL_DEVICE=mps, but torch .* sees no such device"):
        await look(tmp_path, model_device="mps")


@pytest.mark.parametrize(
    "values",
    [{}, {"model_device": "cpu"}, {"model_device": "auto", "model_backend": "auto"}],
)
async def test_what_nobody_asks_for_is_not_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any]
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/program")
    await look(tmp_path, **values)


async def test_a_worker_without_models_asks_for_no_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/program")
    settings = Settings(_env_file=None, model_cache_dir=tmp_path, model_device="cuda")
    await check_machine(settings, operations_of([discover()["optimize_image"]]))


async def test_looking_for_a_device_ends(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, model_cache_dir=tmp_path, model_device="cuda")
    assert "MODEL_DEVICE=cuda" in await problem_of(settings, seconds=0.001)


async def test_searches_are_left_to_workers_that_have_the_librarys_model(tmp_path: Path) -> None:
    project, handlers = MemoryGenerations(), discover()

    async def able(**values: Any) -> Able:
        settings = Settings(_env_file=None, model_cache_dir=tmp_path, model_profile="tiny", **values)
        generations = Generations(project, settings)
        await generations.answering("pictures")
        able = Able(settings, handlers, generations)
        able.look()
        return able

    def kinds(able: Able) -> set[str]:
        return {kind for kind in ("search", "understand", "image_ai") if able.can_do(kind)}

    assert kinds(await able(model_downloads=True)) == {"understand", "image_ai"}, "there is no library yet"
    await begun(project, "conse-tiny", embed_model="conse")
    assert kinds(await able(model_downloads=False)) == {"understand", "image_ai"}
    has_it = await able(model_downloads=True)
    assert kinds(has_it) == {"search", "understand", "image_ai"}
    assert has_it.look()["sentences"] == ["conse-tiny"]


@pytest.mark.parametrize(
    ("package", "can"), [("pytest", True), ("nobody_has_this", False), ("nobody_has.this", False)]
)
def test_jobs_are_left_to_workers_that_have_their_packages(tmp_path: Path, package: str, can: bool) -> None:
    settings = Settings(_env_file=None, model_cache_dir=tmp_path)
    handler = dataclasses.replace(discover()["locate_photos"], packages=("numpy", package))
    able = Able(settings, {handler.kind: handler}, Generations(MemoryGenerations(), settings))

    assert able.can_do(handler.kind) is can
