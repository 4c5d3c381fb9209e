"""What a job kind needs to be run: a schema for its parameters and one async function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from worker.core.errors import BadParams
from worker.core.job import Done, Job

ADDRESS: dict[str, JsonValue] = {"type": "string", "maxLength": 4096}
"""JSON Schema of a param that says where a file is, for apps: signed URLs run to about 1,000 characters.

Jobs that are inserted with the service key may hold longer ones, such as data URLs.
"""

P = TypeVar("P", bound=BaseModel)
C = TypeVar("C")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler(Generic[P, C]):
    """One job kind. The context type C is opaque to the core."""

    kind: str
    version: str
    """Goes into the run record; raise it when results would differ."""
    lane: str
    params: type[P]
    """Also the source of what the edge functions check: `scripts/make-kinds`."""
    run: Callable[[P, C], Awaitable[Done]]
    table: str = "ai_processing_jobs"
    """Where jobs of this kind are inserted, and so where Realtime listens for them."""
    aliases: tuple[str, ...] = ()
    """Other names that apps have for this kind."""
    about_asset: bool = True
    """Whether each job of this kind is about one asset."""
    facts: tuple[str, ...] = ()
    """Facts about an asset that jobs of this kind find out, as the table `facts` lists them."""
    sentences_of: str | None = None
    """The kind of vectors that a sentence is compared with: a machine without the model of those that answer
    leaves jobs of this kind to others."""
    packages: tuple[str, ...] = ()
    """What is imported beyond what every worker has: a machine that lacks one leaves these jobs to others."""
    needs: frozenset[str] = frozenset({"storage", "disk"})
    """Dependencies without which no job of this kind can be done; while one is down, none is claimed."""
    timeout_seconds: float = 600.0

    async def perform(self, job: Job, context: C) -> Done:
        return await self.run(self._read(job), context)

    def _read(self, job: Job) -> P:
        try:
            return self.params.model_validate(dict(job.params))
        except ValidationError as error:
            problems = error.errors(include_input=False, include_url=False, include_context=False)
            raise BadParams(
                "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems)
            ) from None


AnyHandler: TypeAlias = Handler[Any, C]


def by_kind(handlers: Iterable[Handler[Any, C]]) -> dict[str, Handler[Any, C]]:
    """Index handlers by kind and alias.

    Raises:
        ValueError: two handlers claim the same kind.
    """
    index: dict[str, Handler[Any, C]] = {}
    for handler in handlers:
        for kind in (handler.kind, *handler.aliases):
            if kind in index:
                raise ValueError(f"two handlers for job kind {kind!r}")
            index[kind] = handler
    return index
