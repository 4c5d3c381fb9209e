"""Models of one process: when they are loaded, asked, unloaded, and what becomes of errors."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from models.errors import (
    BadWeights,
    LicenceRefused,
    ModelError,
    ModelFailed,
    OutOfMemory,
    PackageMissing,
    UnknownModel,
    WeightsMissing,
)
from models.machine import memory
from models.serving import loading, schedule
from models.serving.registry import Registry
from models.settings import ModelSettings
from models.spec import AnySpec, Licence, Loading, Variant
from models.tasks import Model, Task
from tests.models.fakes import PARROT, WEIGHER, Parrot, Stores, Weigher, spec_of, taken


class Gate(Model):
    """Runs only while the test lets it, and notes how it was asked."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Semaphore(0)
        self.calls: list[list[Any]] = []
        self.closed = 0
        self.precision = "fp32"

    def close(self) -> None:
        self.closed += 1

    def ask(self, items: Sequence[Any]) -> Sequence[Any]:
        self.calls.append(list(items))
        self.entered.release()
        assert self.open.wait(30)
        return items

    def ask_too(self, items: Sequence[Any]) -> Sequence[Any]:
        return self.ask(items)

    async def entering(self) -> None:
        """Until it is inside a call."""
        assert await asyncio.to_thread(self.entered.acquire, True, 30)


GATE: Final[Task[Gate]] = Task("gate")


class Late(Stores):
    """Has the weights of all models at once, when told: all that is asked until then waits together."""

    def __init__(self) -> None:
        super().__init__()
        self.found = threading.Event()

    def paths(self, variant: Variant) -> Mapping[str, Path]:
        assert self.found.wait(30)
        return super().paths(variant)


@pytest.fixture
def settings(tmp_path: Path) -> ModelSettings:
    return ModelSettings(
        _env_file=None, model_cache_dir=tmp_path, model_device="cpu", model_batch_delay=0, model_ttl=1000
    )


