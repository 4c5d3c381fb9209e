"""A queue to tell stories with: users, kinds and jobs that are gone when the test is over."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.generations import forget_generations
from worker.local.stack import StackInfo

Row = dict[str, Any]


@contextmanager
def acting(db: psycopg.Connection, role: str, user_id: str | None = None) -> Iterator[None]:
    """One transaction as PostgREST would open it for a token with this role and subject."""
    claims = {"role": role} | ({"sub": user_id} if user_id else {})
    with db.transaction():
        db.execute(
            "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true)",
            (role, json.dumps(claims)),
        )
        yield


class Queue:
    """The verbs as a superuser calls them, or as somebody else inside `with queue.acting(...)`."""

    def __init__(self, db: psycopg.Connection) -> None:
        self.db = db
        self.users: list[str] = []
        self.kinds: list[str] = []

    def acting(self, role: str, user_id: str | None = None) -> Any:
        return acting(self.db, role, user_id)

    def value(self, query: str, *parameters: Any) -> Any:
        row = self.db.execute(query, parameters).fetchone()
        return row[0] if row else None

    def rows(self, query: str, *parameters: Any) -> list[Row]:
        cursor = self.db.execute(query, parameters)
        assert cursor.description is not None
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def user(self) -> str:
        user_id = str(uuid.uuid4())
        self.db.execute("insert into auth.users (id) values (%s)", (user_id,))
        self.users.append(user_id)
        return user_id

    def kind(self, table: str = "ai_processing_jobs", **columns: Any) -> str:
        columns = {"kind": f"t_{uuid.uuid4().hex}", "table_name": table, **columns}
        names, places = ", ".join(columns), ", ".join(["%s"] * len(columns))
        self.db.execute(
            f"insert into public.job_kinds ({names}) values ({places})",
            [Jsonb(value) if isinstance(value, dict) else value for value in columns.values()],
        )
        self.kinds.append(columns["kind"])
        return str(columns["kind"])

    def asset(self, user_id: str, media_type: str = "document") -> str:
        """An asset; as a `document` no kind wants it, so that it brings no jobs of its own."""
        return str(
            self.value(
                "insert into public.assets (user_id, path, media_type) values (%s, %s, %s) returning id",
                user_id,
                f"{user_id}/{uuid.uuid4()}.jpg",
                media_type,
            )
        )

    def generation(
        self, version: str, kind: str = "pictures", dimension: int = 512, *, new: bool = True, **more: Any
    ) -> int:
        """A generation of vectors; the first of its kind is active, with `new` others begin beside it."""
        arguments = {
            "p_kind": kind,
            "p_version": version,
            "p_model": Jsonb({"name": version}),
            "p_dimension": dimension,
            "p_new": new,
            **more,
        }
        names = ", ".join(f"{name} => %s" for name in arguments)
        return int(self.value(f"select public.begin_generation({names})", *arguments.values())["id"])

    def arrive(self, worker: str = "t_able", *sentences: str, owner: str | None = None, **info: Any) -> None:
        """A worker says that it is here for searches, and the versions of those whose vectors it makes."""
        said = {
            "slots": {"interactive": 1},
            "kinds": {"search": "1", "understand": "1"},
            "sentences": list(sentences),
            **info,
        }
        with self.acting("authenticated" if owner else "service_role", owner):
            self.db.execute("select public.announce_worker(%s, %s)", (worker, Jsonb(said)))

    def enqueue(self, kind: str, user_id: str, asset_id: str | None = None, **more: Any) -> str:
        """A new job, different from every other."""
        arguments = {
            "p_kind": kind,
            "p_asset_id": asset_id,
            "p_user_id": user_id,
            "p_params": Jsonb({"n": uuid.uuid4().hex}),
            **more,
        }
        names = ", ".join(f"{name} => %s" for name in arguments)
        answer = self.value(f"select public.enqueue_job({names})", *arguments.values())
        assert answer["status"] == "enqueued"
        return str(answer["id"])

    def enqueue_many(self, kind: str, user_id: str, count: int) -> None:
        table = self.value("select table_name from public.job_kinds where kind = %s", kind)
        self.db.execute(
            f"insert into public.{table} (user_id, job_type) select %s, %s from generate_series(1, %s)",
            (user_id, kind, count),
        )

    def insert(self, table: str, kind: str, user_id: str, job_id: str) -> None:
        """As an older app may, with the service key."""
        with self.acting("service_role"):
            self.db.execute(
                f"insert into public.{table} (id, user_id, job_type) values (%s, %s, %s)",
                (job_id, user_id, kind),
            )

    def claim(
        self,
        kinds: str | Sequence[str],
        limit: int = 1,
        *,
        worker: str = "w1",
        lease: int = 60,
        claim_id: str | None = None,
    ) -> Any:
        return self.value(
            "select public.claim_jobs(%s, %s, %s, %s, %s::uuid)",
            worker,
            [kinds] if isinstance(kinds, str) else list(kinds),
            limit,
            lease,
            claim_id or str(uuid.uuid4()),
        )

    def take(self, kind: str, *, worker: str = "w1", lease: int = 60) -> Row:
        """Claims one job that must be there."""
        (job,) = self.claim(kind, worker=worker, lease=lease)["jobs"]
        return dict(job)

    def extend(self, jobs: Sequence[Mapping[str, Any]], *, worker: str = "w1", lease: int = 60) -> list[str]:
        answer = self.value("select public.extend_leases(%s, %s, %s)", worker, lease, Jsonb(list(jobs)))
        assert [row["id"] for row in answer] == [job["id"] for job in jobs]
        return [row["verdict"] for row in answer]

    def settle(
        self,
        job: Mapping[str, Any],
        outcome: str | Mapping[str, Any] = "done",
        *,
        worker: str = "w1",
        writes: Sequence[Mapping[str, Any]] = (),
        run: Mapping[str, Any] | None = None,
    ) -> Row:
        item = settlement(job, outcome, writes=writes, run=run)
        (answer,) = self.value("select public.settle_jobs(%s, %s)", worker, Jsonb([item]))
        assert answer["id"] == job["id"]
        return dict(answer)

    def release(self, worker: str = "w1") -> int:
        return int(self.value("select public.release_jobs(%s)", worker))

    def row(self, job: str | Mapping[str, Any]) -> Row:
        job_id = job if isinstance(job, str) else job["id"]
        (row,) = self.rows("select * from public.jobs where id = %s", job_id)
        return row

    def expire(self, job: Mapping[str, Any]) -> None:
        """Lets the job's lease run out."""
        self.db.execute(
            "update public.jobs set lease_expires_at = clock_timestamp() - interval '1 second' where id = %s",
            (job["id"],),
        )

    def close(self) -> None:
        self.db.execute("delete from auth.users where id = any (%s::uuid[])", (self.users,))
        self.db.execute("delete from public.jobs where job_type = any (%s)", (self.kinds,))
        self.db.execute("delete from public.job_kinds where kind = any (%s)", (self.kinds,))
        self.db.execute("delete from public.workers where worker_id like 't!_%' escape '!'")
        forget_generations(self.db)


