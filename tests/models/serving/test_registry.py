"""Models of one process: chosen, closed, and named in every answer."""

from __future__ import annotations

import asyncio

import pytest

from models.errors import (
    ModelFailed,
    UnknownModel,
)
from models.settings import ModelSettings
from tests.models.fakes import PARROT, Parrot, spec_of
from tests.models.serving.registries import GATE, Gate, opened


async def test_closing_fails_who_waits_and_unloads(settings: ModelSettings) -> None:
    gate = Gate()
    with opened([spec_of(GATE, lambda _: gate)], settings) as models:
        running = asyncio.create_task(models.run(GATE, Gate.ask, 1))
        await gate.entering()
        waiting = asyncio.create_task(models.run(GATE, Gate.ask, 2))
        unloading = asyncio.create_task(models.unload_all())
        await asyncio.sleep(0)
        closing = asyncio.create_task(models.close())
        await asyncio.sleep(0.05)
        gate.open.set()
        assert (await running).value == 1
        with pytest.raises(ModelFailed, match="closed"):
            await waiting
        await closing
        await unloading
        assert gate.closed == 1
        with pytest.raises(ModelFailed, match="closed"):
            await models.run(GATE, Gate.ask, 3)


async def test_where_the_settings_choose_no_model_nobody_answers(settings: ModelSettings) -> None:
    with opened([], settings) as models:
        with pytest.raises(UnknownModel):
            await models.run(PARROT, Parrot.say, "x")
        with pytest.raises(UnknownModel):
            await models.identity(PARROT)


async def test_an_answer_says_who_gave_it(settings: ModelSettings) -> None:
    with opened([spec_of(PARROT, lambda _: Parrot())], settings) as models:
        told = await models.identity(PARROT)
        answered = (await models.run(PARROT, Parrot.say, "x")).model
        assert (told.task, told.name, told.version) == ("parrot", "parrot", "parrot-1")
        assert (told.digest, told.device) == ("d" * 64, "cpu")
        assert (told.backend, told.precision) == ("", ""), "not known before it is loaded"
        assert (answered.backend, answered.precision) == ("fake", "fp32")
        assert answered.version == told.version
        assert await models.identity(PARROT) == answered


@pytest.mark.parametrize(
    ("version", "dimension", "precision", "expected"),
    [
        ("clip", 512, "bf16", "clip+bf16"),
        ("clip+bf16", 512, "bf16", "clip+bf16"),  # the catalog has said it already
        ("clip", 512, "fp32", "clip"),
        ("clip", 512, "", "clip"),
        ("yolo", None, "bf16", "yolo"),  # no vectors, no index to keep apart
    ],
)
async def test_vectors_of_another_precision_are_of_another_version(
    settings: ModelSettings, version: str, dimension: int | None, precision: str, expected: str
) -> None:
    class Precise(Parrot):
        pass

    Precise.precision = precision
    if dimension is not None:
        Precise.dimension = dimension  # type: ignore[attr-defined]
    spec = spec_of(PARROT, lambda _: Precise(), version=version, dimension=dimension)
    with opened([spec], settings, vector_precision="bf16") as models:
        assert (await models.identity(PARROT)).version == expected
        assert (await models.run(PARROT, Parrot.say, "x")).model.version == expected
