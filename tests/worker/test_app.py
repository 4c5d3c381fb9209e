"""What a worker makes sure of before it claims anything."""

from __future__ import annotations

from typing import Any

import pytest

from worker.app import check_dimensions
from worker.core.errors import DatabaseUnavailable, StartupError
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
    await check_dimensions(project, Settings(_env_file=None, **settings))  # type: ignore[arg-type]


async def test_vectors_fit_their_columns() -> None:
    await check(Project(image_embeddings=512, face_embeddings=512))


async def test_a_model_whose_vectors_do_not_fit_is_refused_with_a_word() -> None:
    with pytest.raises(StartupError, match=r"dimension_mismatch: .* of 512 numbers, .* holds 768"):
        await check(Project(image_embeddings=512, face_embeddings=768))


async def test_a_model_that_nobody_knows_is_refused_with_a_word() -> None:
    with pytest.raises(StartupError, match="unknown_model: FACE_PACK=nobody"):
        await check(Project(image_embeddings=512, face_embeddings=512), face_pack="nobody")


async def test_a_worker_that_starts_during_an_outage_waits_for_its_end() -> None:
    await check(Project(outage=3600, image_embeddings=512, face_embeddings=512))
