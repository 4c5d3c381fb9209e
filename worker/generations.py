"""The project's generations of vectors: which models embed a picture or its faces, and whose vectors answer.

The library decides that, in rows of the table `generations`; this worker's settings choose the model of a
kind's first generation and no other. All that are written to are kept up: the one that answers, one that is
being filled beside it, and one that answered before and may again.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeVar

from models.catalog import discover
from models.errors import BadWeights, ModelFailed, UnknownModel
from models.selection import choice_of, select, with_choice
from models.serving.asking import Models
from models.settings import ModelSettings
from models.spec import Choice, ModelIdentity
from models.tasks import EMBED, FACES, Task
from worker.core.errors import UnknownGeneration

FRESH_SECONDS: Final = 15.0
"""How long an answer of the project is believed; what is missed meanwhile, the database enqueues."""
WITHIN_SECONDS: Final = 30.0
"""A read may take as long as an outage that a job should survive."""
TASKS: Final[Mapping[str, Task[Any]]] = {"pictures": EMBED, "faces": FACES}
"""Whose models make the vectors of each kind."""

S = TypeVar("S", bound=ModelSettings)
State: TypeAlias = Literal["filling", "active", "former"]


class Rpc(Protocol):
    """Calls a function of the database, retrying passing faults for at most `within` seconds."""

    async def __call__(self, function: str, params: Mapping[str, Any], *, within: float) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """All vectors of one kind that one model made."""

    id: int
    kind: str
    version: str
    """Of its model, as on every row."""
    model: Mapping[str, str]
    """The settings that select its model; none where a library is older, and nobody has said yet."""
    dimension: int
    """Numbers of its vectors; shorter ones of its model get zeros at their end."""
    digest: str | None = None
    """Of its model's weights, once known."""
    cutoff: float | None = None
    """The cosine from which a picture answers a sentence, once calibrated."""
    state: State = "active"

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Generation:
        """The generation that a row of `generations()` tells of."""
        return cls(
            id=row["id"],
            kind=row["kind"],
            version=row["model_version"],
            model=row["model"],
            dimension=row["dimension"],
            digest=row["weights_digest"],
            cutoff=row["cutoff"],
            state=row["state"],
        )

    @property
    def choice(self) -> Choice:
        """What selects its model, on any machine.

        Raises:
            UnknownModel: its row does not say.
        """
        return Choice.of(self.model)

    def meant_by(self, settings: S) -> S:
        """`settings` that mean its model, whatever they meant before.

        Raises:
            UnknownModel: its row does not say which model that is, or this machine does not know it.
        """
        return with_choice(discover(), TASKS[self.kind].name, settings, self.choice)

    def check(self, model: ModelIdentity) -> None:
        """Make sure that vectors of `model` belong to it.

        Raises:
            BadWeights: it is the same model with other weights.
            ModelFailed: it is another model.
        """
        if model.version != self.version:
            raise ModelFailed(f"{model.version} answered, where {self.version} was asked")
        if self.digest and model.digest and model.digest != self.digest:
            raise BadWeights(
                f"the weights of {self.version} here are not those that the library was embedded with"
            )


class Generations:
    """The generations that this project writes to, asked for anew every `FRESH_SECONDS`."""

    def __init__(
        self,
        rpc: Rpc,
        models: Models,
        settings: ModelSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rpc = rpc
        self._models = models
        self._settings = settings
        self._clock = clock
        self._known: list[Generation] = []
        self._asked = -math.inf
        self._asking = asyncio.Lock()
        self._taught: set[int] = set()

    async def of(self, kind: str, *, fresh: bool = False, within: float = WITHIN_SECONDS) -> list[Generation]:
        """The generations of a kind that are written to, the one that answers first; none before the first.

        `fresh` asks the project even if the last answer is young; its answer is waited for `within` seconds.

        Raises:
            DatabaseUnavailable: it did not answer, and never has.
        """
        asked = self._asked
        async with self._asking:
            if (fresh and self._asked == asked) or self._clock() - self._asked > FRESH_SECONDS:
                rows = await self._rpc("generations", {}, within=within)
                living = [Generation.of(row) for row in rows if row["state"] != "dropping"]
                # One of before there were generations, whose settings nobody has said, can only be searched.
                self._known = [one for one in living if one.model or one.state == "active"]
                self._asked = self._clock()
        found = [generation for generation in self._known if generation.kind == kind]
        return sorted(found, key=lambda generation: generation.state != "active")

    async def answering(self, kind: str, *, within: float = WITHIN_SECONDS) -> Generation | None:
        """The generation of a kind that answers; None before the first."""
        found = await self.of(kind, within=within)
        return found[0] if found and found[0].state == "active" else None

    @property
    def known(self) -> Sequence[Generation]:
        """Those of the last answer; nobody is asked."""
        return self._known

    async def settings_of_library(self, settings: S) -> S:
        """`settings` that mean the models whose vectors answer, as far as this machine knows them."""
        for kind in TASKS:
            if active := await self.answering(kind):
                with suppress(UnknownModel):
                    settings = active.meant_by(settings)
        return settings

    async def to_write(self, kind: str, version: str | None) -> list[Generation]:
        """The generations that a job is to embed for, the one that answers first, if it is among them.

        `version` is the only one that the job asks for; None: all of them. A kind without any gets its first,
        of the model that the settings mean.

        Raises:
            UnknownGeneration: there is none of this version.
            ModelError: there is none yet, and no model here to begin one.
        """
        found = await self.of(kind)
        if version is not None:
            if not any(one.version == version for one in found):
                found = await self.of(kind, fresh=True)
            if found and not any(one.version == version for one in found):
                raise UnknownGeneration(f"{version} is no generation of {kind} that is written to")
        if not found:
            found = [await self.begin(kind)]
        return [one for one in found if version in (None, one.version)] or found

    async def begin(self, kind: str) -> Generation:
        """The generation of a kind that answers, which the settings' model becomes where there is none.

        Raises:
            ModelError: the settings mean no model, or one whose version cannot be told here.
        """
        proposal = await self.proposal(kind)
        row = await self._rpc("begin_generation", proposal, within=WITHIN_SECONDS)
        self._asked = -math.inf
        return Generation.of(row)

    async def proposal(self, kind: str) -> dict[str, Any]:
        """What `begin_generation` wants to know of the model that the settings mean for a kind.

        Raises:
            ModelError: they mean none, or one whose version cannot be told here.
        """
        task, catalog = TASKS[kind], discover()
        choice = choice_of(catalog, task.name, self._settings)
        variant = select(catalog, task.name, self._settings)[1]
        model = await self._models.identity(task, choice)
        return {
            "p_kind": kind,
            "p_version": model.version,
            "p_model": choice.as_json(),
            "p_dimension": variant.dimension,
            "p_digest": model.digest,
            "p_precision": model.precision,
            "p_same_face": variant.same_face,
        }

    async def learn(self, generation: Generation, model: ModelIdentity) -> None:
        """Note what nobody knew of a generation before its model first answered: its weights' digest."""
        unknown = generation.digest is None and generation.id not in self._taught
        if unknown and model.digest is not None:
            self._taught.add(generation.id)
            await self._rpc(
                "begin_generation",
                {
                    "p_kind": generation.kind,
                    "p_version": generation.version,
                    "p_model": generation.model,
                    "p_dimension": generation.dimension,
                    "p_digest": model.digest,
                    "p_precision": model.precision,
                    "p_same_face": model.same_face,
                },
                within=WITHIN_SECONDS,
            )
