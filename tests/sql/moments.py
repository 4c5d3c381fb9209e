"""A user's photos, and jobs that find moments in them: the real handler, over the database's verbs."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from worker.context import Context
from worker.core.job import Done, Job, Replace, Staged
from worker.core.record import Record
from worker.core.rows import Page, every_page
from worker.core.staging import pages_of
from worker.handlers.generate_moments import HANDLER
from worker.settings import Settings

NOON = datetime(2026, 7, 15, 12, tzinfo=UTC)
"""What time it is in these stories, unless they say otherwise."""
HOME = (52.50, 13.40)
LISBON = (38.71, -9.14)


def clock(queue: Any, at: datetime = NOON) -> None:
    queue.db.execute("select set_config('kizu.test_now', %s, false)", (at.isoformat(),))


def photos(
    queue: Any, user: str, times: Iterable[datetime], place: tuple[float, float] | None = None, **columns: Any
) -> list[str]:
    """Photos that were taken then and there, with sharpness and a vector each; answers their ids in order."""
    ids = []
    for at in times:
        row = {
            "user_id": user,
            "path": f"{user}/{uuid.uuid4()}.jpg",
            "media_type": "photo",
            "taken_at": at,
            "taken_at_offset_minutes": 0,
            "latitude": place and place[0],
            "longitude": place and place[1],
            **columns,
        }
        names, marks = ", ".join(row), ", ".join(["%s"] * len(row))
        ids.append(
            str(queue.value(f"insert into assets ({names}) values ({marks}) returning id", *row.values()))
        )
    queue.db.execute("delete from jobs where user_id = %s and asset_id = any (%s::uuid[])", (user, ids))
    return ids


def occasion(queue: Any, user: str, at: datetime, count: int = 6, **columns: Any) -> list[str]:
    """Photos of one event, five minutes apart."""
    return photos(queue, user, (at + timedelta(minutes=5 * place) for place in range(count)), **columns)


def give_vectors(queue: Any, user: str, assets: Sequence[str], *, dimension: int = 8) -> None:
    """Vectors of the generation `m`, which differ at random."""
    for number, asset in enumerate(assets):
        chance = random.Random(number)
        vector = [chance.gauss(0, 1) for _ in range(dimension)]
        queue.db.execute(
            "insert into image_embeddings (user_id, asset_id, embedding, model_version)"
            " values (%s, %s, %s, 'm')",
            (user, asset, str(vector)),
        )


class _Rows:
    def __init__(self, queue: Any, job: Mapping[str, Any]) -> None:
        self.queue, self.job = queue, job
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    async def call(self, verb: str, args: Mapping[str, Any]) -> Page:
        self.asked.append((verb, args))
        answer = self.queue.value(
            "select read_for_job('w1', %s, %s, %s, %s, %s)",
            *(self.job["table"], self.job["id"], self.job["epoch"], verb, Jsonb(dict(args))),
        )
        return Page(rows=answer["rows"], next=answer["next"])

    def pages(self, verb: str, args: Mapping[str, Any]) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
        return every_page(self, verb, args)


class _Staging:
    def __init__(self, queue: Any, job: Mapping[str, Any]) -> None:
        self.queue, self.job = queue, job

    async def keep(self, name: str, rows: Iterable[Mapping[str, Any]]) -> Staged:
        pages = list(pages_of(rows))
        for number, page in enumerate(pages):
            self.queue.db.execute(
                "select stage_for_job('w1', %s, %s, %s, %s, %s, %s)",
                (self.job["table"], self.job["id"], self.job["epoch"], name, number, Jsonb(page)),
            )
        return Staged(name, len(pages))


class Telling:
    """One attempt at telling a user's moments: it has read and found them, and may settle later."""

    def __init__(self, queue: Any, user: str) -> None:
        self.queue, self.user = queue, user
        kind = queue.kind()
        queue.enqueue(kind, user)
        self.job = queue.take(kind)
        rows = _Rows(queue, self.job)
        context: Any = Context(
            job=Job(table="t", id=uuid.UUID(int=1), kind=HANDLER.kind, user_id=uuid.UUID(user), epoch=1),
            rows=rows,
            staging=_Staging(queue, self.job),
            settings=Settings(supabase_url="http://127.0.0.1:1"),
            record=Record(),
            progress=lambda *_: None,
            **dict.fromkeys(("files", "models", "generations", "pixels", "pictures")),
        )
        self.done: Done = asyncio.run(HANDLER.perform(context.job, context))
        self.asked = rows.asked

    @property
    def writes(self) -> list[dict[str, Any]]:
        """As the settlement has them; the rows are staged already."""
        found = []
        for write in self.done.writes:
            assert isinstance(write, Replace)
            assert isinstance(write.rows, Staged)
            staged = {"name": write.rows.name, "pages": write.rows.pages}
            found.append({"table": write.table, "scope": dict(write.scope), "staged": staged})
        return found

    def settle(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.queue.settle(self.job, writes=self.writes)
        assert answer["answer"] == "settled", answer
        return answer


def tell(queue: Any, user: str, at: datetime = NOON) -> Mapping[str, Any]:
    """A whole run; answers the job's result."""
    clock(queue, at)
    telling = Telling(queue, user)
    telling.settle()
    return telling.done.result


def feed(queue: Any, user: str, **args: Any) -> list[dict[str, Any]]:
    """What the user sees, by the function that apps call."""
    names = ", ".join(f"p_{name} => %s" for name in args)
    with queue.acting("authenticated", user):
        found: list[dict[str, Any]] = queue.value(f"select list_moments({names})", *args.values())["moments"]
    return found


def members(queue: Any, moment: str) -> list[str]:
    rows = queue.rows(
        "select asset_id from moment_assets where moment_id = %s order by display_order", moment
    )
    return [str(row["asset_id"]) for row in rows]


def notifications(queue: Any, user: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = queue.rows(
        "select * from notification_queue where recipient_user_id = %s order by created_at", user
    )
    return found
