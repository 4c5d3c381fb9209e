"""Asking models: what the worker knows of them, wherever they run."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from models.spec import Choice, ModelIdentity
from models.tasks import Model, Task

M = TypeVar("M", bound=Model)
In = TypeVar("In")
Out = TypeVar("Out")
V = TypeVar("V", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnswer(Generic[V]):
    """What a model said of one input, and which model it was."""

    value: V
    model: ModelIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMetrics:
    """What became of one model since the worker started; times in seconds."""

    loads: int = 0
    load_seconds: float = 0.0
    batches: int = 0
    batch_sizes: Mapping[int, int] = field(default_factory=dict)
    """How many batches had so many inputs."""
    wait_seconds: float = 0.0
    """All requests' together, from being asked until their batch began."""
    run_seconds: float = 0.0
    megabytes: int = 0
    """Resident memory it takes now, as measured; 0 when it is not loaded."""


class Models(Protocol):
    """Every model the settings select, loaded when first used and unloaded when idle.

    What is asked for at the same time is gathered: `call` is run once for several inputs.

    A `choice` means another model of the task than the settings do; one that means the same is answered by
    the same, loaded once. A choice that is not known, or sets what it may not, is an `UnknownModel`.
    """

    async def run(
        self,
        task: Task[M],
        call: Callable[[M, Sequence[In]], Sequence[Out]],
        item: In,
        *,
        shape: Hashable = None,
        choice: Choice | None = None,
    ) -> ModelAnswer[Out]:
        """What the model of `task` answers to `item`.

        `call` is the method of the task's abstract class, e.g. `Embedder.embed_images`. Only requests of
        equal `shape` share a batch; say it where a model must not be given inputs of different sizes in one
        call. Raises a `ModelError`.
        """
        ...

    async def identity(self, task: Task[Any], choice: Choice | None = None) -> ModelIdentity:
        """The identity of the model that would answer `task` now; needs weights if they name its backend.

        Raises a `ModelError` where the settings select none.
        """
        ...

    async def unload(self, task: Task[Any], choice: Choice | None = None) -> None:
        """Unload the model of `task` as soon as it is idle; its next use loads it again."""
        ...

    async def unload_all(self) -> None: ...

    async def metrics(self) -> Mapping[str, ModelMetrics]:
        """The metrics of each model by `ModelIdentity.version`."""
        ...

    async def close(self) -> None:
        """Unload everything; requests under way fail."""
        ...
