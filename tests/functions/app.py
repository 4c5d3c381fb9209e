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

    def duplicates(self, verb: str, **fields: Any) -> httpx.Response:
        return self.http.post(self.url("duplicates"), json={"verb": verb, **fields}, headers=self.headers)

    def moments(self, verb: str, **fields: Any) -> httpx.Response:
        return self.http.post(self.url("moments"), json={"verb": verb, **fields}, headers=self.headers)

    def people(self, verb: str, **fields: Any) -> httpx.Response:
        return self.http.post(self.url("people"), json={"verb": verb, **fields}, headers=self.headers)

    def search(self, *, path: str = "", **body: Any) -> httpx.Response:
        return self.http.post(self.url(f"search{path}"), json=body, headers=self.headers)

    def tag_sync(self, step: str, **body: Any) -> httpx.Response:
        return self.http.post(self.url(f"tag-sync-api/{step}"), json=body, headers=self.headers)

    def insert(self, table: str, **row: Any) -> str:
        """The id of a new row of this user's."""
        headers = {**self.headers, "prefer": "return=representation"}
        answer = self.http.post(f"{self.base}/rest/v1/{table}", json=row, headers=headers)
        return str(answer.raise_for_status().json()[0]["id"])

    def select(self, table: str, query: str) -> list[dict[str, Any]]:
        """Rows that this user may see."""
        answer = self.http.get(f"{self.base}/rest/v1/{table}?{query}", headers=self.headers)
        rows: list[dict[str, Any]] = answer.raise_for_status().json()
        return rows

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
