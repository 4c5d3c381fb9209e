"""A user, their photos on a real stack, and workers that find them."""

from __future__ import annotations

import asyncio
import io
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
from PIL import Image
from psycopg.types.json import Jsonb

from models.serving.asking import Models
from worker.app import run_worker
from worker.local.stack import StackInfo
from worker.settings import Settings, read_settings

IMAGES_ONLY = {"image": 8}
"""Lanes of a worker that leaves models alone."""
PATIENCE = 60.0
"""Seconds after which a test stops waiting for a worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """One user and their photos."""

    user_id: str
    email: str
    password: str
    token: str
    stack: StackInfo
    db: psycopg.Connection[Any]

    def add(self, data: bytes, **columns: Any) -> str:
        """Upload a photo as the app would; enqueue-on-upload makes its jobs. Answers the asset's id."""
        asset_id = str(uuid.uuid4())
        key = f"{self.user_id}/originals/{asset_id}"
        with self._app() as http:
            http.post(
                f"/storage/v1/object/assets/{key}", content=data, headers={"content-type": "image/jpeg"}
            ).raise_for_status()
            row = {"id": asset_id, "path": key, "media_type": "photo", **columns}
            http.post("/rest/v1/assets", json=row).raise_for_status()
        return asset_id

    def add_part(self, asset_id: str, kind: str, data: bytes | None) -> None:
        """Upload a file that belongs to a photo, and say so; None leaves the file out."""
        key = f"{self.user_id}/originals/{uuid.uuid4()}"
        with self._app() as http:
            if data is not None:
                http.post(f"/storage/v1/object/assets/{key}", content=data).raise_for_status()
            row = {"asset_id": asset_id, "kind": kind, "path": key}
            http.post("/rest/v1/asset_parts", json=row).raise_for_status()

    def _app(self) -> httpx.Client:
        headers = {"apikey": self.stack.publishable_key, "authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=self.stack.url, headers=headers, timeout=30)

    def job(self, asset_id: str) -> Mapping[str, Any]:
        """The newest optimize_image job of an asset."""
        cursor = self.db.execute(
            "select status, error_code, error_message, params, result, attempts, worker_id, lease_epoch, id"
            " from image_processing_jobs where asset_id = %s order by created_at desc limit 1",
            [asset_id],
        )
        row = cursor.fetchone()
        assert row
        assert cursor.description
        return dict(zip([column.name for column in cursor.description], row, strict=True))

    def ask(self, asset_id: str, **params: Any) -> str:
        """Put a job of its own in the place of those that came with the upload."""
        self.db.execute("delete from image_processing_jobs where asset_id = %s", [asset_id])
        row = self.db.execute(
            "select enqueue_job('optimize_image', %s, %s, p_force => true) ->> 'id'",
            [asset_id, Jsonb(params)],
        ).fetchone()
        assert row
        return str(row[0])

    def asset(self, asset_id: str) -> Mapping[str, Any]:
        cursor = self.db.execute("select * from assets where id = %s", [asset_id])
        row = cursor.fetchone()
        assert row
        assert cursor.description
        return dict(zip([column.name for column in cursor.description], row, strict=True))

    def made(self, asset_id: str, kind: str) -> Image.Image:
        """A derived file as the owner downloads it by the URL in the asset's row."""
        url = self.asset(asset_id)["thumbnail" if kind == "thumbnail" else "web_uri"]
        headers = {"apikey": self.stack.publishable_key, "authorization": f"Bearer {self.token}"}
        answer = httpx.get(url, headers=headers, timeout=30).raise_for_status()
        return Image.open(io.BytesIO(answer.content))


def personal(library: Library, **settings: Any) -> Settings:
    """Settings of a worker that signs in as the library's owner."""
    return read_settings(
        _env_file=None,
        supabase_url=library.stack.url,
        supabase_publishable_key=library.stack.publishable_key,
        kizu_email=library.email,
        kizu_password=library.password,
        **{"lanes": IMAGES_ONLY, **settings},
    )


def service(stack: StackInfo, **settings: Any) -> Settings:
    """Settings of a worker that serves every user."""
    return read_settings(
        _env_file=None,
        supabase_url=stack.url,
        supabase_secret_key=stack.secret_key,
        **{"lanes": IMAGES_ONLY, **settings},
    )


async def drain(settings: Settings, *, models: Models | None = None, within: float = PATIENCE) -> int:
    """Run a worker in this process until its queue is empty."""
    async with asyncio.timeout(within):
        return await run_worker(settings, drain=True, models=models)


def wait_for(condition: Callable[[], Any], what: str, *, seconds: float = PATIENCE) -> Any:
    """Poll until the condition holds, and answer what it said."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds:g} s for {what}")


def jpeg(width: int = 640, height: int = 480, colour: str = "teal", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "JPEG", **options)
    return buffer.getvalue()
