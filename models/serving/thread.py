"""The models' thread, which loads, asks and unloads them all, one thing at a time.

On a processor a call then has every core, and that a model is loaded once needs no lock.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from math import inf
from threading import TIMEOUT_MAX, Thread, current_thread

import structlog

from models.errors import ModelFailed, WeightsMissing
from models.serving import schedule
from models.serving.answering import Answerer
from models.serving.loading import Loader
from models.serving.slots import Failure, Group, Slot, Slots
from models.settings import ModelSettings

log = structlog.get_logger()


class ModelsThread:
    """Does what the schedule says until it is shut; everything but the loop may be called from any thread."""

    def __init__(self, slots: Slots, settings: ModelSettings, loader: Loader) -> None:
        self.closed = False
        self.busy_since: float | None = None
        """When what the thread is doing began, by the monotonic clock; None while it waits."""
        self._slots = slots
        self._settings = settings
        self._loader = loader
        self._answerer = Answerer(slots, settings, loader)
        self._orders: deque[Callable[[], None]] = deque()
        self._thread: Thread | None = None

    def wake(self) -> None:
        """Have the thread look for work, starting it first if need be; to be called under the lock."""
        if self._thread is None:
            self._thread = Thread(target=self._work, name="models", daemon=True)
            self._thread.start()
        self._slots.changed.notify()

    def order(self, order: Callable[[], None]) -> bool:
        """Run `order` between two calls; False when there is no thread. To be called under the lock."""
        if self._thread is None or self.closed:
            return False
        self._orders.append(order)
        self.wake()
        return True

    def is_idle(self) -> bool:
        """Whether nothing is loaded, under way or waiting; to be called under the lock."""
        busy = self._slots.waiting or self._orders or self.busy_since is not None
        return not busy and not any(slot.preparing is not None or slot.model for slot in self._slots)

    def is_dead(self) -> bool:
        """Whether the thread has ended though nobody closed it, so that no request is answered any more."""
        return self._thread is not None and not self._thread.is_alive() and not self.closed

    def shut(self) -> None:
        """End the thread after the call that is running; requests that wait fail, and all is unloaded."""
        with self._slots.changed:
            self.closed = True
            self._slots.changed.notify()
            thread = self._thread
        if thread is not None and thread is not current_thread():
            thread.join()

    def _work(self) -> None:
        while (step := self._wait()) is not None:
            try:
                step()
            except Exception:
                log.exception("models thread error")
            del step  # and with it the pictures it was asked about
        with self._slots.changed:
            slots = list(self._slots)
            waiting = [request for slot in slots for request in self._slots.take_all(slot)]
        Failure.of(ModelFailed("the models were closed")).fail(waiting)
        for slot in slots:
            self._loader.unload(slot)
        while self._orders:
            self._orders.popleft()()
        self.busy_since = None

    def _wait(self) -> Callable[[], None] | None:
        """The next thing to do, as soon as there is one; None when there will be nothing more."""
        with self._slots.changed:
            self.busy_since = None
            while not self.closed:
                step = self._step()
                if step is not None:
                    self.busy_since = time.monotonic()
                    return step
                self._slots.changed.wait(self._seconds_to_wait())
            self.busy_since = time.monotonic()
            return None

    def _step(self) -> Callable[[], None] | None:
        if self._orders:
            return self._orders.popleft()
        for waiting in self._slots.waiting:
            self._loader.prepare(waiting.slot)
        now = time.monotonic()
        for moment, group in self._fetches():
            if moment <= now:
                version = group.slot.variant.version
                missing = f"the weights of {version} are being fetched; jobs get it once they are there"
                return partial(Failure.of(WeightsMissing(missing)).fail, self._slots.take(group, 1))
        for slot in self._slots:
            moment_or_none = self._expires(slot)
            if moment_or_none is not None and moment_or_none <= now:
                return partial(self._loader.unload, slot)
        due = self._slots.waiting.due(now, self._slots.most)
        chosen = schedule.next_group(due, self._evicts_asked)
        if chosen is None:
            return None
        slot = chosen.slot
        if slot.model is None:
            return partial(self._loader.load, slot)
        requests = self._slots.take(chosen, self._slots.most(chosen))
        return partial(self._answerer.ask, slot, chosen.method, requests)

    def _seconds_to_wait(self) -> float | None:
        moments = [self._expires(slot) for slot in self._slots]
        moments += [moment for moment, _ in self._fetches()]
        moments.append(self._slots.waiting.next_due(self._slots.most))
        known = [moment for moment in moments if moment is not None]
        return min(max(0.0, min(known) - time.monotonic()), TIMEOUT_MAX) if known else None

    def _expires(self, slot: Slot) -> float | None:
        return schedule.expires(self._slots.tenant(slot), self._settings.model_ttl)

    def _fetches(self) -> Iterator[tuple[float, Group]]:
        """When the oldest request of each group will have waited long enough for weights being fetched.

        Without downloads weights are only verified, which ends by itself.
        """

        def being_fetched(group: Group) -> int:
            return int(self._settings.model_downloads and group.slot.preparing is not None)

        for due in self._slots.waiting.due(inf, being_fetched):
            yield schedule.gives_up(due.since, due.group.slot.preparing), due.group

    def _evicts_asked(self, group: Group) -> bool:
        """Whether loading the group's model would unload one that has requests itself."""
        slot = group.slot
        if slot.model is not None:
            return False
        return any(self._slots.is_asked(other) for other in self._loader.evicted(slot))
