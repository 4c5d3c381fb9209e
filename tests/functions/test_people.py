"""The edge function `people`, over HTTP, as an app calls it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.functions.app import App
from tests.generations import forget_generations
from tests.sql.people import HERE, somebody

pytestmark = pytest.mark.stack


@pytest.fixture
def seen(db: psycopg.Connection[Any]) -> Callable[..., list[str]]:
    """Faces of somebody's, each in a new photo of an app's user; and their cluster, where they have one."""
    forget_generations(db)
    db.execute("select begin_generation('faces', 'm', '{\"name\": \"m\"}', 512, p_new => true)")

    def look(app: App, who: int = 1, count: int = 1, cluster: str | None = None) -> list[str]:
        faces = [
            db.execute(
                "insert into face_embeddings (user_id, asset_id, embedding, bounding_box, model_version)"
                " values (%s, %s, %s, %s, 'm') returning face_id",
                [app.user_id, asset, somebody(who, blur=0.1 * number), Jsonb(HERE)],
            ).fetchone()[0]  # type: ignore[index]
            for number, asset in enumerate(app.add_assets(count))
        ]
        if cluster:
            db.execute("select kizu.move_faces(%s, %s, %s)", [app.user_id, faces, cluster])
        return [str(face) for face in faces]

    return look


@pytest.fixture
def cluster(db: psycopg.Connection[Any]) -> Callable[[App], str]:
    def make(app: App) -> str:
        (made,) = db.execute(
            "insert into face_clusters (user_id) values (%s) returning id", [app.user_id]
        ).fetchall()
        return str(made[0])

    return make


def refused(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error.get("field")


def told(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_somebody_is_named_corrected_and_taken_back(
    app: App, seen: Callable[..., list[str]], cluster: Callable[[App], str]
) -> None:
    ada, stranger = cluster(app), cluster(app)
    faces, [other], [another] = seen(app, 1, 3, ada), seen(app, 2, 1, stranger), seen(app, 3, 1, stranger)
    listed = told(app.people("list"))["people"]
    assert [(one["cluster_id"], one["name"], one["faces"]) for one in listed] == [
        (ada, None, 3),
        (stranger, None, 2),
    ]

    named = told(app.people("name", cluster_id=ada, name="Ada"))
    shown = told(app.people("show", cluster_id=ada, limit=2))
    assert (shown["person"]["name"], len(shown["faces"])) == ("Ada", 2)
    (left,) = told(app.people("show", cluster_id=ada, limit=2, after=shown["next"]))["faces"]
    assert {face["face_id"] for face in [*shown["faces"], left]} == set(faces)

    told(app.people("assign", face_ids=[other], contact_id=named["contact_id"]))
    assert told(app.people("show", cluster_id=ada))["person"]["faces"] == 4
    told(app.people("exclude", face_ids=[other], cluster_id=ada))
    assert told(app.people("show", cluster_id=ada))["person"]["faces"] == 3
    undone = told(app.people("undo"))
    assert (undone["verdict"], told(app.people("show", cluster_id=ada))["person"]["faces"]) == ("is_not", 4)
    latest = told(app.people("history", limit=2))
    before = told(app.people("history", limit=2, after=latest["next"]))
    said = [one["verdict"] for page in (latest, before) for one in page["verdicts"]]
    assert (said, before["next"]) == (["undo", "is_not", "is", "name"], None)
    told(app.people("hide", cluster_id=stranger, hidden=True))
    assert [one["cluster_id"] for one in told(app.people("list"))["people"]] == [ada]
    assert [one["cluster_id"] for one in told(app.people("list", hidden=True))["people"]] == [stranger]
    assert told(app.people("mark", face_ids=[another], mark="ignored"))["faces"] == 1
    assert told(app.people("mark", face_ids=[another], mark="none"))["faces"] == 1


def test_people_come_together_and_apart(
    app: App, seen: Callable[..., list[str]], cluster: Callable[[App], str]
) -> None:
    one, other = cluster(app), cluster(app)
    faces, more = seen(app, 1, 2, one), seen(app, 2, 2, other)
    assert told(app.people("merge", into=one, others=[other]))["moved"] == 2
    apart = told(app.people("split", cluster_id=one, face_ids=more, name="Bob"))
    assert told(app.people("show", cluster_id=apart["cluster_id"]))["person"]["name"] == "Bob"
    assert told(app.people("lock", cluster_id=one, locked=True))["locked"] is True
    assert told(app.people("remove", face_ids=faces[:1]))["faces"] == 1
    assert told(app.people("answer", face_id=faces[0], other_id=more[0], answer="ignore"))["verdict_id"]
    assert told(app.people("questions")) == {"questions": []}
    assert told(app.people("cluster"))["status"] == "enqueued"
    assert told(app.people("sync"))["assets"] == []
    assert told(app.people("sync", apply=True))["assets"] == []
    assert told(app.people("clear"))["more"] is False


def test_what_cannot_be_is_a_conflict(
    app: App, seen: Callable[..., list[str]], cluster: Callable[[App], str]
) -> None:
    one, other = cluster(app), cluster(app)
    seen(app, 1, 2, one)
    faces = seen(app, 2, 1, other)
    answer = app.people("split", cluster_id=one, face_ids=faces)
    assert refused(answer) == (409, "conflict", None)
    assert "not all of these faces" in answer.json()["error"]["message"]


def test_another_users_people_are_not_there(
    app: App, join: Callable[[], App], seen: Callable[..., list[str]], cluster: Callable[[App], str]
) -> None:
    me = cluster(app)
    mine = seen(app, 1, 2, me)
    stranger = join()
    theirs = cluster(stranger)
    faces = seen(stranger, 1, 2, theirs)
    for answer in (
        app.people("show", cluster_id=theirs),
        app.people("name", cluster_id=theirs, name="Ada"),
        app.people("assign", face_ids=[mine[0], faces[0]], name="Ada"),
        app.people("exclude", face_ids=faces, cluster_id=theirs),
        app.people("remove", face_ids=faces),
        app.people("mark", face_ids=faces, mark="ignored"),
        app.people("merge", into=me, others=[theirs]),
        app.people("merge", into=theirs, others=[me]),
        app.people("split", cluster_id=theirs, face_ids=faces[:1]),
        app.people("hide", cluster_id=theirs, hidden=True),
        app.people("lock", cluster_id=theirs, locked=True),
        app.people("answer", face_id=mine[0], other_id=faces[0], answer="same"),
        app.people("sync", asset_ids=stranger.add_assets(1)),
    ):
        assert refused(answer) == (404, "not_found", None), answer.request.content
    assert [one["cluster_id"] for one in told(app.people("list"))["people"]] == [me]
    assert told(app.people("history"))["verdicts"] == []
    assert refused(app.people("undo")) == (404, "not_found", None)


def test_no_token_is_unauthorized(app: App) -> None:
    answer = app.http.post(app.url("people"), json={"verb": "list"})
    assert refused(answer) == (401, "unauthorized", None)


def test_a_forged_token_is_unauthorized(app: App) -> None:
    header, payload, _ = app.token.split(".")
    answer = app.http.post(
        app.url("people"),
        json={"verb": "list"},
        headers={"authorization": f"Bearer {header}.{payload}.{'A' * 43}"},
    )
    assert refused(answer) == (401, "unauthorized", None)


@pytest.mark.parametrize(
    ("verb", "fields", "field"),
    [
        ("dance", {}, "verb"),
        ("list", {"user": str(uuid.uuid4())}, "user"),
        ("remove", {"face_ids": [str(uuid.uuid4()) for _ in range(1001)]}, "face_ids"),
        ("name", {"cluster_id": "Ada", "name": "Ada"}, "cluster_id"),
    ],
)
def test_wrong_requests_are_named(app: App, verb: str, fields: dict[str, Any], field: str) -> None:
    assert refused(app.people(verb, **fields)) == (400, "bad_params", field)


def test_a_browser_may_ask_first_and_only_post(app: App) -> None:
    assert app.http.options(app.url("people")).status_code in (200, 204)
    assert app.http.get(app.url("people"), headers=app.headers).status_code == 405


def test_tags_that_people_drew_name_faces(app: App, seen: Callable[..., list[str]]) -> None:
    """As existing apps do: preview, then apply what was chosen."""
    contact = app.insert("contacts", display_name="Ada")
    matching, chosen = seen(app, 1, 1), seen(app, 2, 1)
    boxes = {matching[0]: HERE, chosen[0]: {**HERE, "x": HERE["x"] + 0.7 * HERE["width"]}}
    tags = {}
    for face, box in boxes.items():
        (row,) = app.select("face_embeddings", f"face_id=eq.{face}&select=asset_id")
        tag = {"asset_id": row["asset_id"], "tag_type": "person", "tag_value": "Ada", "contact_id": contact}
        tags[face] = app.insert("asset_tags", **tag, bounding_box=box)

    preview = told(app.tag_sync("preview"))
    statuses = {
        match["ai_face_id"]: (match["manual_tag_id"], match["status"])
        for photo in preview["assets"]
        for match in photo["matches"]
    }
    assert statuses == {
        matching[0]: (tags[matching[0]], "matched"),
        chosen[0]: (tags[chosen[0]], "low_confidence"),
    }
    assert told(app.tag_sync("apply"))["linked"] == 0, "it named its face when it was drawn"
    match = {"manual_tag_id": tags[chosen[0]], "ai_face_id": chosen[0]}
    assert told(app.tag_sync("apply", matches=[match])) == {
        "status": "applied",
        "linked": 1,
        "contacts": [contact],
    }
    assert told(app.tag_sync("apply", matches=[match]))["linked"] == 0
    (face,) = app.select("face_embeddings", f"face_id=eq.{chosen[0]}&select=contact_id,recognised")
    assert face == {"contact_id": contact, "recognised": False}
    other = {**match, "ai_face_id": matching[0]}
    assert refused(app.tag_sync("apply", matches=[other])) == (404, "not_found", None)
    assert refused(app.tag_sync("forget")) == (404, "not_found", None)
