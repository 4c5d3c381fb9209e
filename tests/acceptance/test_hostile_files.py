"""What strangers and broken disks upload, through the whole queue: every job ends, with the right code, and
leaves nothing behind that it did not see."""

from __future__ import annotations

import asyncio
import os
import re
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import httpx
import psutil
import pytest
from psycopg.types.json import Jsonb

from models.serving.remote import RemoteModels
from tests.acceptance.library import Library, service
from tests.models.pictures.mutations import Mutation, mutations
from worker.app import run_worker

pytestmark = [pytest.mark.stack, pytest.mark.slow]

UPLOADS_AT_ONCE = 8
LOOKS = ["hashes", "objects"]
MOST_MEMORY = 1024**3
"""Bytes the worker may grow by while it works through all of them, two pictures at a time."""


async def test_every_hostile_file_ends_with_its_code(library: Library) -> None:
    files = list(mutations())
    assert len(files) >= 500
    assets = await _upload(library, files)
    before = psutil.Process(os.getpid()).memory_info().rss
    peak = [before]
    watching = asyncio.create_task(_watch(peak))
    async with asyncio.timeout(600):
        await run_worker(service(library.stack, log_level="error"), drain=True)
    watching.cancel()

    rows = library.db.execute(
        "select asset_id::text, status, coalesce(error_code, 'ok'), attempts from image_processing_jobs"
        " where user_id = %s",
        [library.user_id],
    ).fetchall()
    ended = {asset_id: (status, code, attempts) for asset_id, status, code, attempts in rows}
    assert len(ended) == len(files)
    wrong = [
        (mutation.name, *ended[asset_id])
        for mutation, asset_id in zip(files, assets, strict=True)
        if ended[asset_id][1] not in mutation.accepts or ended[asset_id][0] not in ("completed", "failed")
    ]
    assert wrong == [], Counter(code for _, _, code, _ in wrong)
    assert {attempts for _, _, attempts in ended.values()} == {1}, "none of these is worth a second try"
    assert max(peak) - before < MOST_MEMORY


async def test_every_hostile_file_is_looked_at_or_refused(library: Library, tiny_models: Path) -> None:
    files = _one_of_each(mutations())[::3]
    assets = await _upload(library, files)
    library.db.execute("delete from jobs")
    library.db.execute(
        "select enqueue_job('image_ai', id, %s) from assets where user_id = %s",
        [Jsonb({"operations": LOOKS}), library.user_id],
    )
    settings = service(
        library.stack,
        lanes={"ai": 8},
        model_profile="tiny",
        model_cache_dir=tiny_models,
        model_downloads=False,
        log_level="error",
    )
    models = RemoteModels(settings)
    hosts: set[int | None] = set()
    watching = asyncio.create_task(_watch_host(models, hosts))
    async with asyncio.timeout(300):
        await run_worker(settings, drain=True, models=models)
    watching.cancel()

    rows = library.db.execute(
        "select asset.id::text, job.status, coalesce(job.error_code, 'ok'), job.attempts,"
        "       array(select jsonb_object_keys(asset.ai_operations) order by 1),"
        "       exists (select from asset_hashes where asset_id = asset.id)"
        "       or exists (select from detected_objects where asset_id = asset.id)"
        "       or exists (select from asset_tags where asset_id = asset.id)"
        "  from assets as asset join ai_processing_jobs as job on job.asset_id = asset.id"
        " where asset.user_id = %s",
        [library.user_id],
    ).fetchall()
    ended = {asset_id: said for asset_id, *said in rows}
    assert len(ended) == len(files)
    wrong = [
        (file.name, *ended[asset_id])
        for file, asset_id in zip(files, assets, strict=True)
        if ended[asset_id]
        not in [
            ["completed", code, 1, LOOKS, True] if code == "ok" else ["failed", code, 1, [], False]
            for code in file.accepts
        ]
    ]
    assert wrong == []
    codes = {code for _, code, *_ in ended.values()}
    assert codes == {"ok", "not_an_image", "unreadable", "unsupported_format", "too_large"}
    assert len(hosts - {None}) == 1, "whatever it is shown, the process with the models goes on"


def _one_of_each(files: Iterable[Mutation]) -> list[Mutation]:
    """Of those that differ only in how much was cut off, or which byte was changed, the first."""
    first: dict[str, Mutation] = {}
    for file in files:
        first.setdefault(re.sub(r"\d+", "", file.name), file)
    return list(first.values())


async def _upload(library: Library, files: Sequence[Mutation]) -> list[str]:
    """The files, then their rows in one insert; answers the assets' ids in order."""
    ids = [str(uuid.uuid4()) for _ in files]
    gate = asyncio.Semaphore(UPLOADS_AT_ONCE)
    headers = {"apikey": library.stack.publishable_key, "authorization": f"Bearer {library.token}"}
    async with httpx.AsyncClient(base_url=library.stack.url, headers=headers, timeout=60) as http:

        async def upload(asset_id: str, data: bytes) -> None:
            async with gate:
                url = f"/storage/v1/object/assets/{library.user_id}/hostile/{asset_id}"
                answer = await http.post(url, content=data, headers={"content-type": "image/jpeg"})
                answer.raise_for_status()

        await asyncio.gather(*(upload(one, file.data) for one, file in zip(ids, files, strict=True)))
        rows = [
            {"id": one, "path": f"{library.user_id}/hostile/{one}", "media_type": "image/jpeg"} for one in ids
        ]
        (await http.post("/rest/v1/assets", json=rows)).raise_for_status()
    return ids


async def _watch_host(models: RemoteModels, seen: set[int | None]) -> None:
    while True:
        seen.add(models.pid)
        await asyncio.sleep(0.01)


async def _watch(peak: list[int]) -> None:
    process = psutil.Process(os.getpid())
    while True:
        peak[0] = max(peak[0], process.memory_info().rss)
        await asyncio.sleep(0.05)
