"""The users and their assets, and the requests sent to the queue through the same unreliable gateway."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import httpx
import psycopg

from scripts.chaos_lab.wish import Wish
from worker.core.errors import DatabaseUnavailable
from worker.local.stack import StackInfo
from worker.project.connection import Connection

SENDERS = 6
FIRST = 0.3
"""Share of the requests that are sent at once; the others trickle in, so that workers are also woken."""


class Request(Protocol):
    """Something to be asked of the queue."""

    @property
    def asked(self) -> Mapping[str, Any]:
        """What `enqueue_job` is called with."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who has signed up."""

    id: UUID
    email: str
    password: str = field(repr=False)


def sign_up(stack: StackInfo) -> User:
    email, password = f"{uuid.uuid4().hex}@example.test", uuid.uuid4().hex
    answer = httpx.post(
        f"{stack.url}/auth/v1/signup",
        headers={"apikey": stack.publishable_key},
        json={"email": email, "password": password},
        timeout=30,
        trust_env=False,
    )
    return User(id=UUID(answer.raise_for_status().json()["user"]["id"]), email=email, password=password)


def give_assets(db: psycopg.Connection[Any], users: Sequence[User], each: int) -> list[tuple[UUID, UUID]]:
    """Assets that enqueue nothing by themselves, as (user, asset)."""
    rows = db.execute(
        "insert into public.assets (user_id, media_type) select owner, 'document'"
        " from unnest(%s::uuid[]) as owner cross join generate_series(1, %s) returning user_id, id",
        [[user.id for user in users], each],
    )
    return rows.fetchall()


def note_wishes(db: psycopg.Connection[Any], wishes: Sequence[Wish]) -> None:
    """Write down what will be asked for, where the chaos does not reach."""
    with db.cursor() as cursor:
        cursor.executemany(
            "insert into chaos.wishes (asset_id, slot, expected, rows) values (%s, %s, %s, %s)",
            [(wish.asset_id, wish.slot, wish.expected, wish.rows) for wish in wishes],
        )


async def enqueue_all(connection: Connection, requests: Sequence[Request], *, within: float) -> None:
    """Send every request, as often as it takes: some at once, the others spread over `within` seconds.

    Raises:
        ExceptionGroup: one was refused, which is no part of the chaos.
    """
    at_once = int(len(requests) * FIRST)
    senders = asyncio.Semaphore(SENDERS)

    async def send(request: Request) -> None:
        async with senders:
            await _enqueue(connection, request)

    async with asyncio.TaskGroup() as tasks:
        for number, request in enumerate(requests):
            tasks.create_task(send(request))
            if number >= at_once:
                await asyncio.sleep(within / (len(requests) - at_once))


async def _enqueue(connection: Connection, request: Request) -> None:
    while True:
        try:
            await connection.rpc("enqueue_job", request.asked, within=5)
        except DatabaseUnavailable:
            continue
        return