@contextmanager
def opened(
    specs: Sequence[AnySpec], settings: ModelSettings, weights: Any = None, **changes: Any
) -> Iterator[Registry]:
    models = Registry(specs, settings.model_copy(update=changes), weights or Stores())
    try:
        yield models
    finally:
        models.shut()


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(3000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


# Loading


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
        models._slots.by_task["parrot"].refused_until = 0.0
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
        ({"packages": ("no_such_package.part",)}, PackageMissing, "no_such_package.part"),
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


# Batches


async def test_what_is_asked_at_the_same_time_shares_a_call(settings: ModelSettings) -> None:
    gate = Gate()
    with opened([spec_of(GATE, lambda _: gate, batch=4)], settings) as models:
        first = asyncio.create_task(models.run(GATE, Gate.ask, 0))
        await gate.entering()
        others = [asyncio.create_task(models.run(GATE, Gate.ask, n)) for n in range(1, 7)]
        await asyncio.sleep(0)
        gate.open.set()
        assert [(await one).value for one in [first, *others]] == list(range(7))
        assert gate.calls == [[0], [1, 2, 3, 4], [5, 6]]
        (metrics,) = (await models.metrics()).values()
        assert (metrics.batches, metrics.batch_sizes) == (3, {1: 1, 4: 1, 2: 1})
        assert metrics.wait_seconds > 0


async def test_a_batch_is_full_before_its_time(settings: ModelSettings) -> None:
    gate = Gate()
    gate.open.set()
    with opened([spec_of(GATE, lambda _: gate, batch=8)], settings, model_batch_delay=1) as models:
        await models.run(GATE, Gate.ask, "alone, so it waits for company")
        await asyncio.gather(*(models.run(GATE, Gate.ask, n) for n in range(8)))
        assert gate.calls[1:] == [list(range(8))]


async def test_only_what_fits_together_shares_a_call(settings: ModelSettings) -> None:
    gate = Gate()
    with opened([spec_of(GATE, lambda _: gate, batch=9)], settings) as models:
        asked = [asyncio.create_task(models.run(GATE, Gate.ask, "first"))]
        await gate.entering()
        for item in ("a", "b"):
            asked += [
                asyncio.create_task(models.run(GATE, Gate.ask, item, shape=(640, 480))),
                asyncio.create_task(models.run(GATE, Gate.ask, item, shape=(480, 640))),
                asyncio.create_task(models.run(GATE, Gate.ask_too, item, shape=(640, 480))),
            ]
        await asyncio.sleep(0)
        gate.open.set()
        await asyncio.gather(*asked)
        assert gate.calls == [["first"], ["a", "b"], ["a", "b"], ["a", "b"]]


async def test_the_setting_decides_how_many_share_a_call(settings: ModelSettings) -> None:
    gate = Gate()
    gate.open.set()
    with opened(
        [spec_of(GATE, lambda _: gate, batch=8)], settings, model_batch_size=3, model_batch_delay=1
    ) as models:
        await asyncio.gather(*(models.run(GATE, Gate.ask, n) for n in range(6)))
        assert gate.calls == [[0, 1, 2], [3, 4, 5]]


async def test_one_thing_at_a_time_in_one_thread(settings: ModelSettings) -> None:
    threads: set[int] = set()
    inside: list[int] = []
    crowded: list[int] = []

    def enter() -> None:
        threads.add(threading.get_ident())
        inside.append(1)
        time.sleep(0.005)
        crowded.append(len(inside))
        inside.pop()

    class Crowd(Model):
        def ask(self, items: Sequence[int]) -> Sequence[int]:
            enter()
            return items

    def load(_: Loading) -> Crowd:
        enter()
        return Crowd()

    tasks: list[Task[Crowd]] = [Task(name) for name in ("a", "b", "c")]
    with opened([spec_of(task, load) for task in tasks], settings) as models:
        await asyncio.gather(*(models.run(task, Crowd.ask, n) for task in tasks for n in range(5)))
    assert (len(threads), max(crowded)) == (1, 1)


# Errors


class Small(Model):
    """Runs out of memory with more than `room` inputs, or with one that is too big."""

    def __init__(self, room: int, error: Callable[[], Exception]) -> None:
        self.room = room
        self.error = error
        self.calls: list[int] = []

    def ask(self, items: Sequence[int]) -> Sequence[int]:
        self.calls.append(len(items))
        if len(items) > self.room or 666 in items:
            raise self.error()
        return items


SMALL: Final[Task[Small]] = Task("small")


class OutOfMemoryError(RuntimeError):
    """By torch's name for it."""


OUT_OF_MEMORY: list[Callable[[], Exception]] = [
    lambda: OutOfMemory("too much"),
    MemoryError,
    lambda: OutOfMemoryError("whatever it says"),
    lambda: RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to ..."),
    lambda: RuntimeError("CUDA error: out of memory"),
    lambda: RuntimeError("[ONNXRuntimeError] : 6 : Failed to allocate memory for requested buffer"),
    lambda: RuntimeError("std::bad_alloc"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
async def test_out_of_memory_halves_the_batch_and_loses_nothing(
    settings: ModelSettings, error: Callable[[], Exception]
) -> None:
    small = Small(2, error)
    with opened([spec_of(SMALL, lambda _: small, batch=8)], settings, model_batch_delay=1) as models:
        answers = await asyncio.gather(*(models.run(SMALL, Small.ask, n) for n in range(8)))
        assert [answer.value for answer in answers] == list(range(8))
        assert small.calls == [8, 4, 2, 2, 4, 2, 2]

        small.calls.clear()
        await asyncio.gather(*(models.run(SMALL, Small.ask, n) for n in range(8)))
        assert small.calls == [2, 2, 2, 2], "it is not tried again with more"


async def test_only_the_input_that_does_not_fit_by_itself_is_out_of_memory(settings: ModelSettings) -> None:
    small = Small(9, MemoryError)
    with opened([spec_of(SMALL, lambda _: small, batch=4)], settings, model_batch_delay=1) as models:
        asked = (models.run(SMALL, Small.ask, n) for n in (1, 666, 2, 3))
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(answer).__name__ for answer in answers] == [
            "ModelAnswer",
            "OutOfMemory",
            "ModelAnswer",
            "ModelAnswer",
        ]


@pytest.mark.parametrize("error", [ValueError("no"), KeyError("memory"), ModelFailed("no")])
def test_other_errors_are_not_about_memory(error: Exception) -> None:
    assert not memory.is_out_of_memory(error)


async def test_a_bad_input_fails_alone(settings: ModelSettings) -> None:
    with opened([spec_of(PARROT, lambda _: Parrot(), batch=4)], settings, model_batch_delay=1) as models:
        words = ("a", "fail", "b", "memory")
        answers = await asyncio.gather(
            *(models.run(PARROT, Parrot.say, word) for word in words), return_exceptions=True
        )
    good, bad, also_good, big = answers
    assert not isinstance(good, BaseException)
    assert not isinstance(also_good, BaseException)
    assert (good.value, also_good.value) == ("a", "b")
    assert isinstance(bad, ModelFailed)
    assert str(bad) == "ValueError: a parrot does not say that"
    assert "in _said" in "".join(bad.__notes__), "where it happened is kept"
    assert isinstance(big, OutOfMemory)


async def test_too_few_answers_are_no_answers(settings: ModelSettings) -> None:
    class Forgetful(Parrot):
        def say(self, words: Sequence[str]) -> Sequence[str]:
            return []

    with (
        opened([spec_of(PARROT, lambda _: Forgetful())], settings) as models,
        pytest.raises(ModelFailed, match="0 answers to 1 inputs"),
    ):
        await models.run(PARROT, Parrot.say, "x")


async def test_a_library_that_exits_fails_only_its_call(settings: ModelSettings) -> None:
    class Rude(Parrot):
        def say(self, words: Sequence[str]) -> Sequence[str]:
            raise SystemExit(1)

    with opened([spec_of(PARROT, lambda _: Rude())], settings) as models:
        with pytest.raises(ModelFailed, match="SystemExit"):
            await models.run(PARROT, Parrot.say, "x")
        assert (await models.run(PARROT, Parrot.shout, "x")).value == "X"


async def test_who_waits_no_longer_is_not_asked_for(settings: ModelSettings) -> None:
    gate = Gate()
    with opened([spec_of(GATE, lambda _: gate, batch=4)], settings) as models:
        first = asyncio.create_task(models.run(GATE, Gate.ask, 0))
        await gate.entering()
        others = [asyncio.create_task(models.run(GATE, Gate.ask, n)) for n in range(1, 5)]
        await asyncio.sleep(0)
        others[1].cancel()
        first.cancel()
        await asyncio.sleep(0)
        gate.open.set()
        done = await asyncio.gather(first, *others, return_exceptions=True)
        assert [type(one).__name__ for one in done] == [
            "CancelledError",
            "ModelAnswer",
            "CancelledError",
            "ModelAnswer",
            "ModelAnswer",
        ]
        assert gate.calls == [[0], [1, 3, 4]]


class Moody(Model):
    """Answers twice the number, or fails as the number and its mood say."""

    def __init__(self, mood: random.Random) -> None:
        self._mood = mood

    def double(self, items: Sequence[int]) -> Sequence[int]:
        if len(items) > 1 and self._mood.random() < 0.3:
            raise MemoryError
        if any(item % 7 == 0 for item in items):
            raise ValueError("seven")
        return [2 * item for item in items]


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_each_request_gets_its_own_answer(settings: ModelSettings, seed: int) -> None:
    mood = random.Random(seed)
    tasks: list[Task[Moody]] = [Task(name) for name in ("a", "b", "c")]
    specs = [spec_of(task, lambda _: Moody(mood), batch=8, megabytes=40) for task in tasks]
    with opened(specs, settings, model_memory=50, model_ttl=0.001, model_batch_delay=0.002) as models:
        failed: set[int] = set()
        given_up: set[int] = set()

        async def ask(number: int) -> None:
            await asyncio.sleep(mood.random() / 5)
            asked = models.run(mood.choice(tasks), Moody.double, number, shape=number % 2)
            try:
                async with asyncio.timeout(0.01 if number % 5 == 0 else None):
                    answer = await asked
            except TimeoutError:
                given_up.add(number)
            except ModelFailed:
                failed.add(number)
            else:
                assert answer.value == 2 * number

        async def meddle() -> None:
            while True:
                await asyncio.sleep(0.01)
                await models.unload(mood.choice(tasks))

        meddling = asyncio.create_task(meddle())
        await asyncio.gather(*(ask(number) for number in range(300)))
        meddling.cancel()
        assert failed == set(range(0, 300, 7)) - given_up
        await until(lambda: models.idle)


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


# Ending, choosing, telling


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


def choosing(name: str, chooses: bool) -> AnySpec:
    spec = spec_of(Task("ocr"), lambda _: Parrot(), name=name)

    def select(settings: ModelSettings) -> Variant:
        if not chooses:
            raise UnknownModel(f"not {name}")
        return spec.select(settings)

    return type(spec)(task=spec.task, name=name, select=select, load=spec.load)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([("easyocr", True), ("rapidocr", True)], "rapidocr"),  # OCR_MODEL names it
        ([("one", False), ("two", True)], "two"),  # the settings select only that
        ([("one", True)], "one"),
        ([("one", False), ("two", False)], None),
        ([("one", True), ("two", True)], None),
        ([], None),
    ],
)
async def test_the_settings_choose_the_model(
    settings: ModelSettings, offered: list[tuple[str, bool]], chosen: str | None
) -> None:
    specs = [choosing(name, chooses) for name, chooses in offered]
    with opened(specs, settings, ocr_model="rapidocr") as models:
        ocr: Task[Parrot] = Task("ocr")
        if chosen is None:
            with pytest.raises(UnknownModel):
                await models.run(ocr, Parrot.say, "x")
            with pytest.raises(UnknownModel):
                await models.identity(ocr)
        else:
            assert (await models.run(ocr, Parrot.say, "x")).model.name == chosen


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
