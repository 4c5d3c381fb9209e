"""Models in this process: loaded when first used, asked in batches, unloaded when idle or evicted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from typing import Any, TypeVar

from models.errors import ModelError, ModelFailed
from models.serving.asking import In, M, ModelAnswer, ModelMetrics, Out
from models.serving.loading import REFERENCE_GRADE, Loader, WeightStore
from models.serving.metrics import added
from models.serving.slots import Failure, Group, Request, Slot, Slots
from models.serving.thread import ModelsThread
from models.settings import ModelSettings
from models.spec import AnySpec, Choice, ModelIdentity
from models.tasks import Task

T = TypeVar("T")


class Registry:
    """`Models` in this process. Safe to use from several threads and event loops at once."""

    def __init__(self, specs: Iterable[AnySpec], settings: ModelSettings, weights: WeightStore) -> None:
        self._settings = settings
        self._slots = Slots(specs, settings)
        self._loader = Loader(self._slots, settings, weights)
        self._thread = ModelsThread(self._slots, settings, self._loader)

    # What `Models` promises.

    async def run(
        self,
        task: Task[M],
        call: Callable[[M, Sequence[In]], Sequence[Out]],
        item: In,
        *,
        shape: Hashable = None,
        choice: Choice | None = None,
    ) -> ModelAnswer[Out]:
        return await asyncio.wrap_future(self.submit(task.name, call.__name__, item, shape, choice))

    async def identity(self, task: Task[Any], choice: Choice | None = None) -> ModelIdentity:
        return await asyncio.wrap_future(self.identify(task.name, choice))

    async def unload(self, task: Task[Any], choice: Choice | None = None) -> None:
        await asyncio.wrap_future(self.drop(task.name, choice))

    async def unload_all(self) -> None:
        await asyncio.wrap_future(self.drop(None))

    async def metrics(self) -> Mapping[str, ModelMetrics]:
        return self.measured()

    async def close(self) -> None:
        await asyncio.to_thread(self.shut)

    # The same for threads.

    def submit(
        self,
        task: str,
        method: str | None,
        item: Any,
        shape: Hashable = None,
        choice: Choice | None = None,
    ) -> Future[ModelAnswer[Any]]:
        """Ask for `method` of the task's model; cancelling the future takes the request back."""
        request = Request(item, time.monotonic(), Future())
        with self._slots.changed:
            try:
                slot = self._slot(task, choice)
            except ModelError as error:
                request.future.set_exception(error)
                return request.future
            group = Group(slot, method, shape)
            refused = slot.refused if request.since < slot.refused_until else None
            if refused is None:
                self._slots.waiting.put(group, request, request.since)
                self._loader.prepare(slot)
                self._thread.wake()
        if refused is not None:
            refused.fail([request])
        else:
            request.future.add_done_callback(lambda _: self._slots.withdraw(group, request))
        return request.future

    def identify(self, task: str, choice: Choice | None = None) -> Future[ModelIdentity]:
        """The identity of the task's model, loaded only if its version depends on its precision."""
        answer: Future[ModelIdentity] = Future()
        try:
            with self._slots.changed:
                slot = self._slot(task, choice)
                known, variant = slot.identity, slot.variant
        except ModelError as error:
            answer.set_exception(error)
            return answer
        if known is not None:
            answer.set_result(known)
        elif (
            variant.dimension is not None
            and slot.settings.vector_precision not in REFERENCE_GRADE
            and "+" not in variant.version
        ):
            loaded = self.submit(task, None, None, None, choice)
            loaded.add_done_callback(lambda done: _settle(answer, lambda: done.result().model))
        else:
            Thread(target=_settle, args=(answer, lambda: self._loader.describe(slot)), daemon=True).start()
        return answer

    def drop(self, task: str | None, choice: Choice | None = None) -> Future[None]:
        """Unload the model of `task`, or without one all, between two calls."""
        done: Future[None] = Future()

        def order() -> None:
            for slot in list(self._slots) if task is None else asked:
                self._loader.unload(slot)

        with self._slots.changed:
            asked: list[Slot] = []
            if task is not None:
                with suppress(ModelError):  # what is not known is not loaded
                    asked.append(self._slot(task, choice))
            if not self._thread.order(lambda: _settle(done, order)):
                done.set_result(None)
        return done

    def pin(self, task: Task[Any], pinned: bool = True, choice: Choice | None = None) -> None:
        """Once loaded, keep the model of `task`, idle or not, until it is unpinned."""
        with self._slots.changed:
            self._slot(task.name, choice).pinned = pinned
            self._slots.changed.notify()

    @property
    def idle(self) -> bool:
        """Whether nothing is loaded, under way or waiting."""
        with self._slots.changed:
            return self._thread.is_idle()

    @property
    def dead(self) -> bool:
        """Whether no request is answered any more, although nobody closed the models."""
        with self._slots.changed:  # or it would seem so before its start
            return self._thread.is_dead()

    @property
    def busy_since(self) -> float | None:
        """When what the models' thread is doing began, by the monotonic clock; None while it waits."""
        return self._thread.busy_since

    def measured(self) -> dict[str, ModelMetrics]:
        with self._slots.changed:
            counted: dict[str, ModelMetrics] = {}
            for slot in self._slots:  # choices that differ may be of one version
                counted[slot.version] = added(counted.get(slot.version, ModelMetrics()), slot.metrics)
            return counted

    def shut(self) -> None:
        """Unload everything as `Models.close` does; waits for the call that is running."""
        self._thread.shut()

    def _slot(self, task: str, choice: Choice | None) -> Slot:
        if self._thread.closed:
            raise ModelFailed("the models are closed")
        return self._slots.get(task, choice)


def _settle(future: Future[T], answer: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(answer())
    except BaseException as error:
        future.set_exception(Failure.of(error).error)
