"""Apps that search all the time while the models change, and everything they were answered."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import httpx
import psycopg

from scripts.chaos_lab.crowd import User
from worker.local.stack import StackInfo, mint_token

MOST = 1000
"""Photos per answer, so that every photo is in it."""
TRIES = 20
"""With half a second between them: longer than any restart takes."""


@cache
def question(number: int, dimension: int) -> str:
    """A vector to search by, the same each time."""
    dice = random.Random(f"{number} {dimension}")
    return "[" + ",".join(f"{dice.gauss(0, 1):.6f}" for _ in range(dimension)) + "]"


@dataclass(slots=True, kw_only=True)
class Search:
    """One search, with everything that was tried until it was answered."""

    line: str
    began: datetime
    version: str = ""
    ended: datetime | None = None
    error: str | None = None
    unreachable: bool = False
    asked_again: int = 0
    versions: list[str] = field(default_factory=list)
    photos: list[UUID] = field(default_factory=list)


class Refused(Exception):
    """An answer that an app does not expect."""


class App:
    """Searches as its user.

    With an empty `line` it asks before each search which generation answers; else it goes on with the one
    that it knows until that is refused, whatever answers meanwhile.
    """

    def __init__(self, info: StackInfo, user: User, line: str) -> None:
        self.searches: list[Search] = []
        self._line = line
        self._active: Mapping[str, Any] | None = None
        token = mint_token(info, role="authenticated", sub=str(user.id), ttl=7200)
        self._http = httpx.AsyncClient(
            base_url=f"{info.url}/rest/v1/rpc/",
            headers={"apikey": info.publishable_key, "authorization": f"Bearer {token}"},
            timeout=30,
            trust_env=False,
        )

    async def serve(self, every: float) -> None:
        """Search every so many seconds, or as soon as the last one is answered; until cancelled."""
        loop = asyncio.get_running_loop()
        async with self._http:
            while True:
                due = loop.time() + every
                search = await self._search()
                if search is not None:
                    self.searches.append(search)
                await asyncio.sleep(max(0.0, due - loop.time()))

    async def _search(self) -> Search | None:
        """None before there is anything to be searched."""
        search = Search(line=self._line, began=datetime.now(UTC))
        try:
            if self._active is None or not self._line:
                self._active = await self._answering(search)
            if self._active is None:
                return None
            while True:
                search.version = self._active["model_version"]
                answer = await self._ask(
                    search,
                    "search_image_embeddings",
                    {
                        "query_embedding": question(len(self.searches), self._active["dimension"]),
                        "match_count": MOST,
                        "match_threshold": -1,
                        "filter_model_version": search.version,
                    },
                )
                if answer is not None:
                    break
                search.asked_again += 1
                self._active = await self._answering(search)
                if self._active is None:
                    raise Refused("no generation answers any more")
            search.versions = sorted({row["metadata"]["model_version"] for row in answer})
            search.photos = [UUID(row["asset_id"]) for row in answer]
        except (Refused, httpx.TransportError) as error:
            search.error = f"{type(error).__name__}: {error}"
        search.ended = datetime.now(UTC)
        return search

    async def _answering(self, search: Search) -> Mapping[str, Any] | None:
        generations = await self._ask(search, "generations", {})
        assert generations is not None
        return next(
            (one for one in generations if one["kind"] == "pictures" and one["state"] == "active"), None
        )

    async def _ask(self, search: Search, function: str, params: Mapping[str, Any]) -> list[Any] | None:
        """Its answer; None where the generation is none any more. Goes on asking while nobody is there.

        Raises:
            Refused: it says anything else.
            httpx.TransportError: nobody has been there for long.
        """
        for tries in range(TRIES):
            try:
                answer = await self._http.post(function, json=params)
            except httpx.TransportError:
                search.unreachable = True
                if tries == TRIES - 1:
                    raise
                await asyncio.sleep(0.5)
                continue
            if answer.is_success:
                found: list[Any] = answer.json()
                return found
            if answer.status_code == 409 and "unknown_generation" in answer.text and search.asked_again < 3:
                return None
            raise Refused(f"{answer.status_code} {answer.text[:300]}")
        raise AssertionError("unreachable")


@asynccontextmanager
async def searching(info: StackInfo, user: User, every: float) -> AsyncIterator[list[App]]:
    """Two apps: one that always knows what answers, and one that does not ask, ten times as seldom."""
    apps = [App(info, user, ""), App(info, user, "stays")]
    tasks = [
        asyncio.create_task(app.serve(pause)) for app, pause in zip(apps, (every, 10 * every), strict=True)
    ]
    try:
        yield apps
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def note_searches(db: psycopg.AsyncConnection[Any], searches: Iterable[Search]) -> None:
    async with db.cursor() as cursor:
        await cursor.executemany(
            "insert into chaos.searches"
            " (line, began, ended, version, error, unreachable, asked_again, versions, photos)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    # Who stays with a generation is promised nothing but that generation's photos.
                    search.line and f"{search.line} with {search.version}",
                    search.began,
                    search.ended,
                    search.version,
                    search.error,
                    search.unreachable,
                    search.asked_again,
                    search.versions,
                    search.photos,
                )
                for search in searches
            ],
        )
