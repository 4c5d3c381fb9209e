"""Which accounts are workers: who says so, of whom, and what Auth makes of it."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

pytestmark = pytest.mark.stack


def account(queue: Any, **columns: Any) -> str:
    """The address of a new account, which is confirmed unless `columns` say otherwise."""
    user = queue.user()
    columns = {"email": f"{user}@example.test", "email_confirmed_at": "2026-11-01", **columns}
    places = ", ".join(f"{name} = %s" for name in columns)
    queue.db.execute(f"update auth.users set {places} where id = %s", (*columns.values(), user))
    return str(columns["email"])


def appoint(queue: Any, email: str, works: bool = True) -> Any:
    with queue.acting("service_role"):
        return queue.value("select set_worker_account(%s, %s)", email, works)


def is_worker(queue: Any, email: str) -> bool:
    return bool(
        queue.value(
            "select true from kizu.worker_accounts join auth.users on id = user_id where email = %s", email
        )
    )


def test_an_account_is_appointed_and_dismissed_any_number_of_times(queue: Any) -> None:
    email = account(queue)
    for works in (True, True, False, False, True):
        assert str(appoint(queue, email.upper(), works)) == email.partition("@")[0]
        assert is_worker(queue, email) == works


@pytest.mark.parametrize(
    ("columns", "reason"),
    [({"email_confirmed_at": None}, "bad_params"), ({"is_sso_user": True}, "not_found")],
)
def test_an_account_that_may_be_somebody_elses_is_refused(
    queue: Any, columns: dict[str, Any], reason: str
) -> None:
    email = account(queue, **columns)
    with pytest.raises(psycopg.Error, match=reason):
        appoint(queue, email)
    assert not is_worker(queue, email)


def test_a_deleted_account_leaves_the_list(queue: Any) -> None:
    email = account(queue)
    appoint(queue, email)
    queue.db.execute("delete from auth.users where email = %s", (email,))
    assert not is_worker(queue, email)


def test_the_list_of_workers_is_out_of_everybodys_reach(queue: Any) -> None:
    for role in ("anon", "authenticated", "kizu_worker", "service_role"):
        for statement in (
            "select from kizu.worker_accounts",
            "insert into kizu.worker_accounts values (null)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), queue.acting(role, str(uuid.uuid4())):
                queue.db.execute(statement)


def test_auth_reads_who_is_a_worker_and_changes_nothing(queue: Any) -> None:
    """The hook as Auth calls it; only the role of a signed-in user who is on the list is another one."""
    machine, user = queue.user(), queue.user()
    queue.db.execute("insert into kizu.worker_accounts (user_id) values (%s)", (machine,))

    def role_of(user_id: str | None, role: str) -> Any:
        claims = {"sub": user_id, "role": role, "user_metadata": {"role": "kizu_worker"}}
        event = {"user_id": user_id, "claims": claims, "authentication_method": "password"}
        with queue.acting("supabase_auth_admin"):
            answer = queue.value("select kizu.custom_access_token_hook(%s)", Jsonb(event))
        assert {**answer, "claims": {**answer["claims"], "role": role}} == event
        return answer["claims"]["role"]

    assert role_of(machine, "authenticated") == "kizu_worker"
    assert role_of(user, "authenticated") == "authenticated"
    assert role_of(None, "authenticated") == "authenticated"
    assert role_of(machine, "anon") == "anon"
    for statement in (
        "insert into kizu.worker_accounts values (%s)",
        "delete from kizu.worker_accounts where user_id = %s",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), queue.acting("supabase_auth_admin"):
            queue.db.execute(statement, (user,))
