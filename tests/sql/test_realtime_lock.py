"""The schema realtime is the platform's: what a hosted project refuses there is refused here, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.paths import ROOT
from worker.core.errors import StartupError
from worker.local.migrations import apply_migrations
from worker.local.stack import StackInfo

pytestmark = pytest.mark.stack

MIGRATIONS = ROOT / "supabase" / "migrations"

REFUSED = {
    "a table": "create table realtime.notes (id int)",
    "a table of nothing": "create table realtime.copied as select 1 as id",
    "a column": "alter table realtime.messages add column note text",
    "an index": "create index on realtime.messages (topic)",
    "a trigger": "create trigger t after insert on realtime.messages for each row"
    " execute function kizu.wake_workers()",
    "a function": "create function realtime.mine() returns int language sql as 'select 1'",
    "another topic": "create or replace function realtime.topic() returns text language sql return null",
    "a view": "create view realtime.seen as select * from realtime.messages",
    "a policy elsewhere": "create table realtime.x (id int); create policy p on realtime.x for select to anon"
    " using (true)",
    "row security off": "alter table realtime.messages disable row level security",
    "a dropped table": "drop table realtime.messages",
    "a dropped function": "drop function realtime.send(jsonb, text, text, boolean)",
    "the schema": "drop schema realtime cascade",
    "its name": "alter schema realtime rename to r",
    "a table moved there": "create table public.moving (); alter table public.moving set schema realtime",
    "a table moved away": "alter table realtime.messages set schema public",
    "a constraint": "alter table realtime.messages add check (topic <> 'x') not valid",
    "a right": "grant delete on realtime.messages to authenticated",
    "a right to a column": "grant update (topic) on realtime.messages to authenticated",
    "a right to the schema": "grant create on schema realtime to authenticated",
    "a right less": "revoke execute on function realtime.topic() from authenticated",
    "a type": "create type realtime.mood as enum ('good')",
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_a_migration_that_changes_the_schema_fails(queue: Any, change: str) -> None:
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for schema realtime"),
        queue.db.transaction(),
    ):
        queue.db.execute(change)


def test_policies_on_messages_are_a_projects_own(queue: Any) -> None:
    with queue.db.transaction(force_rollback=True):
        queue.db.execute("create policy mine on realtime.messages for select to authenticated using (false)")
        queue.db.execute("alter policy mine on realtime.messages using (true)")
        queue.db.execute("drop policy mine on realtime.messages")


def test_a_failing_migration_names_itself(stack: StackInfo, tmp_path: Path) -> None:
    (tmp_path / "20991231000000_hostile.sql").write_text("create table realtime.notes (id int);")
    with pytest.raises(
        StartupError, match=r"20991231000000_hostile\.sql.*permission denied for schema realtime"
    ):
        apply_migrations(stack.database_url, tmp_path)


def test_what_is_new_is_for_nobody_until_it_is_granted(queue: Any) -> None:
    with queue.db.transaction(force_rollback=True):
        queue.db.execute("create table public.new_table (id int)")
        queue.db.execute("create sequence public.new_sequence")
        queue.db.execute("create function public.new_function() returns int language sql as 'select 1'")
        queue.db.execute("create function kizu.new_function() returns int language sql as 'select 1'")
        for role in ("anon", "authenticated", "service_role", "kizu_worker"):
            may = queue.rows(
                "select has_table_privilege(%(role)s, 'public.new_table', 'select') as reads,"
                " has_sequence_privilege(%(role)s, 'public.new_sequence', 'usage') as counts,"
                " has_function_privilege(%(role)s, 'public.new_function()', 'execute') as calls,"
                " has_function_privilege(%(role)s, 'kizu.new_function()', 'execute') as calls_inner".replace(
                    "%(role)s", f"'{role}'"
                )
            )
            assert may == [{"reads": False, "counts": False, "calls": False, "calls_inner": False}]
