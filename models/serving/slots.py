"""What the registry knows of each model, and the requests that wait for it; all of it is under one lock."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition
from typing import Any, Final, NamedTuple

from models.errors import DeviceUnavailable, ModelError, ModelFailed, OutOfMemory
from models.machine import device as devices
from models.machine import memory
from models.selection import choice_of, select, with_choice
from models.serving.asking import ModelAnswer, ModelMetrics
from models.serving.batching import Waiting
from models.serving.schedule import Tenant
from models.settings import ModelSettings
from models.spec import AnySpec, Choice, ModelIdentity, Variant
from models.tasks import Model

LINE: Final = 500
"""Characters of a library's message that travel: some quote whole arrays."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One input that waits for an answer, since a moment of the monotonic clock."""

    item: Any
    since: float
    future: Future[ModelAnswer[Any]]


class Failure(NamedTuple):
    """What is kept of an exception: the object would keep tensors alive through its frames."""

    error: ModelError
    exhausted: bool
    """Whether memory ran out."""

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        if isinstance(error, ModelError):
            return cls(type(error)(*error.args), memory.is_out_of_memory(error))
        said = f"{type(error).__name__}: {error}"[:LINE]
        if memory.is_out_of_memory(error):
            return cls(OutOfMemory(f"not even one input fits: {said}"), True)
        if devices.is_device_failure(error):
            return cls(DeviceUnavailable(said), False)
        failed = ModelFailed(said)
        failed.add_note("".join(traceback.format_tb(error.__traceback__)))
        return cls(failed, False)

    def fail(self, requests: Iterable[Request]) -> None:
        """End requests with an exception each of its own, as raising one changes it."""
        for request in requests:
            error = type(self.error)(*self.error.args)
            for note in getattr(self.error, "__notes__", ()):
                error.add_note(note)
            request.future.set_exception(error)


@dataclass(slots=True)
class Counts:
    """What became of a model since the process started; times in seconds."""

    loads: int = 0
    load_seconds: float = 0.0
    batches: int = 0
    batch_sizes: Counter[int] = field(default_factory=Counter)
    wait_seconds: float = 0.0
    run_seconds: float = 0.0


@dataclass(slots=True, eq=False)
class Slot:
    """The place of one model, loaded or not."""

    spec: AnySpec
    variant: Variant
    settings: ModelSettings
    """Those that select it; what they say of the process, they all say alike."""
    files: Mapping[str, Path] | None = None
    """None until its weights are at hand, and again after an unload."""
    digest: str | None = None
    preparing: float | None = None
    """Since when its weights are being found; None while they are not."""
    refused: Failure | None = None
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
    counts: Counts = field(default_factory=Counts)

    @property
    def version(self) -> str:
        return self.identity.version if self.identity else self.variant.version

    @property
    def metrics(self) -> ModelMetrics:
        return ModelMetrics(
            loads=self.counts.loads,
            load_seconds=self.counts.load_seconds,
            batches=self.counts.batches,
            batch_sizes=dict(self.counts.batch_sizes),
            wait_seconds=self.counts.wait_seconds,
            run_seconds=self.counts.run_seconds,
            megabytes=self.megabytes if self.model is not None else 0,
        )


class Group(NamedTuple):
    """Requests that may share a call; one without a method only wants the model loaded."""

    slot: Slot
    method: str | None
    shape: Hashable


class Slots:
    """The models of this process, and what waits for them; hold `changed` to read or change it."""

    def __init__(self, specs: Iterable[AnySpec], settings: ModelSettings) -> None:
        self.changed = Condition()
        self.waiting: Waiting[Group, Request] = Waiting(settings.model_batch_delay)
        self._specs = tuple(specs)
        self._settings = settings
        self._asked: dict[tuple[str, Choice | None], Slot] = {}
        """By what was asked for: several choices may mean one model."""
        self._each: dict[tuple[str, Choice], Slot] = {}
        """By the choice that a model's own settings make."""

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._each.values())

    def get(self, task: str, choice: Choice | None = None) -> Slot:
        """The slot of the model of a task that was chosen, or else that the settings select.

        Raises:
            UnknownModel: there is none, or no telling which.
        """
        asked = (task, choice)
        if asked not in self._asked:
            settings = self._settings
            if choice is not None:
                settings = with_choice(self._specs, task, settings, choice)
            spec, variant = select(self._specs, task, settings)
            key = (task, choice_of(self._specs, task, settings))
            self._asked[asked] = self._each.setdefault(key, Slot(spec, variant, settings))
        return self._asked[asked]

    def most(self, group: Group) -> int:
        """How many requests of a group one call takes; 0 while its model has no weights to load."""
        slot = group.slot
        if slot.model is None:
            return 0 if slot.files is None else 1
        return 1 if group.method is None else slot.most

    def is_asked(self, slot: Slot) -> bool:
        return any(group.slot is slot for group in self.waiting)

    def tenant(self, slot: Slot) -> Tenant[Slot]:
        """What the schedule needs to know of a model."""
        return Tenant(
            model=slot,
            loaded=slot.model is not None,
            megabytes=slot.megabytes or slot.variant.megabytes,
            pinned=slot.pinned,
            asked=self.is_asked(slot),
            used=slot.used,
        )

    def take(self, group: Group, most: int) -> list[Request]:
        """The oldest requests of a group that nobody took back; they wait no longer."""
        taken = self.waiting.take(group, most)
        return [request for request in taken if request.future.set_running_or_notify_cancel()]

    def take_all(self, slot: Slot) -> list[Request]:
        """Every request for a model; they wait no longer."""
        groups = [group for group in self.waiting if group.slot is slot]
        return [request for group in groups for request in self.take(group, 2**31)]

    def withdraw(self, group: Group, request: Request) -> None:
        """Forget a request that was cancelled."""
        if request.future.cancelled():
            with self.changed:
                self.waiting.discard(group, request)
