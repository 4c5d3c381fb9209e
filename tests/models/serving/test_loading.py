"""When models are loaded and unloaded, and what becomes of those that cannot be had."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from models.errors import (
    BadWeights,
    LicenceRefused,
    ModelError,
    OutOfMemory,
    PackageMissing,
    WeightsMissing,
)
from models.machine import memory
from models.serving import loading, schedule
from models.serving.registry import Registry
from models.settings import ModelSettings
from models.spec import AnySpec, Licence, Loading, Variant
from models.tasks import Model, Task
from tests.models.fakes import PARROT, WEIGHER, Parrot, Stores, Weigher, spec_of, taken
from tests.models.serving.registries import GATE, Gate, Late, opened, until


async def test_nothing_is_loaded_before_it_is_used(settings: ModelSettings) -> None:
    loaded: list[str] = []

    def load(loading: Loading) -> Parrot:
        loaded.append(loading.variant.version)
        return Parrot()

    with opened([spec_of(PARROT, load)], settings) as models:
        await models.identity(PARROT)
        assert (loaded, models.idle) == ([], True)
        assert (await models.run(PARROT, Parrot.say, "hello")).value == "hello"
        assert (loaded, models.idle) == (["parrot-1"], False)


async def test_a_model_is_loaded_once_however_many_want_it(settings: ModelSettings) -> None:
    loads = []

    def load(_: Loading) -> Parrot:
        loads.append(1)
        time.sleep(0.1)
        return Parrot()

    with opened([spec_of(PARROT, load, batch=4)], settings) as models:
        answers = await asyncio.gather(*(models.run(PARROT, Parrot.say, str(n)) for n in range(20)))
        assert [answer.value for answer in answers] == [str(n) for n in range(20)]
        assert len(loads) == 1


def test_two_threads_with_loops_of_their_own_share_one_load(settings: ModelSettings) -> None:
    loads = []
    start = threading.Barrier(2)
    said: list[str] = []

    def load(_: Loading) -> Parrot:
        loads.append(1)
        time.sleep(0.1)
        return Parrot()

    with opened([spec_of(PARROT, load)], settings) as models:

        def use(word: str) -> None:
            start.wait()
            said.append(asyncio.run(models.run(PARROT, Parrot.say, word)).value)

        threads = [threading.Thread(target=use, args=(word,)) for word in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (sorted(said), len(loads)) == (["one", "two"], 1)


async def test_a_load_that_fails_fails_all_who_wait_and_is_tried_again(
    settings: ModelSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "HOPELESS_SECONDS", 0.0)
    loads = []
    late = Late()

    def load(_: Loading) -> Parrot:
        loads.append(1)
        if len(loads) == 1:
            raise BadWeights("half of it is missing")
        return Parrot()

    with opened([spec_of(PARROT, load)], settings, late) as models:
        asked = [models.run(PARROT, Parrot.say, "x"), models.run(PARROT, Parrot.shout, "x")]
        running = asyncio.gather(*asked, return_exceptions=True)
        await asyncio.sleep(0)
        late.found.set()
        errors = await running
        assert [(type(error), str(error)) for error in errors] == [(BadWeights, "half of it is missing")] * 2
        assert errors[0] is not errors[1]
        assert len(loads) == 1
        assert (await models.run(PARROT, Parrot.say, "x")).value == "x"


async def test_a_load_that_takes_long_to_fail_is_not_tried_at_every_job(
    settings: ModelSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = []

    def load(_: Loading) -> Parrot:
        loads.append(1)
        time.sleep(0.05)
        raise BadWeights("half of it is missing")

    monkeypatch.setattr(loading, "HOPELESS_SHARE", 0.0001)
    with opened([spec_of(PARROT, load)], settings) as models:
        for _ in range(5):
            with pytest.raises(BadWeights, match="half of it"):
                await models.run(PARROT, Parrot.say, "x")
    assert len(loads) == 1


class NoWeights(Stores):
    def paths(self, variant: Variant) -> Mapping[str, Path]:
        super().paths(variant)
        raise WeightsMissing("get them")

    def digest(self, variant: Variant) -> str | None:
        raise WeightsMissing("get them")


async def test_weights_that_are_missing_are_not_looked_for_at_every_job(
    settings: ModelSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = NoWeights()
    with opened([spec_of(PARROT, lambda _: Parrot())], settings, weights) as models:
        for _ in range(3):
            with pytest.raises(WeightsMissing, match="get them"):
                await models.run(PARROT, Parrot.say, "x")
        assert weights.looked == 1
        assert (await models.identity(PARROT)).digest is None

        monkeypatch.setattr(loading, "REFUSAL_SECONDS", 0.0)
        models._slots.get("parrot").refused_until = 0.0
        for _ in range(2):
            with pytest.raises(WeightsMissing):
                await models.run(PARROT, Parrot.say, "x")
        assert weights.looked == 3


async def test_a_model_without_weights_holds_up_no_other(settings: ModelSettings) -> None:
    found = threading.Event()

    class Slow(Stores):
        def paths(self, variant: Variant) -> Mapping[str, Path]:
            if variant.version == "weigher-1":
                assert found.wait(30)
            return {}

    specs = [spec_of(PARROT, lambda _: Parrot()), spec_of(WEIGHER, lambda _: Weigher(0))]
    with opened(specs, settings, Slow()) as models:
        slow = asyncio.create_task(models.run(WEIGHER, Weigher.weigh, 1))
        await asyncio.sleep(0)
        assert (await models.run(PARROT, Parrot.say, "meanwhile")).value == "meanwhile"
        assert not slow.done()
        found.set()
        assert (await slow).value == 1


async def test_who_waits_long_for_a_download_is_refused_and_the_download_goes_on(
    settings: ModelSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "FETCH_SECONDS", 0.2)
    found = threading.Event()

    class Slow(Stores):
        def paths(self, variant: Variant) -> Mapping[str, Path]:
            assert found.wait(30)
            return super().paths(variant)

    weights = Slow()
    specs = [spec_of(PARROT, lambda _: Parrot(), dimension=512)]
    with opened(specs, settings, weights, vector_precision="bf16") as models:
        asked = [
            models.run(PARROT, Parrot.say, "x"),
            models.run(PARROT, Parrot.shout, "x"),
            models.run(PARROT, Parrot.say, "y"),
            models.identity(PARROT),  # which depends on the precision it will have
        ]
        waiting = asyncio.gather(*asked, return_exceptions=True)
        for error in await asyncio.wait_for(waiting, 5):
            assert isinstance(error, WeightsMissing)
            assert "parrot-1 are being fetched" in str(error)
        assert not models.idle, "or its process would end"
        found.set()
        await until(lambda: models.idle)
        assert weights.looked == 1


async def test_without_downloads_who_waits_for_weights_gets_them(
    settings: ModelSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "FETCH_SECONDS", 0.05)

    class Thorough(Stores):
        def paths(self, variant: Variant) -> Mapping[str, Path]:
            time.sleep(0.3)
            return super().paths(variant)

    specs = [spec_of(PARROT, lambda _: Parrot())]
    with opened(specs, settings, Thorough(), model_downloads=False) as models:
        assert (await models.run(PARROT, Parrot.say, "x")).value == "x"


@pytest.mark.parametrize(
    ("variant", "error", "says"),
    [
        ({"licence": Licence(name="AGPL-3.0", use="copyleft")}, LicenceRefused, "AGPL-3.0"),
        ({"packages": ("json", "no_such_package")}, PackageMissing, r"no_such_package: .*\[cpu\]"),
    ],
)
async def test_what_may_not_or_cannot_run_says_so(
    settings: ModelSettings, variant: dict[str, Any], error: type[ModelError], says: str
) -> None:
    weights = Stores()
    specs = [spec_of(PARROT, lambda _: Parrot(), **variant)]
    with opened(specs, settings, weights, model_licences=("free",)) as models:
        with pytest.raises(error, match=says):
            await models.run(PARROT, Parrot.say, "x")
        assert weights.looked == 0


async def test_a_model_whose_vectors_are_of_another_size_is_refused(settings: ModelSettings) -> None:
    class Short(Parrot):
        dimension = 256

    with (
        opened([spec_of(PARROT, lambda _: Short(), dimension=512)], settings) as models,
        pytest.raises(BadWeights, match="256 numbers, not 512"),
    ):
        await models.run(PARROT, Parrot.say, "x")


async def test_a_load_without_memory_is_tried_again_when_the_others_have_left(
    settings: ModelSettings,
) -> None:
    gate = Gate()
    gate.open.set()

    def load(_: Loading) -> Parrot:
        if not gate.closed:
            raise MemoryError
        return Parrot()

    with opened([spec_of(GATE, lambda _: gate), spec_of(PARROT, load)], settings) as models:
        await models.run(GATE, Gate.ask, 1)
        assert (await models.run(PARROT, Parrot.say, "x")).value == "x"
        await models.unload(PARROT)
        gate.closed = 0
        with pytest.raises(OutOfMemory):
            await models.run(PARROT, Parrot.say, "x")


# Memory


async def test_an_idle_model_is_unloaded(settings: ModelSettings) -> None:
    gate = Gate()
    gate.open.set()
    with opened([spec_of(GATE, lambda _: gate)], settings, model_ttl=0.05) as models:
        await models.run(GATE, Gate.ask, 1)
        await until(lambda: models.idle)
        assert gate.closed == 1
        (metrics,) = models.measured().values()
        assert (metrics.loads, metrics.megabytes) == (1, 0)
        assert (await models.run(GATE, Gate.ask, 2)).value == 2
        (metrics,) = models.measured().values()
        assert metrics.loads == 2


async def test_a_model_may_stay_for_longer_than_a_clock_can_count(settings: ModelSettings) -> None:
    with opened([spec_of(PARROT, lambda _: Parrot())], settings, model_ttl=1e10) as models:
        for word in "xy":
            assert (await asyncio.wait_for(models.run(PARROT, Parrot.say, word), 10)).value == word
            await asyncio.sleep(0.05)
        assert not models.dead


async def test_an_idle_model_is_unloaded_though_another_is_busy(settings: ModelSettings) -> None:
    specs = [spec_of(PARROT, lambda _: Parrot()), spec_of(WEIGHER, lambda _: Weigher(0))]
    with opened(specs, settings, model_ttl=0.05) as models:
        await models.run(PARROT, Parrot.say, "x")
        ended = False

        async def keep_busy() -> None:
            while not ended:
                await models.run(WEIGHER, Weigher.weigh, 1)

        busy = [asyncio.create_task(keep_busy()) for _ in range(4)]
        await until(lambda: not models.measured()["parrot-1"].megabytes)
        ended = True
        await asyncio.gather(*busy)
        assert models.measured()["weigher-1"].loads == 1


async def test_threads_that_a_model_took_are_given_back(
    settings: ModelSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = {"torch": 2}
    torch = SimpleNamespace(
        get_num_threads=lambda: threads["torch"],
        set_num_threads=lambda n: threads.update(torch=n),
        cuda=SimpleNamespace(is_initialized=lambda: False),
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "cv2", None)

    class Taker(Parrot):
        def say(self, words: Sequence[str]) -> Sequence[str]:
            threads.update(torch=1)
            return words

    with opened([spec_of(PARROT, lambda _: Taker())], settings, model_threads=2) as models:
        await models.run(PARROT, Parrot.say, "x")
        assert threads == {"torch": 2}


async def test_a_pinned_model_stays_until_it_is_unpinned(settings: ModelSettings) -> None:
    specs = [spec_of(PARROT, lambda _: Parrot()), spec_of(WEIGHER, lambda _: Weigher(0))]
    with opened(specs, settings, model_ttl=0) as models:
        models.pin(PARROT)
        await models.run(PARROT, Parrot.say, "x")
        for _ in range(2):
            await models.run(WEIGHER, Weigher.weigh, 1)
        assert models.measured()["parrot-1"].loads == 1
        assert not models.idle
        models.pin(PARROT, False)
        await until(lambda: models.idle)


async def test_unload_forgets_one_model_and_unload_all_every_one(settings: ModelSettings) -> None:
    gate = Gate()
    gate.open.set()
    with opened([spec_of(GATE, lambda _: gate), spec_of(PARROT, lambda _: Parrot())], settings) as models:
        await models.unload(GATE)
        await models.unload_all()
        await models.run(GATE, Gate.ask, 1)
        await models.run(PARROT, Parrot.say, "x")
        await models.unload(PARROT)
        assert gate.closed == 0
        await models.unload_all()
        assert gate.closed == 1
        await until(lambda: models.idle)


def three(megabytes: int) -> tuple[list[Task[Weigher]], list[AnySpec]]:
    tasks: list[Task[Weigher]] = [Task(name) for name in ("a", "b", "c")]
    return tasks, [spec_of(task, lambda _: Weigher(megabytes), megabytes=megabytes) for task in tasks]


def loaded(models: Registry) -> list[str]:
    return [version for version, metrics in models.measured().items() if metrics.megabytes]


async def test_beyond_the_budget_the_least_recently_used_goes(settings: ModelSettings) -> None:
    (a, b, c), specs = three(40)
    with opened(specs, settings, model_memory=100) as models:
        for task in (a, b, a, c):
            await models.run(task, Weigher.weigh, 1)
        assert loaded(models) == ["a-1", "c-1"]


async def test_a_pinned_model_is_not_crowded_out(settings: ModelSettings) -> None:
    (a, b, c), specs = three(40)
    with opened(specs, settings, model_memory=100) as models:
        models.pin(a)
        for task in (a, b, c):
            await models.run(task, Weigher.weigh, 1)
        assert loaded(models) == ["a-1", "c-1"]


async def test_a_model_larger_than_the_budget_runs_alone(settings: ModelSettings) -> None:
    (a, b, _), specs = three(40)
    with opened(specs, settings, model_memory=20) as models:
        for task in (a, b, a):
            assert (await models.run(task, Weigher.weigh, 1)).value == 1
            assert loaded(models) == [f"{task.name}-1"]


async def test_what_a_model_takes_is_measured(settings: ModelSettings) -> None:
    (a, b, c), specs = three(80)
    specs = [spec_of(task, spec.load, megabytes=1) for task, spec in zip((a, b, c), specs, strict=True)]
    with opened(specs, settings, model_memory=200) as models:
        for task in (a, b, c):
            await models.run(task, Weigher.weigh, 1)
        assert loaded(models) == ["b-1", "c-1"], "three were thought to fit, and did not"
        assert 70 <= models.measured()["c-1"].megabytes <= 100


class Grower(Model):
    """Takes memory while it runs, and keeps it."""

    def __init__(self) -> None:
        self._taken: list[Any] = []

    def grow(self, items: Sequence[int]) -> Sequence[int]:
        for megabytes in items:
            self._taken.append(taken(megabytes))
        return items


async def test_what_a_model_takes_while_it_runs_is_counted(settings: ModelSettings) -> None:
    (a, *_), specs = three(40)
    grower: Task[Grower] = Task("grower")
    specs = [*specs, spec_of(grower, lambda _: Grower(), megabytes=1)]
    with opened(specs, settings, model_memory=100) as models:
        await models.run(a, Weigher.weigh, 1)
        await models.run(grower, Grower.grow, 1)
        assert loaded(models) == ["a-1", "grower-1"]
        await models.run(grower, Grower.grow, 80)
        await until(lambda: loaded(models) == ["grower-1"])


async def test_models_that_do_not_fit_together_take_turns(settings: ModelSettings) -> None:
    (a, b, _), specs = three(40)
    late = Late()
    with opened(specs, settings, late, model_memory=60) as models:
        running = asyncio.gather(*(models.run(task, Weigher.weigh, n) for n in range(20) for task in (a, b)))
        await asyncio.sleep(0)
        late.found.set()
        await running
        assert [models.measured()[version].loads for version in ("a-1", "b-1")] == [1, 1]


async def test_memory_comes_back(settings: ModelSettings) -> None:
    (a, *_), specs = three(200)
    with opened(specs, settings) as models:
        await models.run(a, Weigher.weigh, 1)
        before = memory.resident()
        await models.unload_all()
        assert memory.resident() < before - 150
