"""Files that a job makes of its asset: stored together or not at all, and how rows speak of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from worker.context import Context
from worker.files.sources import ASSETS_BUCKET
from worker.files.storage import StoredFile

JPEG: Final = "image/jpeg"


async def store(context: Context, files: Mapping[str, bytes]) -> dict[str, StoredFile]:
    """Store each JPEG as `NAME.jpg` under this attempt's own path; if one fails, the others are taken back.

    Raises:
        StorageUnavailable, TimedOut: one could not be stored.
    """
    keys = {name: context.key(f"{name}.jpg") for name in files}
    try:
        async with asyncio.TaskGroup() as tasks:
            uploads = {
                name: tasks.create_task(context.files.upload(ASSETS_BUCKET, keys[name], data, JPEG))
                for name, data in files.items()
            }
    except BaseExceptionGroup as group:
        await context.files.remove(ASSETS_BUCKET, list(keys.values()))
        raise group.exceptions[0] from group
    return {name: upload.result() for name, upload in uploads.items()}


def url(file: StoredFile, public_url: str) -> str:
    """Where apps find the file, signed in as its owner."""
    return f"{public_url}/storage/v1/object/authenticated/{file.bucket}/{file.key}"


def row(file: StoredFile) -> dict[str, Any]:
    """The file's row in `derived_assets`."""
    return {
        "bucket": file.bucket,
        "key": file.key,
        "bytes": file.bytes,
        "mime_type": file.mime_type,
        "sha256": file.sha256,
    }
