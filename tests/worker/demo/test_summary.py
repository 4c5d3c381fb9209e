"""What the demo counts, and what it prints of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from worker.demo.contact_sheet import Photo
from worker.demo.summary import (
    Summary,
    damaged_of,
    failures_of,
    operations_of,
    people_of,
    print_summary,
)
from worker.local.stack import StackInfo


def test_of_several_jobs_about_a_photo_the_last_one_counts() -> None:
    def job(ended: str, **result: dict[str, Any]) -> dict[str, Any]:
        return {"asset_id": "a", "completed_at": ended, "result": {"asset_id": "a", **result}}

    lacking = {"success": False, "error": "weights_missing"}
    jobs = [
        job("2026-11-21T10:00:00Z", faces={"success": True}, description={"success": True}),
        job("2026-11-21T09:00:00Z", faces=lacking, ocr=lacking),
    ]
    assert operations_of(jobs) == {
        "describe": {"done": 1, "missing": 0, "why": None},
        "faces": {"done": 1, "missing": 0, "why": None},
        "ocr": {"done": 0, "missing": 1, "why": "weights_missing"},
    }


def test_each_photo_counts_for_itself_and_the_first_reason_is_told() -> None:
    def job(asset: str, **said: Any) -> dict[str, Any]:
        return {
            "asset_id": asset,
            "completed_at": "2026-11-21T10:00:00Z",
            "result": {"_meta": {}, "faces": said},
        }

    jobs = [
        job("a", success=True),
        job("b", success=False, error="weights_missing"),
        job("c", success=False, error="licence_refused"),
    ]
    assert operations_of(jobs) == {"faces": {"done": 1, "missing": 2, "why": "weights_missing"}}
    assert operations_of([]) == {}


def test_a_person_is_shown_by_the_crop_whose_address_they_have() -> None:
    def person(url: str | None) -> dict[str, Any]:
        return {
            "name": "Ada",
            "photos": 2,
            "cluster_id": "ada",
            "representative": {"thumbnail_url": url},
        }

    address = "http://here/storage/v1/object/authenticated/assets/"
    crop = {"kind": "face_crop", "key": "user/processed/a/face_0.jpg"}
    derived = [{"kind": "web", "key": "user/web.jpg"}, crop]
    everybody = [
        person(address + "user/processed/a/face_0.jpg"),
        person(address + "user/web.jpg"),
        person(None),
        {**person(None), "representative": None},
    ]
    assert [one.crop for one in people_of(everybody, derived)] == [crop]


def test_a_failure_counts_until_a_later_job_has_mended_it() -> None:
    def job(asset: str | None, hour: int, status: str, kind: str = "image_ai") -> dict[str, Any]:
        return {
            "id": f"{asset}{hour}",
            "asset_id": asset,
            "job_type": kind,
            "status": status,
            "error_code": "timeout" if status == "failed" else None,
            "completed_at": f"2026-11-21T{hour}:00:00Z",
        }

    jobs = [
        job("mended", 10, "failed"),
        job("mended", 11, "completed"),
        job("broken", 12, "failed"),
        job("broken", 10, "completed"),
        job("broken", 11, "failed"),
        job("other kind", 10, "failed"),
        job("other kind", 11, "completed", "optimize_image"),
        job(None, 10, "failed"),
    ]
    assert [job["asset_id"] for job in failures_of(jobs)] == ["broken", "other kind", None]


def test_photos_of_which_jobs_failed_are_named() -> None:
    failures: list[dict[str, Any]] = [
        {"asset_id": "2", "error_code": "unreadable"},
        {"asset_id": "1", "error_code": "too_large"},
        {"asset_id": "deleted meanwhile", "error_code": "timeout"},
        {"asset_id": None, "error_code": "timeout"},
    ]
    photos = {"1": Photo(name="", words=""), "2": Photo(name="cut.jpg", words="")}
    assert damaged_of(failures, photos) == {"1": "too_large", "cut.jpg": "unreadable"}


@pytest.mark.parametrize("why", ["weights_missing", "licence_refused"])
def test_what_is_missing_is_printed_with_what_helps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    summary = Summary(
        assets=3,
        jobs={"completed": 5, "failed": 1},
        errors={"[bold]not_an_image\x1b[2J": 1},
        damaged={"[red]cut\x1b[2J.jpg": "[bold]not_an_image\x1b[2J"},
        operations={
            "faces": {"done": 1, "missing": 2, "why": why},
            "ocr": {"done": 3, "missing": 0, "why": None},
        },
        url="http://127.0.0.1:54321",
        thumbnails=3,
        web_versions=2,
        contact_sheet=tmp_path / "index.html",
    )
    info = StackInfo(
        url=summary.url,
        publishable_key="",
        secret_key="",
        jwt_secret="",
        signing_key={},
        database_url="",
        home=tmp_path,
    )
    print_summary(summary, info, 1.5)
    said = capsys.readouterr().out
    assert f"1 photos, 2 missing: {why}" in said
    assert "3 photos\n" in "\n".join(line.rstrip() for line in said.splitlines())
    assert "[bold]not_an_image" in said, "what users wrote is no markup"
    assert "[red]cut" in said
    assert "\x1b[2J" not in said
    assert ("models pull all" in said) is (why == "weights_missing")
