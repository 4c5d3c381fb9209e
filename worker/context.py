"""Everything a handler may touch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from models.serving.asking import Models
from worker.core.errors import NotFound
from worker.core.job import Job
from worker.core.record import Record
from worker.core.rows import Rows
from worker.core.staging import Staging
from worker.decoding import Need
from worker.files.sources import ASSETS_BUCKET, StoredObject
from worker.files.storage import Files
from worker.generations import Generations
from worker.pictures import Original, Pictures
from worker.pixels import PixelThreads
from worker.project.connection import Connection
from worker.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One job's surroundings. Files and threads are shared by all jobs; the rest is this job's own."""

    job: Job
    files: Files
    models: Models
    generations: Generations
    """Which models' vectors the library is made of."""
    rows: Rows
    """What the job may read of the database: its own user's rows."""
    staging: Staging
    """Where results go that are larger than a page, until the job is settled."""
    settings: Settings
    pixels: PixelThreads
    """Where pictures are decoded and encoded, `settings.decode_threads` at a time: it bounds memory too."""
    pictures: Pictures
    lane: str = ""
    """Whose share of those threads this job's work has."""
    record: Record
    progress: Callable[[int, str], None]
    """Note how far the job is, in percent, and what it is at."""

    async def in_pixels(self, work: Callable[..., T], *args: Any) -> T:
        """Run blocking work on a small picture in its threads, so that the event loop goes on."""
        return await self.pixels.run(work, *args, lane=self.lane, urgent=self.job.is_urgent)

    @asynccontextmanager
    async def picture(self, source: str, need: Need) -> AsyncIterator[Original]:
        """The picture that `source` names, fetched and not decoded yet, which `need` says for what.

        If it is the asset's own file in Storage, the record says which bytes these are.
        """
        user_id, lane = self.job.user_id, self.lane
        async with self.pictures.open(
            source, user_id, need, lane=lane, urgent=self.job.is_urgent
        ) as original:
            path = self.job.asset.get("path")
            if path and self.files.stored_object(source, user_id) == StoredObject(ASSETS_BUCKET, path):
                self.record.content = original.version
            yield original

    def source(self, given: str | None) -> str:
        """Where the picture is: as the job says, else as its asset says.

        Raises:
            NotFound: neither says.
        """
        source = given or self.job.asset.get("path") or self.job.asset.get("web_uri")
        if not source:
            raise NotFound("the job names no file, and its asset has none")
        return str(source)

    def key(self, name: str) -> str:
        """Where a file made by this attempt belongs in the bucket: no other attempt ever writes there.

        List it in `derived_assets`: what is there and not listed is swept when the job has ended.
        """
        job = self.job
        return f"{job.user_id}/processed/{job.asset_id}/{job.id}.{job.epoch}/{name}"


def files_for(connection: Connection, settings: Settings) -> Files:
    """The files of a worker or a command, within the limits of the settings; to be used as a context."""
    return Files(
        connection,
        max_bytes=settings.max_download_bytes,
        fetch_timeout=settings.fetch_timeout,
        allowed_hosts=settings.allowed_hosts,
    )
