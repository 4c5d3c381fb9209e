"""What a worker makes sure of before it claims anything."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from models.serving.machine import problem_of
from worker import operations
from worker.app import check_dimensions, check_machine, operations_of
from worker.core.errors import DatabaseUnavailable, StartupError
from worker.handlers import discover
from worker.settings import Settings


class Project:
    """Knows its vectors' dimensions, and can be reached after an outage of so many seconds."""

    def __init__(self, *, outage: float = 0.0, **dimensions: int) -> None:
        self._outage = outage
        self._dimensions = dimensions

    async def rpc(self, function: str, params: Any = None, *, within: float = 30.0) -> Any:
        assert function == "vector_dimensions"
        if within < self._outage:
            raise DatabaseUnavailable
        return self._dimensions


async def check(project: Project, **settings: Any) -> None:
    found_out = operations_of(discover().values())
    await check_dimensions(project, Settings(_env_file=None, **settings), found_out)  # type: ignore[arg-type]


async def test_vectors_fit_their_columns() -> None:
    await check(Project(image_embeddings=512, face_embeddings=512))


async def test_a_model_whose_vectors_do_not_fit_is_refused_with_a_word() -> None:
    with pytest.raises(StartupError, match=r"dimension_mismatch: .* of 512 numbers, .* holds 768"):
        await check(Project(image_embeddings=512, face_embeddings=768))


async def test_shorter_vectors_fit_the_column_that_they_are_made_as_long_as() -> None:
    await check(Project(image_embeddings=512), embed_model="conse")
    with pytest.raises(StartupError, match=r"dimension_mismatch: conse-.* of 384 numbers, .* holds 384"):
        await check(Project(image_embeddings=384), embed_model="conse")


async def test_a_model_that_nobody_knows_is_refused_with_a_word() -> None:
    with pytest.raises(StartupError, match="unknown_model: FACE_PACK=nobody"):
        await check(Project(image_embeddings=512, face_embeddings=512), face_pack="nobody")
    with pytest.raises(StartupError, match="unknown_model: OBJECTS_MODEL=yolov9 is none of"):
        await check(Project(), objects_model="yolov9")


async def test_a_worker_that_starts_during_an_outage_waits_for_its_end() -> None:
    await check(Project(outage=3600, image_embeddings=512, face_embeddings=512))


async def test_a_column_that_the_database_tells_nothing_of_is_passed_over() -> None:
    await check(Project(image_embeddings=512))


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
