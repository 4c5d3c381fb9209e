"""PostgREST, as supabase-py uses it: rows, pages, counts, functions, errors, and who may see what."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from postgrest.exceptions import APIError
from supabase import Client

pytestmark = pytest.mark.stack


def albums(count: int) -> list[dict[str, Any]]:
    return [{"title": f"album {number:04}", "description": None} for number in range(count)]


def test_rows_are_inserted_in_bulk_and_come_back_ordered_and_counted(person: Callable[[], Any]) -> None:
    table = person().client.table("albums")
    table.insert(albums(25)).execute()
    page = table.select("title", count="exact").order("title", desc=True).range(5, 9).execute()
    assert page.count == 25
    assert [row["title"] for row in page.data] == [f"album {n:04}" for n in (19, 18, 17, 16, 15)]


def test_a_page_never_holds_more_than_a_thousand_rows(person: Callable[[], Any]) -> None:
    table = person().client.table("albums")
    table.insert(albums(1005)).execute()
    assert len(table.select("id").execute().data) == 1000
    assert len(table.select("id").order("id").range(1000, 1999).execute().data) == 5


def test_update_upsert_and_delete_answer_with_their_rows(person: Callable[[], Any]) -> None:
    table = person().client.table("albums")
    (row,) = table.insert({"title": "first"}).execute().data
    (changed,) = table.update({"title": "second"}).eq("id", row["id"]).execute().data
    assert changed["title"] == "second"
    (merged,) = table.upsert({"id": row["id"], "title": "third"}).execute().data
    assert merged["title"] == "third"
    assert table.delete().eq("id", row["id"]).execute().data[0]["id"] == row["id"]
    assert table.select("id").eq("id", row["id"]).execute().data == []


def test_filters_select_as_postgrest_does(person: Callable[[], Any]) -> None:
    table = person().client.table("albums")
    table.insert([{"title": "a", "description": "x"}, {"title": "b", "description": None}]).execute()
    assert [row["title"] for row in table.select("title").is_("description", "null").execute().data] == ["b"]
    assert len(table.select("title").in_("title", ["a", "b", "c"]).execute().data) == 2
    assert table.select("title").eq("title", "a").single().execute().data == {"title": "a"}
    with pytest.raises(APIError) as caught:
        table.select("title").eq("title", "z").single().execute()
    assert caught.value.code == "PGRST116"


@pytest.mark.parametrize(
    "value",
    [{"a": [1, {"b": None}]}, [1, "two"], "text", "[1]", "", 1.5, True],
    ids=["object", "array", "string", "string of json", "empty", "number", "boolean"],
)
def test_json_columns_give_back_what_they_were_given(person: Callable[[], Any], value: Any) -> None:
    table = person().client.table("moments")
    given = {"title": "t", "grouping_type": "trip", "grouping_criteria": value}
    (row,) = table.insert(given).execute().data
    assert row["grouping_criteria"] == value
    (row,) = table.update({"grouping_criteria": value}).eq("id", row["id"]).execute().data
    assert row["grouping_criteria"] == value


def test_json_column_may_be_null(person: Callable[[], Any]) -> None:
    table = person().client.table("assets")
    (row,) = table.insert({"media_type": "note", "ai_model_versions": {"a": 1}}).execute().data
    (row,) = table.update({"ai_model_versions": None}).eq("id", row["id"]).execute().data
    assert row["ai_model_versions"] is None


def test_text_arrays_and_timestamps_keep_their_shape(person: Callable[[], Any]) -> None:
    given = {
        "media_type": "note",
        "ai_processed_operations": ["faces", 'with "quotes", and commas'],
        "taken_at": "2024-02-29T12:00:00.123456+02:00",
    }
    (row,) = person().client.table("assets").insert(given).execute().data
    assert row["ai_processed_operations"] == given["ai_processed_operations"]
    assert row["taken_at"] == "2024-02-29T10:00:00.123456+00:00"


def test_rows_of_others_are_neither_seen_nor_changed(person: Callable[[], Any]) -> None:
    mine, theirs = person(), person()
    (row,) = mine.client.table("albums").insert({"title": "private"}).execute().data
    other = theirs.client.table("albums")
    assert other.select("*").eq("id", row["id"]).execute().data == []
    assert other.update({"title": "mine now"}).eq("id", row["id"]).execute().data == []
    assert other.delete().eq("id", row["id"]).execute().data == []
    with pytest.raises(APIError) as caught:
        other.insert({"title": "forged", "user_id": mine.user_id}).execute()
    assert caught.value.code == "42501"


def test_the_publishable_key_alone_sees_nothing(person: Callable[[], Any], bare: Any) -> None:
    person().client.table("albums").insert({"title": "private"}).execute()
    answer = bare("GET", "/rest/v1/albums")
    assert answer.json() == [] if answer.status_code == 200 else answer.json()["code"] == "42501"


def test_a_broken_rule_has_the_code_of_postgres(person: Callable[[], Any]) -> None:
    table = person().client.table("albums")
    (row,) = table.insert({"title": "once"}).execute().data
    with pytest.raises(APIError) as caught:
        table.insert({"id": row["id"], "title": "twice"}).execute()
    assert caught.value.code == "23505"
    with pytest.raises(APIError) as caught:
        table.insert({"title": None}).execute()
    assert caught.value.code == "23502"


def test_what_is_not_there_has_the_code_of_postgrest(service: Client) -> None:
    with pytest.raises(APIError) as caught:
        service.rpc("no_such_function", {"p": 1}).execute()
    assert caught.value.code == "PGRST202"
    with pytest.raises(APIError) as caught:
        service.table("no_such_table").select("*").execute()
    assert caught.value.code == "PGRST205"


def test_a_function_answers_json(service: Client) -> None:
    answer = service.rpc(
        "claim_jobs",
        {
            "p_worker": "contract",
            "p_kinds": ["no_such_kind"],
            "p_limit": 1,
            "p_lease_seconds": 5,
            "p_claim_id": str(uuid.uuid4()),
        },
    ).execute()
    assert answer.data == {"jobs": [], "next_due_seconds": None, "rescued": 0}


def test_a_function_takes_and_answers_lists(service: Client) -> None:
    assert service.rpc("settle_jobs", {"p_worker": "contract", "p_settlements": []}).execute().data == []
    forged = {
        "table": "image_processing_jobs",
        "id": str(uuid.uuid4()),
        "epoch": 1,
        "outcome": {"kind": "released"},
        "writes": [],
        "run": {},
    }
    answer = service.rpc("settle_jobs", {"p_worker": "contract", "p_settlements": [forged]}).execute()
    assert [(row["id"], row["answer"]) for row in answer.data] == [(forged["id"], "lost")]


def test_a_function_knows_who_calls(person: Callable[[], Any], project: Any, bare: Any) -> None:
    someone = person()
    someone.client.table("assets").insert({"path": someone.path("a.jpg"), "media_type": "photo"}).execute()
    own = someone.client.rpc("job_stats", {}).execute().data
    assert sum(row["count"] for row in own) >= 1
    assert person().client.rpc("job_stats", {}).execute().data == []
    refused = bare("POST", "/rest/v1/rpc/job_stats", json={})
    assert refused.status_code in (401, 403, 404)


def test_an_expired_or_forged_token_is_refused(project: Any, bare: Any) -> None:
    expired = project.token("authenticated", str(uuid.uuid4()), seconds=-60)
    for token in (expired, "garbage", expired[:-8] + "AAAAAAAA"):
        answer: httpx.Response = bare("GET", "/rest/v1/albums", token=token)
        assert answer.status_code == 401, answer.text
    wrong = bare("GET", "/rest/v1/albums", headers={"apikey": "sb_publishable_wrong"})
    assert wrong.status_code == 401


def test_the_worker_role_calls_its_verbs_and_reads_no_table(project: Any, bare: Any) -> None:
    token = project.token("kizu_worker", str(uuid.uuid4()))
    released = bare("POST", "/rest/v1/rpc/release_jobs", token=token, json={"p_worker": "contract"})
    assert released.status_code == 200, released.text
    assert released.json() == 0
    assert bare("GET", "/rest/v1/assets", token=token).status_code in (401, 403)


def test_a_token_selects_no_role_it_was_not_granted(project: Any, bare: Any) -> None:
    answer = bare("GET", "/rest/v1/assets", token=project.token("postgres", str(uuid.uuid4())))
    assert answer.status_code in (400, 401, 403)
