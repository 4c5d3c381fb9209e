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
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeVar

from models.catalog import discover
from models.errors import BadWeights, ModelFailed, UnknownModel
from models.people.scale import Scale
from models.selection import choice_of, select, with_choice
from models.settings import ModelSettings
from models.spec import Choice, ModelIdentity
from models.tasks import EMBED, FACES, Task
from worker.core.errors import BadParams, DatabaseUnavailable, PermissionDenied, UnknownGeneration

FRESH_SECONDS: Final = 15.0
"""How long an answer of the project is believed; what is missed meanwhile, the database enqueues."""
WITHIN_SECONDS: Final = 30.0
"""A read may take as long as an outage that a job should survive."""
FILL_PAGE: Final = 1000
"""Photos looked at per call."""
TASKS: Final[Mapping[str, Task[Any]]] = {"pictures": EMBED, "faces": FACES}
"""Whose models make the vectors of each kind."""

S = TypeVar("S", bound=ModelSettings)
State: TypeAlias = Literal["filling", "active", "former", "dropping"]


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
    precision: str | None = None
    """Of its model's numbers, e.g. `fp32`, once known."""
    cutoff: float | None = None
    """The cosine from which a picture answers a sentence, once calibrated."""
    maybe_face: float | None = None
    """The cosine from which on two faces may be one person, once known."""
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
            precision=row["precision"],
            cutoff=row["cutoff"],
            maybe_face=row.get("maybe_face"),
            state=row["state"],
        )

    @property
    def choice(self) -> Choice:
        """What selects its model, on any machine.

        Raises:
            UnknownModel: its row does not say.
        """
        if not self.model:
            raise UnknownModel(
                f"no worker has said yet with which settings {self.version} is meant, which the library was "
                "made with: start one with them, or begin another with `kizu models generations create`"
            )
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
        settings: ModelSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rpc = rpc
        self._settings = settings
        self._clock = clock
        self._known: list[Generation] = []
        self._answers = 0
        self._good_until = -math.inf
        self._asking = asyncio.Lock()
        self._taught: set[int] = set()
        self._may_fill = True

    async def of(self, kind: str, *, fresh: bool = False, within: float = WITHIN_SECONDS) -> list[Generation]:
        """The generations of a kind that are written to, the one that answers first; none before the first.

        `fresh` asks the project even if the last answer is young; its answer is waited for `within` seconds.

        An outage leaves its last answer standing, unless a `fresh` one is wanted.

        Raises:
            DatabaseUnavailable: it did not answer, and never has, or a `fresh` answer is wanted.
        """
        answers = self._answers
        async with self._asking:
            if (fresh and self._answers == answers) or self._clock() > self._good_until:
                try:
                    await self._ask(within)
                except DatabaseUnavailable:
                    if fresh or not self._answers:
                        raise
                self._good_until = self._clock() + FRESH_SECONDS
        found = [generation for generation in self._known if generation.kind == kind]
        return sorted(found, key=lambda generation: generation.state != "active")

    async def _ask(self, within: float) -> None:
        rows = await self._rpc("generations", {}, within=within)
        living = [Generation.of(row) for row in rows if row["state"] != "dropping"]
        told = [await self._in_own_words(one) for one in living]
        self._known = [one for one in told if one.model or one.state == "active"]
        self._answers += 1

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

        `version` is the only one that the job asks for; None: all of them. There are none before the first.

        Raises:
            UnknownGeneration: there are some, and none of this version.
        """
        found = await self.of(kind)
        if version is None:
            return found
        if not any(one.version == version for one in found):
            found = await self.of(kind, fresh=True)
        chosen = [one for one in found if one.version == version]
        if found and not chosen:
            raise UnknownGeneration(f"{version} is no generation of {kind} that is written to")
        return chosen

    async def begin(self, kind: str, model: ModelIdentity) -> Generation:
        """The generation of a kind that answers; where there is none, `model`'s, which the settings mean.

        Ask it with a model that has answered: what it begins is every worker's to go on with.

        Raises:
            ModelError: the settings mean no model, or one that the project does not take from this worker.
        """
        try:
            row = await self._rpc("begin_generation", self.proposal(kind, model), within=WITHIN_SECONDS)
        except BadParams as error:
            raise UnknownModel(f"{model.version} cannot be the library's: {error}") from None
        self._good_until = -math.inf
        return Generation.of(row)

    def proposal(self, kind: str, model: ModelIdentity) -> dict[str, Any]:
        """What `begin_generation` wants to know of the model that the settings mean for a kind.

        Raises:
            ModelError: they mean none.
        """
        task, catalog = TASKS[kind].name, discover()
        variant = select(catalog, task, self._settings)[1]
        return {
            "p_kind": kind,
            "p_version": model.version,
            "p_model": choice_of(catalog, task, self._settings).as_json(),
            "p_dimension": variant.dimension,
            "p_digest": model.digest,
            "p_precision": model.precision or None,
            **_measures(variant.scale),
        }

    async def fill(self, can_embed: Callable[[Generation], bool] = lambda generation: True) -> bool:
        """Enqueue a little of what photos lack of the generations that do not answer; whether there is more.

        So a new one is filled, and one that answered before is kept up, with nobody waiting for it. What this
        machine cannot embed for is left to others: where nobody can, each round would fail anew. It is the
        project's own workers' to do: a user's is refused once, and asks no more.
        """
        more = False
        for kind in TASKS:
            beside = [one for one in await self.of(kind) if one.state in ("filling", "former")]
            for generation in filter(can_embed, beside) if self._may_fill else ():
                try:
                    page = await self._rpc(
                        "fill_generation",
                        {"p_id": generation.id, "p_limit": FILL_PAGE},
                        within=WITHIN_SECONDS,
                    )
                except PermissionDenied:
                    self._may_fill = False
                    return False
                more = more or page["passed_by"] or not page["at_end"]
        return more

    async def _in_own_words(self, generation: Generation) -> Generation:
        """A generation by the settings here, where they mean its version: its row may name a file elsewhere.

        One of before there were generations is told of, for all others.
        """
        task, catalog = TASKS[generation.kind].name, discover()
        with suppress(UnknownModel):
            if select(catalog, task, self._settings)[1].version == generation.version:
                known = replace(generation, model=choice_of(catalog, task, self._settings).as_json())
                if not generation.model:
                    with suppress(BadParams):  # as a value is too long
                        await self._note(known)
                return known
        return generation

    async def learn(self, generation: Generation, model: ModelIdentity) -> None:
        """Note what nobody knew of a generation before its model answered, as its weights and scale."""
        unknown = None in (generation.digest, generation.precision)
        unscaled = model.scale is not None and generation.maybe_face is None
        if (unknown or unscaled) and generation.id not in self._taught:
            self._taught.add(generation.id)
            known = replace(generation, model={}, digest=model.digest, precision=model.precision or None)
            try:
                await self._note(known, model.scale)
            except DatabaseUnavailable:
                self._taught.discard(generation.id)  # the next answer is as good

    async def _note(self, generation: Generation, scale: Scale | None = None) -> None:
        await self._rpc(
            "begin_generation",
            {
                "p_kind": generation.kind,
                "p_version": generation.version,
                "p_model": generation.model,
                "p_dimension": generation.dimension,
                "p_digest": generation.digest,
                "p_precision": generation.precision,
                **_measures(scale),
            },
            within=WITHIN_SECONDS,
        )


def _measures(scale: Scale | None) -> dict[str, float | None]:
    """A scale as `begin_generation` takes it."""
    return {
        "p_same_face": scale.same if scale else None,
        "p_maybe_face": scale.maybe if scale else None,
        "p_face_margin": scale.margin if scale else None,
        "p_false_accepts": scale.false_accepts if scale else None,
    }
