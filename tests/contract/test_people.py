"""Naming faces, as an app does with supabase-py and a signed-in user's key."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from postgrest.exceptions import APIError

from tests.generations import forget_generations
from tests.sql.people import HERE, somebody
from worker.local.stack import StackInfo

pytestmark = pytest.mark.stack


@pytest.fixture
def seen(stack: StackInfo, db: psycopg.Connection[Any]) -> Callable[[Any, str], str]:
    """A photo of somebody's that a worker has found this face in; answers the asset's id."""
    forget_generations(db)
    db.execute("select begin_generation('faces', 'm', '{\"name\": \"m\"}', 512, p_new => true)")

    def look(someone: Any, vector: str) -> str:
        row = {"path": someone.path(f"{uuid.uuid4()}.jpg"), "media_type": "document"}
        (asset,) = someone.client.table("assets").insert(row).execute().data
        db.execute(
            "insert into face_embeddings (user_id, asset_id, embedding, bounding_box, model_version)"
            " values (%s, %s, %s, %s, 'm')",
            (someone.user_id, asset["id"], vector, psycopg.types.json.Jsonb(HERE)),
        )
        return str(asset["id"])

    return look


def test_an_app_names_a_face_and_finds_the_person_everywhere(
    person: Callable[[], Any], seen: Callable[[Any, str], str]
) -> None:
    me, stranger = person(), person()
    mine = [seen(me, somebody(1, blur=blur)) for blur in (0.0, 0.3, 0.4)]
    theirs = seen(stranger, somebody(1))
    app = me.client

    def face(asset: str, who: Any = me) -> dict[str, Any]:
        columns = "id, face_id, contact_id, recognised"
        rows = who.client.table("face_embeddings").select(columns).eq("asset_id", asset).execute().data
        return dict(rows[0])

    answer = app.rpc("assign_face", {"p_face_id": face(mine[0])["id"], "p_name": "Ada"}).execute().data
    assert (answer["status"], answer["recognised"], answer["left"]) == ("assigned", 2, 0)
    (contact,) = app.table("contacts").select("id, display_name").execute().data
    assert contact == {"id": answer["contact_id"], "display_name": "Ada"}
    tags = app.table("asset_tags").select("asset_id, tag_value").eq("tag_type", "person").execute().data
    assert {tag["asset_id"] for tag in tags} == set(mine)
    assert face(theirs, stranger)["contact_id"] is None

    answer = (
        app.rpc("assign_face", {"p_face_id": face(mine[1])["face_id"], "p_contact_id": None}).execute().data
    )
    assert (answer["status"], answer["contact_id"]) == ("removed", None)
    assert [face(asset)["contact_id"] for asset in mine] == [contact["id"], None, contact["id"]]

    for wish in (
        {"p_face_id": face(theirs, stranger)["id"], "p_name": "Ada"},
        {"p_face_id": str(uuid.uuid4()), "p_name": "Ada"},
    ):
        with pytest.raises(APIError) as caught:
            app.rpc("assign_face", wish).execute()
        assert (caught.value.code, caught.value.message) == ("PT404", "not_found")
    assert app.rpc("spread_names").execute().data["more"] is False
