"""How requests share calls, and what becomes of errors."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import pytest

from models.errors import (
    ModelFailed,
    OutOfMemory,
)
from models.settings import ModelSettings
from models.spec import Loading
from models.tasks import Model, Task
from tests.models.fakes import PARROT, Parrot, spec_of
from tests.models.serving.registries import GATE, Gate, opened, until


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
