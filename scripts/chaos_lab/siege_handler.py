"""The job of a siege: it reads its photo, and perhaps kills its worker."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from scripts.chaos_lab.handler import CRASH_STATUS
from scripts.chaos_lab.worker_process import serve_with
from worker.context import Context
from worker.core.handler import Handler
from worker.core.job import Done

KIND = "siege"


class SiegeParams(BaseModel):
    """What is wished for."""

    photo: bool = False
    kill: bool = False
    seconds: float = 0.05


async def run(params: SiegeParams, ctx: Context) -> Done:
    if params.photo:
        with await ctx.files.fetch(ctx.source(None), ctx.job.user_id) as file:
            await asyncio.to_thread(file.read)
    await asyncio.sleep(params.seconds)
    if params.kill:
        os._exit(CRASH_STATUS)
    return Done()


HANDLER = Handler(kind=KIND, version="1", lane=KIND, params=SiegeParams, run=run)


def serve_siege(settings: Mapping[str, Any], log_file: str) -> None:
    """Work with this handler until stopped."""
    serve_with({KIND: HANDLER}, settings, log_file)
