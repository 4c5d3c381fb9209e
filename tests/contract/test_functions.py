"""Edge functions, called the way an app calls them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from supabase_functions.errors import FunctionsHttpError

pytestmark = pytest.mark.stack


def test_a_signed_in_app_enqueues_and_cancels(person: Callable[[], Any]) -> None:
    someone = person()
    photo = {"path": someone.path("a.jpg"), "media_type": "photo"}
    (asset,) = someone.client.table("assets").insert(photo).execute().data
    body = {"kind": "image_ai", "asset_id": asset["id"], "operations": ["describe"]}
    options = {"body": body, "responseType": "json"}
    answer = someone.client.functions.invoke("enqueue", options)
    assert answer["jobs"][0]["status"] == "enqueued"
    again = someone.client.functions.invoke("enqueue", options)
    assert again["jobs"][0] == {**answer["jobs"][0], "status": "already_queued"}


def test_an_app_asks_who_is_in_its_photos(person: Callable[[], Any]) -> None:
    app = person().client
    options = {"body": {"verb": "list", "limit": 3}, "responseType": "json"}
    assert app.functions.invoke("people", options) == {"people": [], "next": None}
    preview = app.functions.invoke("tag-sync-api/preview", {"body": {"limit": 3}, "responseType": "json"})
    assert preview["assets"] == []
    assert preview["summary"]["total_manual_tags"] == 0
    with pytest.raises(FunctionsHttpError):
        app.functions.invoke("people", {"body": {"verb": "show", "cluster_id": str(uuid.uuid4())}})


def test_a_function_refuses_what_is_not_the_callers(person: Callable[[], Any]) -> None:
    someone = person()
    body = {"kind": "image_ai", "asset_id": str(uuid.uuid4())}
    with pytest.raises(FunctionsHttpError):
        someone.client.functions.invoke("enqueue", {"body": body})


def test_a_function_is_closed_without_a_users_token(project: Any, bare: Any) -> None:
    body = {"kind": "image_ai", "asset_id": str(uuid.uuid4())}
    expired = project.token("authenticated", str(uuid.uuid4()), seconds=-60)
    for token in (None, "garbage", expired):
        answer = bare("POST", "/functions/v1/enqueue", token=token, json=body)
        assert answer.status_code == 401, answer.text


def test_an_unknown_function_is_not_found(bare: Any, person: Callable[[], Any]) -> None:
    answer = bare("POST", "/functions/v1/no-such-function", token=person().token, json={})
    assert answer.status_code == 404