def settlement(
    job: Mapping[str, Any],
    outcome: str | Mapping[str, Any] = "done",
    *,
    writes: Sequence[Mapping[str, Any]] = (),
    run: Mapping[str, Any] | None = None,
) -> Row:
    return {
        **{name: job[name] for name in ("table", "id", "epoch")},
        "outcome": {"kind": outcome} if isinstance(outcome, str) else outcome,
        "writes": list(writes),
        "run": run or {},
    }


def wait_until_locked(queue: Queue, connection: psycopg.Connection) -> None:
    """Wait until what `connection` does waits for somebody else's transaction."""
    query = "select wait_event_type from pg_stat_activity where pid = %s"
    until = time.monotonic() + 30
    while queue.value(query, connection.info.backend_pid) != "Lock":
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.fixture
def queue(db: psycopg.Connection) -> Iterator[Queue]:
    queue = Queue(db)
    yield queue
    db.execute("reset kizu.test_now")
    queue.close()


@pytest.fixture(scope="session")
def new_queue(stack: StackInfo) -> Iterator[Callable[[], Queue]]:
    """Queues of their own connection, for fixtures that outlive a test; who makes one closes it."""
    with ExitStack() as opened:
        yield lambda: Queue(
            opened.enter_context(psycopg.connect(stack.database_url, autocommit=True)),
        )


@pytest.fixture
def connect(stack: StackInfo) -> Iterator[Callable[[], psycopg.Connection]]:
    """Further connections, for those who work at the same time."""
    opened: list[psycopg.Connection] = []

    def make() -> psycopg.Connection:
        opened.append(psycopg.connect(stack.database_url, autocommit=True))
        return opened[-1]

    yield make
    for connection in opened:
        connection.close()
