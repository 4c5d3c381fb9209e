"""Photos in somebody's library, without the jobs that an upload asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from scripts.bench_lab.lab import Lab
from worker.context import files_for
from worker.files.sources import ASSETS_BUCKET
from worker.project.connection import Connection
from worker.settings import read_settings

AT_ONCE = 4


def upload(lab: Lab, photos: Sequence[Path]) -> UUID:
    """A new user who has these photos."""
    user = lab.add_user()
    asyncio.run(_upload(lab, user, photos))
    with lab.db.cursor() as cursor:
        cursor.executemany(
            "insert into public.assets (user_id, path, media_type) values (%s, %s, 'image/jpeg')",
            [(user, f"{user}/{photo.name}") for photo in photos],
        )
    lab.db.execute("delete from public.jobs where user_id = %s", [user])
    return user


async def _upload(lab: Lab, user: UUID, photos: Sequence[Path]) -> None:
    settings = read_settings(
        supabase_url=lab.info.url,
        supabase_secret_key=lab.info.secret_key,
        kizu_worker_token=None,
        kizu_email=None,
        kizu_password=None,
    )
    turns = asyncio.Semaphore(AT_ONCE)
    async with Connection(settings) as connection, files_for(connection, settings) as files:

        async def send(photo: Path) -> None:
            async with turns:
                data = await asyncio.to_thread(photo.read_bytes)
                await files.upload(ASSETS_BUCKET, f"{user}/{photo.name}", data, "image/jpeg")

        await asyncio.gather(*(send(photo) for photo in photos))
