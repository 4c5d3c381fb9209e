"""Models in this process: loaded when first used, asked in batches, unloaded when idle or crowded out.

One thread, the models' own, loads, asks and unloads them all, one thing at a time: on a processor a call then
has every core, and that a model is loaded once needs no lock. Another thread per model finds or fetches its
weights, so that a download delays nobody else.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from math import inf
from pathlib import Path
from threading import TIMEOUT_MAX, Condition, Thread, current_thread
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import structlog

from models.errors import BadWeights, ModelError, ModelFailed, OutOfMemory, WeightsMissing
from models.machine import device as devices
from models.machine import memory
from models.selection import check_licence, check_packages, select
from models.serving.asking import In, M, ModelAnswer, ModelMetrics, Out
from models.serving.batching import Waiting
from models.settings import ModelSettings
from models.spec import AnySpec, Device, Loading, ModelIdentity, Variant
from models.tasks import Model, Task

T = TypeVar("T")
log = structlog.get_logger()

REFUSAL_SECONDS: Final = 5.0
"""How long a model that could not be had (no weights, no package) is taken to stay so: jobs come faster than
files do."""
FETCH_SECONDS: Final = 300.0
"""How long a request waits for weights that are being fetched: a slow hub, or another process at it, must
not cost a job what other models said. The fetching goes on."""
HOPELESS_SHARE: Final = 0.1
"""Of the models' thread, at most, is spent on a load that fails each time: it is refused meanwhile."""
HOPELESS_SECONDS: Final = 60.0
"""Longest such refusal."""
TURN_SECONDS: Final = 5.0
"""Models that do not fit in memory together take turns of so long, lest each call pushes one out."""
REFERENCE_GRADE: Final = ("", "fp32", "f32")
"""Precisions whose vectors are those of the reference; of any other the version tells, as one index never
mixes them."""
LINE: Final = 500
"""Characters of a library's message that travel: some quote whole arrays."""


class WeightStore(Protocol):
    """Where the files of models are."""

    def paths(self, variant: Variant) -> Mapping[str, Path]:
        """By `WeightFile.path`: present and verified, fetched if need be. Blocks.

        Raises `WeightsMissing` or `BadWeights`.
        """
        ...

    def digest(self, variant: Variant) -> str | None:
        """See `ModelIdentity.digest`."""
        ...


@dataclass(slots=True)
class _Counts:
    loads: int = 0
    load_seconds: float = 0.0
    batches: int = 0
    batch_sizes: Counter[int] = field(default_factory=Counter)
    wait_seconds: float = 0.0
    run_seconds: float = 0.0


@dataclass(slots=True, eq=False)
class _Slot:
    """One model, loaded or not; all of it is read and changed under the registry's lock."""

    spec: AnySpec
    variant: Variant
    files: Mapping[str, Path] | None = None
    """None until its weights are at hand, and again after an unload."""
    digest: str | None = None
    preparing: float | None = None
    """Since when its weights are being found; None while they are not."""
    refused: _Failure | None = None
    """Why it could not be had the last time, and until when that holds."""
    refused_until: float = 0.0
    model: Model | None = None
    identity: ModelIdentity | None = None
    """Of its last load: kept when it is unloaded, as it will be the same."""
    pinned: bool = False
    used: float = 0.0
    most: int = 0
    """Inputs per call; less than the settings say after memory ran out."""
    megabytes: int = 0
    base_megabytes: int = 0
    """As measured at its load; what runs took beyond it is in `megabytes`."""
    metrics: _Counts = field(default_factory=_Counts)


class _Group(NamedTuple):
    """Requests that may share a call; one without a method only wants the model loaded."""

    task: str
    method: str | None
    shape: Hashable


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    item: Any
    since: float
    future: Future[ModelAnswer[Any]]


class _Failure(NamedTuple):
    """What is kept of an exception: the object would keep tensors alive through its frames."""

    error: ModelError
    exhausted: bool

    @classmethod
    def of(cls, error: BaseException) -> _Failure:
        if isinstance(error, ModelError):
            return cls(type(error)(*error.args), memory.is_out_of_memory(error))
        said = f"{type(error).__name__}: {error}"[:LINE]
        if memory.is_out_of_memory(error):
            return cls(OutOfMemory(f"not even one input fits: {said}"), True)
        failed = ModelFailed(said)
        failed.add_note("".join(traceback.format_tb(error.__traceback__)))
        return cls(failed, False)

    def tell(self, requests: Iterable[_Request]) -> None:
        """Each its own copy, as raising an exception changes it."""
        for request in requests:
            error = type(self.error)(*self.error.args)
            for note in getattr(self.error, "__notes__", ()):
                error.add_note(note)
            request.future.set_exception(error)


