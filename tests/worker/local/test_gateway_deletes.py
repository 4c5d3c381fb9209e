"""Who hears over Realtime that a row is gone: nobody who could not have seen a row of its table."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from websockets.sync.client import ClientConnection, connect

from worker.local.stack import StackInfo

pytestmark = pytest.mark.stack

SOON = 15.0


@pytest.fixture
def notes(db: psycopg.Connection) -> Iterator[str]:
    """A published table of this test's own whose rows are seen by the user in `owner`."""
    name = f"notes_{uuid.uuid4().hex}"
    db.execute(
        f"""
        create table public.{name} (
          id int primary key check (id > 0),
          owner uuid,
          body jsonb,
          tags text[],
          twice int generated always as (id * 2) stored
        );
        alter table public.{name} enable row level security;
        create policy owners_read on public.{name} for select to authenticated using (owner = auth.uid());
        grant select on public.{name} to authenticated, service_role;
        alter publication supabase_realtime add table public.{name}
        """
    )
    yield name
    db.execute(f"drop table public.{name}")


class Listener:
    """A client of Realtime that asks for every change of one table, as whoever the token says."""

    def __init__(
        self, stack: StackInfo, table: str, *, token: str | None = None, key: str | None = None
    ) -> None:
        address = stack.url.replace("http", "ws", 1)
        key = key or stack.publishable_key
        self._socket: ClientConnection = connect(f"{address}/realtime/v1/websocket?apikey={key}&vsn=1.0.0")
        changes = [{"event": "*", "schema": "public", "table": table}]
        payload = {"config": {"postgres_changes": changes}, **({"access_token": token} if token else {})}
        message = {"topic": "realtime:x", "event": "phx_join", "payload": payload, "ref": "1"}
        self._socket.send(json.dumps({**message, "join_ref": "1"}))
        assert self._receive("system")["status"] == "ok"

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def change(self) -> dict[str, Any]:
        """The next change this client is told."""
        data: dict[str, Any] = self._receive("postgres_changes")["data"]
        return data

    def _receive(self, event: str) -> dict[str, Any]:
        while True:
            message = json.loads(self._socket.recv(timeout=SOON))
            if message["event"] == event:
                payload: dict[str, Any] = message["payload"]
                return payload


def add(db: psycopg.Connection, table: str, number: int, owner: str | None) -> None:
    db.execute(
        f"insert into public.{table} (id, owner, body, tags) values (%s, %s, %s, %s)",
        (number, owner, '{"secret": [1]}', ["a,b", 'c"d']),
    )


def add_before(stack: StackInfo, db: psycopg.Connection, table: str, owners: dict[int, str | None]) -> None:
    """Adds rows and waits until that was told: the log is read behind the writers, and who began to listen
    meanwhile would hear of them first."""
    with Listener(stack, table, key=stack.secret_key) as service:
        for number, owner in owners.items():
            add(db, table, number, owner)
            assert service.change()["type"] == "INSERT"


def remove(db: psycopg.Connection, table: str, number: int) -> None:
    db.execute(f"delete from public.{table} where id = %s", (number,))


def test_whoever_may_not_read_the_table_is_not_told_what_left_it(
    stack: StackInfo, db: psycopg.Connection, notes: str
) -> None:
    add_before(stack, db, notes, {1: None})
    with (
        Listener(stack, notes) as anonymous,
        Listener(stack, notes, key=stack.secret_key) as service,
    ):
        remove(db, notes, 1)
        assert service.change()["type"] == "DELETE"
        # What comes next is told, so that what was not told is known without waiting for it.
        db.execute(f"grant select on public.{notes} to anon")
        db.execute(f"create policy all_read on public.{notes} for select to anon using (true)")
        add(db, notes, 2, None)
        assert anonymous.change()["type"] == "INSERT"


def test_a_grant_without_a_policy_shows_no_row_and_tells_of_none(
    stack: StackInfo, db: psycopg.Connection, notes: str
) -> None:
    db.execute(f"grant select on public.{notes} to anon")
    add_before(stack, db, notes, {1: None})
    with (
        Listener(stack, notes) as anonymous,
        Listener(stack, notes, key=stack.secret_key) as service,
    ):
        remove(db, notes, 1)
        assert service.change()["type"] == "DELETE"
        db.execute(f"create policy all_read on public.{notes} for select to anon using (true)")
        add(db, notes, 2, None)
        assert anonymous.change()["type"] == "INSERT"
        # Who may see all rows hears of all that leave.
        remove(db, notes, 2)
        assert anonymous.change()["old_record"] == {"id": 2}


def test_a_user_is_told_the_key_of_a_row_and_no_more(
    stack: StackInfo, db: psycopg.Connection, notes: str, make_user: Callable[[], Any]
) -> None:
    user = make_user()
    add_before(stack, db, notes, {1: str(uuid.uuid4())})
    with Listener(stack, notes, token=user.access_token) as own:
        remove(db, notes, 1)
        told = own.change()
        assert (told["type"], told["old_record"]) == ("DELETE", {"id": 1})


def test_where_the_log_tells_the_whole_row_a_user_hears_of_their_own_only(
    stack: StackInfo, db: psycopg.Connection, notes: str, make_user: Callable[[], Any]
) -> None:
    db.execute(f"alter table public.{notes} replica identity full")
    user = make_user()
    add_before(stack, db, notes, {1: str(uuid.uuid4()), 2: user.user_id})
    with (
        Listener(stack, notes, token=user.access_token) as own,
        Listener(stack, notes, key=stack.secret_key) as service,
    ):
        remove(db, notes, 1)
        remove(db, notes, 2)
        told = own.change()
        assert (told["type"], told["old_record"]) == ("DELETE", {"id": 2})
        assert service.change()["old_record"]["body"] == {"secret": [1]}
        assert db.execute(f"select count(*) from public.{notes}").fetchone() == (0,)


def test_where_the_log_tells_the_whole_row_inserts_and_updates_are_told_as_ever(
    stack: StackInfo, db: psycopg.Connection, notes: str, make_user: Callable[[], Any]
) -> None:
    db.execute(f"alter table public.{notes} replica identity full")
    user = make_user()
    with Listener(stack, notes, token=user.access_token) as own:
        db.execute(f"insert into public.{notes} (id, owner) values (1, %s)", (user.user_id,))
        assert own.change()["record"]["id"] == 1
        db.execute(f"update public.{notes} set tags = '{{x}}'")
        told = own.change()
        assert (told["record"]["tags"], told["old_record"]) == (["x"], {"id": 1})
