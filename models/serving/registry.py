"""Models in this process: loaded when first used, asked in batches, unloaded when idle or evicted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

from models.errors import ModelError, ModelFailed
from models.serving.asking import In, M, ModelAnswer, ModelMetrics, Out
from models.serving.loading import REFERENCE_GRADE, Loader, WeightStore
from models.serving.slots import Failure, Group, Request, Slot, Slots
from models.serving.thread import ModelsThread
from models.settings import ModelSettings
from models.spec import AnySpec, ModelIdentity
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
    ) -> ModelAnswer[Out]:
        return await asyncio.wrap_future(self.submit(task.name, call.__name__, item, shape))

    async def identity(self, task: Task[Any]) -> ModelIdentity:
        return await asyncio.wrap_future(self.identify(task.name))

    async def unload(self, task: Task[Any]) -> None:
        await asyncio.wrap_future(self.drop(task.name))

    async def unload_all(self) -> None:
        await asyncio.wrap_future(self.drop(None))

    async def metrics(self) -> Mapping[str, ModelMetrics]:
        return self.measured()

    async def close(self) -> None:
        await asyncio.to_thread(self.shut)

    # The same for threads.

    def submit(
        self, task: str, method: str | None, item: Any, shape: Hashable = None
    ) -> Future[ModelAnswer[Any]]:
        """Ask for `method` of the task's model; cancelling the future takes the request back."""
        group = Group(task, method, shape)
        request = Request(item, time.monotonic(), Future())
        with self._slots.changed:
            try:
                slot = self._slot(task)
            except ModelError as error:
                request.future.set_exception(error)
                return request.future
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

    def identify(self, task: str) -> Future[ModelIdentity]:
        """The identity of the task's model, loaded only if its version depends on its precision."""
        answer: Future[ModelIdentity] = Future()
        try:
            with self._slots.changed:
                slot = self._slot(task)
                known, variant = slot.identity, slot.variant
        except ModelError as error:
            answer.set_exception(error)
            return answer
        if known is not None:
            answer.set_result(known)
        elif (
            variant.dimension is not None
            and self._settings.vector_precision not in REFERENCE_GRADE
            and "+" not in variant.version
        ):
            loaded = self.submit(task, None, None)
            loaded.add_done_callback(lambda done: _settle(answer, lambda: done.result().model))
        else:
            Thread(target=_settle, args=(answer, lambda: self._loader.describe(slot)), daemon=True).start()
        return answer

    def drop(self, task: str | None) -> Future[None]:
        """Unload the model of `task`, or all, between two calls."""
        done: Future[None] = Future()

        def order() -> None:
            for name, slot in list(self._slots.by_task.items()):
                if task in (None, name):
                    self._loader.unload(slot)

        with self._slots.changed:
            if not self._thread.order(lambda: _settle(done, order)):
                done.set_result(None)
        return done

    def pin(self, task: Task[Any], pinned: bool = True) -> None:
        """Once loaded, keep the model of `task`, idle or not, until it is unpinned."""
        with self._slots.changed:
            self._slot(task.name).pinned = pinned
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
            return {slot.version: slot.metrics for slot in self._slots.by_task.values()}

    def shut(self) -> None:
        """Unload everything as `Models.close` does; waits for the call that is running."""
        self._thread.shut()

    def _slot(self, task: str) -> Slot:
        if self._thread.closed:
            raise ModelFailed("the models are closed")
        return self._slots.get(task)


def _settle(future: Future[T], answer: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(answer())
    except BaseException as error:
        future.set_exception(Failure.of(error).error)
