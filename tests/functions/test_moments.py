"""The edge functions `moments`, `moments-api` and `moments-cron`, over HTTP, as apps call them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.functions.app import App

pytestmark = pytest.mark.stack


def told(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error.get("field")


def moment(app: App) -> tuple[str, str]:
    """A moment of one photo, as an app makes it."""
    made = app.insert("moments", grouping_type="event", title="A day out", expires_at="2100-01-01")
    photo = app.add_asset()
    app.insert("moment_assets", moment_id=made, asset_id=photo)
    return made, photo


def test_a_moment_is_seen_saved_and_dismissed(app: App) -> None:
    made, photo = moment(app)
    [listed] = told(app.moments("list", limit=5))["moments"]
    assert (listed["id"], listed["title"], listed["photos"]) == (made, "A day out", 1)
    assert [one["asset_id"] for one in told(app.moments("show", moment_id=made))["photos"]] == [photo]
    assert told(app.moments("view", moment_id=made))["viewed_at"] is not None
    assert told(app.moments("save", moment_id=made))["expires_at"] is None
    assert [one["id"] for one in told(app.moments("list", saved=True))["moments"]] == [made]
    told(app.moments("dismiss", moment_id=made))
    assert told(app.moments("list")) == {"moments": [], "next": None}


def test_moments_are_asked_for_and_settings_kept(app: App) -> None:
    assert told(app.moments("generate"))["status"] == "enqueued"
    assert told(app.moments("generate"))["status"] == "already_queued"
    assert told(app.moments("settings"))["zone"] == "UTC"
    told(app.moments("set", settings={"zone": "Europe/Berlin", "people": False}))
    kept = told(app.moments("settings"))
    assert (kept["zone"], kept["people"], kept["events"]) == ("Europe/Berlin", False, True)


def test_what_is_wrong_or_anothers_is_refused_by_its_code(app: App, join: Callable[[], App]) -> None:
    theirs, _ = moment(join())
    for verb in ("show", "view", "save", "dismiss"):
        assert refused(app.moments(verb, moment_id=theirs)) == (404, "not_found", None)
    assert refused(app.moments("set", settings={"zone": "Berlin"})) == (400, "bad_params", None)
    assert refused(app.moments("list", limit=0)) == (400, "bad_params", "limit")
    assert refused(app.moments("delete")) == (400, "bad_params", "verb")


def test_older_apps_speak_as_they_did(app: App, join: Callable[[], App]) -> None:
    made, photo = moment(app)
    api = app.url("moments-api")

    def get(path: str) -> Any:
        return told(app.http.get(f"{api}{path}", headers=app.headers))

    def post(path: str, body: Any = None) -> Any:
        return told(app.http.post(f"{api}{path}", json=body, headers=app.headers))

    [listed] = get("?action=feed&include_assets=true")["moments"]
    assert (listed["id"], [asset["asset_id"] for asset in listed["assets"]]) == (made, [photo])
    assert get(f"/{made}")["moment"]["title"] == "A day out"
    assert post(f"/{made}/save")["moment"]["is_saved"] is True
    assert post("/settings", {"events": False})["settings"]["events"] is False
    assert get("/settings")["settings"]["events"] is False
    assert post(f"/{made}/dismiss")["success"] is True
    assert get("?action=feed") == {"moments": []}
    cron = f"{app.url('moments-cron')}?action=generate-user"
    asked = told(app.http.post(f"{cron}&user_id={app.user_id}", headers=app.headers))
    assert asked == {"success": True, "job_id": app.select("jobs", "job_type=eq.generate_moments")[0]["id"]}
    other = join().user_id
    assert refused(app.http.post(f"{cron}&user_id={other}", headers=app.headers)) == (404, "not_found", None)