class Registry:
    """`Models` in this process. Safe to use from several threads and event loops at once."""

    def __init__(self, specs: Iterable[AnySpec], settings: ModelSettings, weights: WeightStore) -> None:
        self._specs = tuple(specs)
        self._settings = settings
        self._weights = weights
        self._changed = Condition()
        self._slots: dict[str, _Slot] = {}
        self._waiting: Waiting[_Group, _Request] = Waiting(settings.model_batch_delay)
        self._orders: deque[Callable[[], None]] = deque()
        self._thread: Thread | None = None
        self._device: Device | None = None
        self._busy_since: float | None = None
        self._closed = False

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
        group = _Group(task, method, shape)
        request = _Request(item, time.monotonic(), Future())
        with self._changed:
            try:
                slot = self._slot(task)
            except ModelError as error:
                request.future.set_exception(error)
                return request.future
            refused = slot.refused if request.since < slot.refused_until else None
            if refused is None:
                self._waiting.put(group, request, request.since)
                self._prepare(slot)
                self._wake()
        if refused is not None:
            refused.tell([request])
        else:
            request.future.add_done_callback(lambda future: self._withdraw(group, request, future))
        return request.future

    def identify(self, task: str) -> Future[ModelIdentity]:
        """Loads the model only if its version depends on which precision it turns out to have."""
        answer: Future[ModelIdentity] = Future()
        try:
            with self._changed:
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
            Thread(target=_settle, args=(answer, lambda: self._describe(slot)), daemon=True).start()
        return answer

    def drop(self, task: str | None) -> Future[None]:
        """Unload the model of `task`, or all, between two calls."""
        done: Future[None] = Future()

        def order() -> None:
            for name, slot in list(self._slots.items()):
                if task in (None, name):
                    self._unload(slot)

        with self._changed:
            if self._thread is None or self._closed:
                done.set_result(None)
            else:
                self._orders.append(lambda: _settle(done, order))
                self._wake()
        return done

    def pin(self, task: Task[Any], pinned: bool = True) -> None:
        """Once loaded, keep the model of `task`, idle or not, until it is unpinned or unloaded."""
        with self._changed:
            self._slot(task.name).pinned = pinned
            self._changed.notify()

    @property
    def idle(self) -> bool:
        """Nothing is loaded, under way or waiting."""
        with self._changed:
            return (
                not self._waiting
                and not self._orders
                and self._busy_since is None
                and not any(
                    slot.preparing is not None or slot.model is not None for slot in self._slots.values()
                )
            )

    @property
    def dead(self) -> bool:
        """The models' thread has ended though nobody closed it: no request is answered any more."""
        with self._changed:  # or it would seem so before its start
            return self._thread is not None and not self._thread.is_alive() and not self._closed

    @property
    def busy_since(self) -> float | None:
        """When what the models' thread is doing began, by the monotonic clock; None while it waits."""
        return self._busy_since

    def measured(self) -> dict[str, ModelMetrics]:
        with self._changed:
            return {
                _version_of(slot): ModelMetrics(
                    loads=slot.metrics.loads,
                    load_seconds=slot.metrics.load_seconds,
                    batches=slot.metrics.batches,
                    batch_sizes=dict(slot.metrics.batch_sizes),
                    wait_seconds=slot.metrics.wait_seconds,
                    run_seconds=slot.metrics.run_seconds,
                    megabytes=slot.megabytes if slot.model is not None else 0,
                )
                for slot in self._slots.values()
            }

    def shut(self) -> None:
        """See `Models.close`; waits for the call that is running."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread is not current_thread():
            thread.join()

    # Under the lock.

    def _slot(self, task: str) -> _Slot:
        if self._closed:
            raise ModelFailed("the models are closed")
        if task not in self._slots:
            spec, variant = select(self._specs, task, self._settings)
            self._slots[task] = _Slot(spec, variant)
        return self._slots[task]

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._work, name="models", daemon=True)
            self._thread.start()
        self._changed.notify()

    def _prepare(self, slot: _Slot) -> None:
        """Have its weights found, unless they are."""
        if slot.model is None and slot.files is None and slot.preparing is None:
            slot.preparing = time.monotonic()
            Thread(target=self._find_weights, args=(slot,), name="weights", daemon=True).start()

    def _most(self, group: _Group) -> int:
        """How many requests of `group` one call takes; 0 while there are no weights to load it from."""
        slot = self._slots[group.task]
        if slot.model is None:
            return 0 if slot.files is None else 1
        return 1 if group.method is None else slot.most

    def _given_up(self) -> Iterator[tuple[float, _Group]]:
        """When the oldest request of each group will have waited long enough for weights being fetched.

        Without downloads they are only verified, which ends.
        """

        def being_found(group: _Group) -> int:
            return int(self._settings.model_downloads and self._slots[group.task].preparing is not None)

        for due in self._waiting.due(inf, being_found):
            since = max(due.since, self._slots[due.group.task].preparing or 0.0)
            yield since + FETCH_SECONDS, due.group

    def _next(self, now: float) -> _Group | None:
        """Whose turn it is: who waits longest, unless that pushes out a model that has work itself."""

        def turn(since: float, slot: _Slot) -> float:
            ousts = slot.model is None and any(self._is_asked(other) for other in self._crowd(slot))
            return since + TURN_SECONDS if ousts else since

        due = self._waiting.due(now, self._most)
        if not due:
            return None
        return min(due, key=lambda one: turn(one.since, self._slots[one.group.task])).group

    def _crowd(self, slot: _Slot) -> list[_Slot]:
        """Whom to unload so that `slot` fits: the idle and least recently used first. None is in use, as the
        models' thread does one thing at a time."""
        budget = self._settings.model_memory or memory.machine(self._device or "cpu") // 2
        loaded = [one for one in self._slots.values() if one.model is not None and one is not slot]
        need = sum(one.megabytes for one in loaded) + (slot.megabytes or slot.variant.megabytes) - budget
        chosen = []
        for one in sorted(loaded, key=lambda one: (self._is_asked(one), one.used)):
            if need <= 0:
                break
            if not one.pinned:
                chosen.append(one)
                need -= one.megabytes
        return chosen

    def _is_asked(self, slot: _Slot) -> bool:
        return any(self._slots[group.task] is slot for group in self._waiting)

    def _expired(self, now: float) -> list[_Slot]:
        moments = [(slot, self._expires(slot)) for slot in self._slots.values()]
        return [slot for slot, moment in moments if moment is not None and moment <= now]

    def _expires(self, slot: _Slot) -> float | None:
        """When it will have been idle for long enough; None while it may not be unloaded for that."""
        if slot.model is None or slot.pinned or self._is_asked(slot):
            return None
        return slot.used + self._settings.model_ttl

    def _take(self, group: _Group, most: int) -> list[_Request]:
        taken = self._waiting.take(group, most)
        return [request for request in taken if request.future.set_running_or_notify_cancel()]

    def _take_all(self, slot: _Slot) -> list[_Request]:
        groups = [group for group in self._waiting if self._slots[group.task] is slot]
        return [request for group in groups for request in self._take(group, 2**31)]

    # In other threads.

    def _withdraw(self, group: _Group, request: _Request, future: Future[ModelAnswer[Any]]) -> None:
        if future.cancelled():
            with self._changed:
                self._waiting.discard(group, request)

    def _describe(self, slot: _Slot) -> ModelIdentity:
        """Of a model that is not loaded."""
        device = self._device or devices.choose(self._settings.model_device)
        try:
            digest = self._weights.digest(slot.variant)
        except WeightsMissing:
            digest = None
        return _identity_of(slot, digest, device, None)

    def _find_weights(self, slot: _Slot) -> None:
        variant = slot.variant
        failure = files = digest = None
        try:
            check_licence(variant, self._settings)
            check_packages(variant)
            files = self._weights.paths(variant)
            digest = self._weights.digest(variant)
        except BaseException as error:
            failure = _Failure.of(error)
        with self._changed:
            slot.preparing = None
            slot.files, slot.digest = files, digest
            slot.refused = failure
            slot.refused_until = time.monotonic() + REFUSAL_SECONDS
            orphans = self._take_all(slot) if failure else []
            self._changed.notify()
        if failure:
            failure.tell(orphans)

    # In the models' thread.

    def _work(self) -> None:
        while (step := self._wait()) is not None:
            try:
                step()
            except Exception:
                log.exception("models' thread stumbled")
            del step  # and with it the pictures it was asked about
        with self._changed:
            waiting = [request for slot in self._slots.values() for request in self._take_all(slot)]
        _Failure.of(ModelFailed("the models were closed")).tell(waiting)
        for slot in self._slots.values():
            self._unload(slot)
        while self._orders:
            self._orders.popleft()()
        self._busy_since = None

    def _wait(self) -> Callable[[], None] | None:
        """The next thing to do, as soon as there is one; None when there will be nothing more."""
        with self._changed:
            self._busy_since = None
            while not self._closed:
                step = self._step()
                if step is not None:
                    self._busy_since = time.monotonic()
                    return step
                self._changed.wait(self._seconds_to_wait())
            self._busy_since = time.monotonic()
            return None

    def _step(self) -> Callable[[], None] | None:
        if self._orders:
            return self._orders.popleft()
        for waiting in self._waiting:
            self._prepare(self._slots[waiting.task])
        now = time.monotonic()
        for moment, late in self._given_up():
            if moment <= now:
                version = self._slots[late.task].variant.version
                missing = WeightsMissing(
                    f"the weights of {version} are being fetched; jobs get it once they are there"
                )
                return partial(_Failure.of(missing).tell, self._take(late, 1))
        for slot in self._expired(now):
            return partial(self._unload, slot)
        group = self._next(now)
        if group is None:
            return None
        slot = self._slots[group.task]
        if slot.model is None:
            return partial(self._load, slot)
        return partial(self._ask, slot, group.method, self._take(group, self._most(group)))

    def _seconds_to_wait(self) -> float | None:
        moments = [moment for slot in self._slots.values() if (moment := self._expires(slot)) is not None]
        moments += [moment for moment, _ in self._given_up()]
        due = self._waiting.next_due(self._most)
        if due is not None:
            moments.append(due)
        return min(max(0.0, min(moments) - time.monotonic()), TIMEOUT_MAX) if moments else None

    def _load(self, slot: _Slot) -> None:
        started = time.monotonic()
        try:
            self._make_room(slot)
            failure = self._try_load(slot)
            if failure is not None and failure.exhausted and self._unload_others(slot):
                failure = self._try_load(slot)
        except Exception as error:
            failure = _Failure.of(error)
        if failure is not None:
            now = time.monotonic()
            with self._changed:
                slot.files = None  # the next use looks at them again
                slot.refused = failure
                slot.refused_until = now + min((now - started) / HOPELESS_SHARE, HOPELESS_SECONDS)
                orphans = self._take_all(slot)
            failure.tell(orphans)
        else:
            self._make_room(slot)  # it may have taken more than was thought

    def _try_load(self, slot: _Slot) -> _Failure | None:
        started = time.monotonic()
        try:
            if self._device is None:
                self._device = devices.choose(self._settings.model_device)
            before = memory.taken(self._device)
            with devices.keep_threads(self._settings.model_threads):
                model = self._loaded(slot, self._device)
            megabytes = max(1, memory.taken(self._device) - before)
            identity = _identity_of(slot, slot.digest, self._device, model)
        except BaseException as error:
            failure = _Failure.of(error)
        else:
            seconds = time.monotonic() - started
            with self._changed:
                slot.model, slot.identity = model, identity
                slot.used = time.monotonic()
                slot.megabytes = slot.base_megabytes = megabytes
                slot.most = self._settings.model_batch_size or slot.variant.largest_batch.get(self._device, 1)
                slot.metrics.loads += 1
                slot.metrics.load_seconds += seconds
            log.info("model loaded", model=identity.version, seconds=round(seconds, 2), megabytes=megabytes)
            return None
        memory.give_back()
        return failure

    def _loaded(self, slot: _Slot, device: Device) -> Model:
        loading = Loading(
            variant=slot.variant,
            files=slot.files or {},
            digest=slot.digest,
            device=device,
            threads=self._settings.model_threads,
            settings=self._settings,
        )
        model: Model = slot.spec.load(loading)
        dimension = getattr(model, "dimension", None)
        if slot.variant.dimension not in (None, dimension):
            model.close()
            raise BadWeights(
                f"{slot.variant.version} makes vectors of {dimension} numbers, not {slot.variant.dimension}"
            )
        return model

    def _ask(self, slot: _Slot, method: str | None, requests: list[_Request]) -> None:
        try:
            self._answer(slot, method, requests)
        except BaseException as error:
            _Failure.of(error).tell(request for request in requests if not request.future.done())
        with self._changed:
            slot.used = time.monotonic()
        self._make_room(slot)

    def _answer(self, slot: _Slot, method: str | None, requests: list[_Request]) -> None:
        """Each request gets its answer or its own error, however many calls that takes."""
        if not requests:
            return
        outcome = self._call(slot, method, requests)
        if not isinstance(outcome, _Failure):
            for request, answer in zip(requests, outcome, strict=True):
                request.future.set_result(answer)
        elif len(requests) == 1:
            if outcome.exhausted and self._unload_others(slot):
                self._answer(slot, method, requests)
            else:
                outcome.tell(requests)
        elif outcome.exhausted:
            half = len(requests) // 2
            with self._changed:
                slot.most = max(1, min(slot.most, half))
            log.warning(
                "memory ran out", model=_version_of(slot), inputs=len(requests), from_now_on=slot.most
            )
            memory.give_back()
            self._answer(slot, method, requests[:half])
            self._answer(slot, method, requests[half:])
        else:
            for request in requests:
                self._answer(slot, method, [request])

    def _call(
        self, slot: _Slot, method: str | None, requests: list[_Request]
    ) -> list[ModelAnswer[Any]] | _Failure:
        assert slot.identity is not None
        assert self._device is not None
        if method is None:
            return [ModelAnswer(value=None, model=slot.identity) for _ in requests]
        before = memory.taken(self._device)
        started = time.monotonic()
        outcome: list[ModelAnswer[Any]] | _Failure
        try:
            values = getattr(slot.model, method)([request.item for request in requests])
            if len(values) != len(requests):
                raise ModelFailed(f"{len(values)} answers to {len(requests)} inputs")
            outcome = [ModelAnswer(value=value, model=slot.identity) for value in values]
        except BaseException as error:
            outcome = _Failure.of(error)
        devices.set_threads(self._settings.model_threads)
        ended = time.monotonic()
        grown = memory.taken(self._device) - before
        with self._changed:
            slot.megabytes = max(slot.megabytes, slot.base_megabytes + grown)
            slot.metrics.batches += 1
            slot.metrics.batch_sizes[len(requests)] += 1
            slot.metrics.wait_seconds += sum(started - request.since for request in requests)
            slot.metrics.run_seconds += ended - started
        return outcome

    def _make_room(self, slot: _Slot) -> None:
        with self._changed:
            crowd = self._crowd(slot)
        for other in crowd:
            self._unload(other)

    def _unload_others(self, slot: _Slot) -> bool:
        """For want of memory; answers whether there were any."""
        others = [one for one in self._slots.values() if one is not slot and one.model and not one.pinned]
        for other in others:
            self._unload(other)
        return bool(others)

    def _unload(self, slot: _Slot) -> None:
        with self._changed:
            model, slot.model, slot.files = slot.model, None, None
        if model is None:
            return
        try:
            model.close()
        except Exception:
            log.warning("model did not close", model=_version_of(slot), exc_info=True)
        del model
        memory.give_back()
        log.info("model unloaded", model=_version_of(slot))


def _identity_of(slot: _Slot, digest: str | None, device: Device, model: Model | None) -> ModelIdentity:
    version, precision = slot.variant.version, model.precision if model else ""
    suffix = f"+{precision}"
    if slot.variant.dimension is not None and precision not in REFERENCE_GRADE:
        version = version.removesuffix(suffix) + suffix
    return ModelIdentity(
        task=slot.spec.task.name,
        name=slot.spec.name,
        version=version,
        digest=digest or (model.digest if model else None),
        backend=model.backend if model else "",
        precision=precision,
        device=device,
    )


def _version_of(slot: _Slot) -> str:
    return slot.identity.version if slot.identity else slot.variant.version


def _settle(future: Future[T], answer: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(answer())
    except BaseException as error:
        future.set_exception(_Failure.of(error).error)
