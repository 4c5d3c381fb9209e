"""Where a handler puts results that are larger than a page, until the settlement writes them all at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol

from worker.core.job import Staged
from worker.core.rows import Row

ROWS_A_PAGE = 1000
"""As many as a request carries; the database refuses more."""


class Staging(Protocol):
    """Rows of one attempt of a job, which are gone when it ends, however it ends."""

    async def keep(self, name: str, rows: Iterable[Row]) -> Staged:
        """Send `rows` ahead, page by page, in place of those that this attempt kept under `name` before.

        A write of the attempt's outcome takes the answer instead of rows.

        Raises:
            BadParams: the name is no word, or a page is larger than 1 MiB, or there are more than 1,000.
            LeaseLost: the job is not this worker's any more.
            DatabaseUnavailable: no answer came in time.
        """
        ...


def pages_of(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The rows in lists of at most `ROWS_A_PAGE`; none where there are none."""
    left = iter(rows)
    while page := list(islice(left, ROWS_A_PAGE)):
        yield page
