"""The users and their assets, and the wishes sent to the queue through the same unreliable gateway."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import psycopg

from scripts.chaos_lab.wish import Wish
from worker.connection import Connection
from worker.embedded import StackInfo
from worker.errors import DatabaseUnavailable

SENDERS = 6
FIRST = 0.3
"""Share of the wishes that are sent at once; the others trickle in, so that workers are also woken."""


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


async def enqueue_all(connection: Connection, wishes: Sequence[Wish], *, within: float) -> None:
    """Ask for every wish, as often as it takes: some at once, the others spread over `within` seconds.

    Raises:
        ExceptionGroup: a wish was refused, which is no part of the chaos.
    """
    at_once = int(len(wishes) * FIRST)
    senders = asyncio.Semaphore(SENDERS)

    async def send(wish: Wish) -> None:
        async with senders:
            await _enqueue(connection, wish)

    async with asyncio.TaskGroup() as tasks:
        for number, wish in enumerate(wishes):
            tasks.create_task(send(wish))
            if number >= at_once:
                await asyncio.sleep(within / (len(wishes) - at_once))


async def _enqueue(connection: Connection, wish: Wish) -> None:
    asked = {
        "p_kind": wish.kind,
        "p_asset_id": str(wish.asset_id),
        "p_user_id": str(wish.user_id),
        "p_params": wish.params,
    }
    while True:
        try:
            await connection.rpc("enqueue_job", asked, within=5)
        except DatabaseUnavailable:
            continue
        return
