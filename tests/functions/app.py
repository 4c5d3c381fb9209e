"""An app of a signed-in user, as it reaches the edge functions and its own rows."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    user_id: str
    token: str
    publishable_key: str
    base: str
    http: httpx.Client

    @property
    def headers(self) -> dict[str, str]:
        return {"apikey": self.publishable_key, "authorization": f"Bearer {self.token}"}

    def url(self, function: str) -> str:
        return f"{self.base}/functions/v1/{function}"

    def enqueue(self, **body: Any) -> httpx.Response:
        return self.http.post(self.url("enqueue"), json=body, headers=self.headers)

    def cancel(self, **body: Any) -> httpx.Response:
        return self.http.post(self.url("cancel"), json=body, headers=self.headers)

    def add_asset(self) -> str:
        return self.add_assets(1)[0]

    def add_assets(self, count: int) -> list[str]:
        """New photos of this user; the jobs of enqueue-on-upload come with them."""
        ids = [str(uuid.uuid4()) for _ in range(count)]
        rows = [{"id": one, "path": f"{self.user_id}/{one}.jpg", "media_type": "photo"} for one in ids]
        self.http.post(f"{self.base}/rest/v1/assets", json=rows, headers=self.headers).raise_for_status()
        return ids

    def add_job(self) -> str:
        """A waiting job of this user that nothing else asks for."""
        answer = self.enqueue(kind="image_ai", asset_id=self.add_asset(), operations=["describe"])
        job: str = answer.raise_for_status().json()["jobs"][0]["id"]
        return job
