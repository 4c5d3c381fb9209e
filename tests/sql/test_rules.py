"""Rules that hold for whatever is added later: every table, function, policy and migration."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

MIGRATIONS = sorted((Path(__file__).parents[2] / "supabase" / "migrations").glob("*.sql"))


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: path.stem)
def test_a_migration_is_named_by_time_and_opens_with_a_sentence(path: Path) -> None:
    assert re.fullmatch(r"\d{14}_[a-z0-9_]+\.sql", path.name)
    first = path.read_text().splitlines()[0]
    assert first.startswith("-- ")
    assert len(first) > 30


def test_no_two_migrations_share_a_version() -> None:
    versions = [path.name[:14] for path in MIGRATIONS]
    assert len(versions) == len(set(versions))


@pytest.mark.stack
@pytest.mark.parametrize(
    "path",
    [path for path in MIGRATIONS if "Repeatable." in path.read_text().split("\n\n")[0]],
    ids=lambda path: path.stem,
)
def test_a_migration_that_says_so_is_repeatable(queue: Any, path: Path) -> None:
    with queue.db.transaction():
        for _ in range(2):
            queue.db.execute(path.read_text().encode())


FUNCTIONS = """
    select p.oid::regprocedure::text as name,
           p.pronamespace::regnamespace::text as schema,
           coalesce(p.proconfig, '{}') as settings,
           p.prosecdef as definer,
           array(select grantee::regrole::text from aclexplode(acl.items) where grantee <> 0) as grantees,
           exists (select from aclexplode(acl.items) where grantee = 0) as everybody
      from pg_proc as p
     cross join lateral (select coalesce(p.proacl, acldefault('f', p.proowner)) as items) as acl
     where p.pronamespace in ('public'::regnamespace, 'kizu'::regnamespace)
       and not exists (select from pg_depend where objid = p.oid and deptype = 'e')
"""


@pytest.mark.stack
def test_every_function_pins_its_search_path(queue: Any) -> None:
    functions = queue.rows(FUNCTIONS)
    assert len(functions) > 20
    assert [f["name"] for f in functions if 'search_path=""' not in f["settings"]] == []


@pytest.mark.stack
def test_no_function_is_for_everybody_or_for_anon(queue: Any) -> None:
    assert [f["name"] for f in queue.rows(FUNCTIONS) if f["everybody"] or "anon" in f["grantees"]] == []


@pytest.mark.stack
def test_what_comes_after_a_change_acts_as_its_owner(queue: Any) -> None:
    """Auth deletes accounts, and what is theirs with them, as a role that may touch no table of ours."""
    as_the_caller = queue.rows(
        "select distinct proname from pg_trigger join pg_class on pg_class.oid = tgrelid"
        " join pg_proc on pg_proc.oid = tgfoid"
        " where relnamespace = 'public'::regnamespace and not tgisinternal and not prosecdef"
        "   and tgtype & 66 = 0 and tgtype & 24 <> 0"  # after an update or a delete, not in its stead
    )
    assert as_the_caller == []


@pytest.mark.stack
def test_internal_functions_are_granted_to_nobody(queue: Any) -> None:
    owner = queue.value("select relowner::regrole::text from pg_class where oid = 'public.jobs'::regclass")
    granted = {
        f["name"]: sorted(set(f["grantees"]) - {owner})
        for f in queue.rows(FUNCTIONS)
        if f["schema"] == "kizu" and set(f["grantees"]) - {owner}
    }
    assert granted == {
        "kizu.custom_access_token_hook(jsonb)": ["supabase_auth_admin"],
        # Asked by row policies.
        "kizu.answering(text)": ["authenticated"],
        "kizu.is_trash(text,text,timestamp with time zone)": ["kizu_worker"],
        "kizu.now()": ["service_role"],  # a column default of tables it may insert into
        # Evaluated by whoever writes a row that they index.
        "kizu.document(uuid,text)": ["authenticated", "service_role"],
        "kizu.document_of_name(uuid,text)": ["authenticated", "service_role"],
        "kizu.plain_words(text)": ["authenticated", "service_role"],
    }


@pytest.mark.stack
def test_every_verb_asks_who_is_calling(queue: Any) -> None:
    verbs = queue.rows(
        "select proname, prosrc from pg_proc where pronamespace = 'public'::regnamespace and prosecdef"
    )
    ways = ("kizu.caller_scope()", "kizu.one_user(", "kizu.photos_with_tags(")
    asking = {verb["proname"] for verb in verbs if any(way in verb["prosrc"] for way in ways)}
    alone = {"prune_jobs", "set_worker_account"}  # the service's
    assert {verb["proname"] for verb in verbs} - asking == alone


@pytest.mark.stack
def test_every_table_has_row_security(queue: Any) -> None:
    tables = queue.rows(
        "select relname, relrowsecurity from pg_class"
        " where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
    )
    assert len(tables) > 20
    assert [table["relname"] for table in tables if not table["relrowsecurity"]] == []


@pytest.mark.stack
def test_every_view_asks_with_the_readers_rights(queue: Any) -> None:
    views = queue.rows(
        "select relname, coalesce(reloptions, '{}') as options from pg_class"
        " where relnamespace = 'public'::regnamespace and relkind in ('v', 'm')"
    )
    assert [view["relname"] for view in views if "security_invoker=true" not in view["options"]] == []


@pytest.mark.stack
def test_every_policy_names_its_role_and_checks_what_it_writes(queue: Any) -> None:
    policies = queue.rows(
        "select schemaname, tablename, policyname, cmd, roles::text[] as roles, with_check from pg_policies"
        " where schemaname = 'public' or starts_with(policyname, 'kizu_')"
    )
    assert len(policies) > 40
    assert {role for policy in policies for role in policy["roles"]} == {
        "authenticated",
        "kizu_worker",
        "supabase_auth_admin",
    }
    assert [p for p in policies if p["cmd"] == "ALL"] == []
    assert [p for p in policies if p["cmd"] in ("INSERT", "UPDATE") and p["with_check"] is None] == []


@pytest.mark.stack
def test_every_reference_between_owned_rows_carries_the_owner(queue: Any) -> None:
    """(asset_id, user_id) → assets (id, user_id): otherwise a row could join two users."""
    loose = queue.rows(
        "select conrelid::regclass::text as table_name, conname from pg_constraint"
        " where contype = 'f' and connamespace = 'public'::regnamespace and cardinality(conkey) = 1"
        "   and confrelid <> all (array['auth.users', 'public.facts', 'public.job_kinds',"
        "                               'public.result_tables', 'public.runs',"
        "                               'public.vector_kinds']::regclass[])"
    )
    assert loose == []


@pytest.mark.stack
def test_every_foreign_key_is_backed_by_an_index(queue: Any) -> None:
    """Removing a user or an asset cascades; without an index each cascade reads a whole table."""
    missing = queue.rows(
        "select conrelid::regclass::text as table_name, conname from pg_constraint"
        " where contype = 'f' and connamespace = 'public'::regnamespace"
        "   and confrelid <> 'public.job_kinds'::regclass"
        "   and not exists (select from pg_index where indrelid = conrelid and indkey[0] = any (conkey)"
        "                   and (indpred is null or indkey[0] = conkey[1]))"
    )
    assert missing == []
