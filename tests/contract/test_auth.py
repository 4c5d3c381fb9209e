"""GoTrue, as the apps and the personal worker use it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from supabase import Client
from supabase_auth.errors import AuthApiError

pytestmark = pytest.mark.stack


def test_somebody_signs_up_in_and_out(person: Callable[[], Any], anonymous: Client) -> None:
    someone = person()
    answer = anonymous.auth.sign_in_with_password({"email": someone.email, "password": someone.password})
    assert answer.user is not None
    assert answer.user.id == someone.user_id
    anonymous.auth.sign_out()
    assert anonymous.auth.get_session() is None


def test_a_user_has_dates_that_parse(person: Callable[[], Any]) -> None:
    answer = person().client.auth.get_user()
    assert answer is not None
    assert isinstance(answer.user.created_at, datetime)
    assert answer.user.created_at.tzinfo is not None
    assert isinstance(answer.user.last_sign_in_at, datetime)


def test_a_refreshed_session_is_a_new_one_of_the_same_user(person: Callable[[], Any]) -> None:
    someone = person()
    before = someone.client.auth.get_session()
    answer = someone.client.auth.refresh_session()
    assert answer.session is not None
    assert answer.session.refresh_token != before.refresh_token
    assert answer.user is not None
    assert answer.user.id == someone.user_id
    assert someone.client.table("albums").select("id").execute().data == []


def test_what_a_user_says_of_themselves_is_left_alone(person: Callable[[], Any]) -> None:
    said = {"moved_at": "2026-11-20 11:03:43.341+00"}
    answer = person().client.auth.update_user({"data": said})
    assert answer.user.user_metadata["moved_at"] == said["moved_at"]


def test_a_wrong_password_signs_nobody_in(person: Callable[[], Any], anonymous: Client) -> None:
    with pytest.raises(AuthApiError) as caught:
        anonymous.auth.sign_in_with_password({"email": person().email, "password": "not it"})
    assert caught.value.code == "invalid_credentials"


def test_an_address_signs_up_once(person: Callable[[], Any], anonymous: Client) -> None:
    with pytest.raises(AuthApiError) as caught:
        anonymous.auth.sign_up({"email": person().email, "password": "another-password"})
    assert caught.value.code == "user_already_exists"


def test_the_service_deletes_an_account_with_all_it_has(
    person: Callable[[], Any], service: Client, anonymous: Client
) -> None:
    someone, other = person(), person()
    for one in (someone, other):
        one.client.table("albums").insert({"title": "mine"}).execute()
    service.auth.admin.delete_user(someone.user_id)
    with pytest.raises(AuthApiError) as caught:
        anonymous.auth.sign_in_with_password({"email": someone.email, "password": someone.password})
    assert caught.value.code == "invalid_credentials"
    owners = {row["user_id"] for row in service.table("albums").select("user_id").execute().data}
    assert someone.user_id not in owners
    assert other.user_id in owners
    with pytest.raises(AuthApiError) as caught:
        service.auth.admin.delete_user(someone.user_id)
    assert (caught.value.status, caught.value.code) == (404, "user_not_found")


def test_nobody_else_deletes_an_account(person: Callable[[], Any], anonymous: Client) -> None:
    someone = person()
    for client in (anonymous, someone.client):
        with pytest.raises(AuthApiError) as caught:
            client.auth.admin.delete_user(someone.user_id)
        assert caught.value.status == 403
    assert someone.client.auth.get_user().user.id == someone.user_id
