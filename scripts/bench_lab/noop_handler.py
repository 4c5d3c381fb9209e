"""The handler that does nothing."""

from __future__ import annotations

from pydantic import BaseModel

from worker.context import Context
from worker.core.handler import Handler
from worker.core.job import Done

NOOP = "noop"
"""A kind that this program adds: nothing is done, so that what remains is the queue's own cost."""


class NoParams(BaseModel):
    """Whatever the row says is ignored."""


async def do_nothing(_params: NoParams, _context: Context) -> Done:
    return Done()


HANDLER = Handler(kind=NOOP, version="1", lane="noop", params=NoParams, run=do_nothing)
