"""The thread itself; test_loading and test_answering have what it does with models."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest
from structlog.testing import capture_logs

from models.errors import ModelFailed
from models.serving.loading import Loader
from models.serving.slots import Group, Request, Slots
from models.serving.thread import ModelsThread
from models.settings import ModelSettings
from tests.models.fakes import PARROT, Parrot, Stores, spec_of


class Bench:
    """A thread for one model that nobody asked for yet."""

    def __init__(self, settings: ModelSettings) -> None:
        self.slots = Slots([spec_of(PARROT, lambda _: Parrot())], settings)
        self.slots.get("parrot")
        self.thread = ModelsThread(self.slots, settings, Loader(self.slots, settings, Stores()))

    def start(self) -> None:
        with self.slots.changed:
            self.thread.wake()

    def order(self, order: Callable[[], None]) -> bool:
        with self.slots.changed:
            return self.thread.order(order)

    def is_idle(self) -> bool:
        with self.slots.changed:
            return self.thread.is_idle()


@pytest.fixture
def bench(settings: ModelSettings) -> Iterator[Bench]:
    bench = Bench(settings)
    yield bench
    bench.thread.shut()


def test_before_there_is_a_thread_nobody_takes_an_order(bench: Bench) -> None:
    assert not bench.order(lambda: pytest.fail("who would do it?"))
    assert bench.is_idle()
    assert not bench.thread.is_dead()


def test_orders_are_done_in_turn_by_one_thread_which_is_busy_meanwhile(bench: Bench) -> None:
    bench.start()
    begun, finish, done = threading.Event(), threading.Event(), threading.Event()
    threads: list[str] = []

    def first() -> None:
        threads.append(threading.current_thread().name)
        begun.set()
        assert finish.wait(10)

    def second() -> None:
        threads.append(threading.current_thread().name)
        done.set()

    assert bench.order(first)
    assert begun.wait(10)
    assert bench.order(second)
    assert not bench.is_idle()
    assert bench.thread.busy_since is not None
    finish.set()
    assert done.wait(10)
    assert threads == ["models", "models"]


def test_an_order_that_fails_is_logged_and_ends_nothing(bench: Bench) -> None:
    def fail() -> None:
        raise ValueError("no")

    done = threading.Event()
    with capture_logs() as logs:
        bench.start()
        bench.order(fail)
        bench.order(done.set)
        assert done.wait(10)
    assert [entry["event"] for entry in logs] == ["models thread error"]
    assert not bench.thread.is_dead()


def test_what_waits_or_is_being_found_is_no_idleness(bench: Bench) -> None:
    slot = bench.slots.get("parrot")
    slot.preparing = 1.0
    assert not bench.is_idle()
    slot.preparing, slot.model = None, Parrot()
    assert not bench.is_idle()
    slot.model = None
    request = Request("x", 0.0, Future())
    bench.slots.waiting.put(Group(slot, "say", None), request, 0.0)
    assert not bench.is_idle()
    bench.slots.waiting.discard(Group(slot, "say", None), request)
    assert bench.is_idle()


def test_closing_does_what_was_ordered_fails_who_waits_and_takes_no_more(bench: Bench) -> None:
    begun, finish = threading.Event(), threading.Event()
    done: list[str] = []
    waiting = Request("x", 0.0, Future())

    def hold() -> None:
        begun.set()
        assert finish.wait(10)

    bench.start()
    bench.order(hold)
    assert begun.wait(10)
    bench.order(lambda: done.append("ordered before"))
    with bench.slots.changed:
        bench.slots.waiting.put(Group(bench.slots.get("parrot"), "say", None), waiting, 0.0)
    closing = threading.Thread(target=bench.thread.shut)
    closing.start()
    finish.set()
    closing.join(10)
    assert done == ["ordered before"]
    assert isinstance(waiting.future.exception(0), ModelFailed)
    assert not bench.order(lambda: done.append("ordered after"))
    assert not bench.thread.is_dead(), "it was meant to end"
