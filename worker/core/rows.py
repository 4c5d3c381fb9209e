"""What a handler may read from the database: registered verbs, answered for the job's user alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, and the `after` of the next page, which is None on the last."""

    rows: Sequence[Row] = ()
    next: Any = None


class Rows(Protocol):
    """Reads for one attempt of a job; the database confines it to the job's user."""

    async def call(self, verb: str, args: Mapping[str, Any]) -> Page:
        """One page of a verb's answer.

        Raises:
            BadParams: no such verb is registered, or it does not take these args.
            LeaseLost: the job is not this worker's any more.
            DatabaseUnavailable: no answer came in time.
        """
        ...

    def pages(self, verb: str, args: Mapping[str, Any]) -> AsyncIterator[Sequence[Row]]:
        """Every page of a verb's answer, by key, so that nothing is skipped while rows change."""
        ...


async def every_page(rows: Rows, verb: str, args: Mapping[str, Any]) -> AsyncIterator[Sequence[Row]]:
    """The pages of `rows.call`, each asked for when the one before has been used."""
    page = await rows.call(verb, args)
    yield page.rows
    while page.next is not None:
        page = await rows.call(verb, {**args, "after": page.next})
        yield page.rows
