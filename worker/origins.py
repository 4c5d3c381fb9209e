"""What is known of an asset's file beside its bytes: its name, its time on a disk, its sidecars."""

from __future__ import annotations

import asyncio
from datetime import datetime

import structlog

from models.pictures.capture import Origin
from models.pictures.sidecars import MAX_BYTES
from worker.context import Context
from worker.core.errors import JobError

log = structlog.get_logger(__name__)


async def read(context: Context) -> Origin:
    """The origin of the job's asset; a sidecar that is not there, or too large, is left out.

    Raises:
        StorageUnavailable, TimedOut: no answer came in time.
    """
    asset = context.job.asset
    modified_at = asset.get("file_modified_at")
    sidecars = [await _sidecar(context, path) for path in asset.get("sidecars") or ()]
    return Origin(
        file_name=asset.get("file_name") or "",
        modified_at=datetime.fromisoformat(modified_at) if modified_at else None,
        sidecars=tuple(data for data in sidecars if data is not None),
    )


async def _sidecar(context: Context, path: str) -> bytes | None:
    try:
        async with context.files.fetch_to_path(path, context.job.user_id, max_bytes=MAX_BYTES) as file:
            return await asyncio.to_thread(file.read_bytes)
    except JobError as error:
        if error.retryable:
            raise
        log.warning("sidecar left out", path=path, reason=str(error))
        return None
