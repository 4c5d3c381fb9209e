"""`kizu` as a person or a program uses it, against a real stack."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from click.testing import CliRunner, Result
from psycopg.types.json import Jsonb

from tests.acceptance.library import Library, drain, jpeg, service
from tests.sql.people import HERE, somebody
from worker.cli import kizu
from worker.core.errors import BadParams, Conflict, NotFound, StartupError
from worker.local.stack import mint_token

pytestmark = pytest.mark.stack

Kizu = Callable[..., Result]


@pytest.fixture
def as_service(library: Library, monkeypatch: pytest.MonkeyPatch) -> Kizu:
    """`kizu` with the project's secret key."""
    return _kizu(monkeypatch, SUPABASE_URL=library.stack.url, SUPABASE_SECRET_KEY=library.stack.secret_key)


@pytest.fixture
def as_user(library: Library, monkeypatch: pytest.MonkeyPatch) -> Kizu:
    """`kizu` with the account of the library's owner."""
    return _kizu(
        monkeypatch,
        SUPABASE_URL=library.stack.url,
        SUPABASE_PUBLISHABLE_KEY=library.stack.publishable_key,
        KIZU_EMAIL=library.email,
        KIZU_PASSWORD=library.password,
    )


def _kizu(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Kizu:
    def run(*arguments: str) -> Result:
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            return CliRunner().invoke(kizu, arguments)

    return run


def told(result: Result) -> Any:
    """The JSON that a successful command printed, and nothing beside it."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


async def _a_done_and_a_failed(library: Library) -> tuple[str, str]:
    done, failed = library.add(jpeg()), library.add(b"this is a letter, not a photo")
    await drain(service(library.stack))
    return done, failed


def test_runs_are_listed_shown_and_rolled_back(library: Library, as_user: Kizu, as_service: Kizu) -> None:
    done, _ = asyncio.run(_a_done_and_a_failed(library))
    listed = told(as_user("runs", "list", "--since", "1h", "--json"))
    assert {run["outcome"] for run in listed} == {"done", "failed"}
    [run] = told(as_user("runs", "list", "--asset", done, "--json"))
    shown = told(as_user("runs", "show", run["id"], "--json"))
    assert (shown["handler"], shown["rows"]) == ("optimize_image", {"derived_assets": 2})
    assert "derived_assets: 2 rows to delete" in as_user("runs", "rollback", run["id"]).output
    assert library.asset(done)["thumbnail"]

    said = told(as_user("runs", "rollback", "--asset", done, "--yes", "--json"))
    assert (said["runs"], said["deleted"]) == (1, {"derived_assets": 2})
    assert library.asset(done)["thumbnail"] is None
    [again] = told(as_service("runs", "list", "--asset", done, "--json"))
    assert again["rolled_back_at"]
    assert told(as_user("storage", "sweep", "--older-than", "0", "--json"))["removed"] == 2

    twice = as_user("runs", "rollback", run["id"], "--yes")
    assert (twice.exit_code, "not_found" in twice.output) == (1, True)
    refused = as_user("runs", "list", "--model", "x" * 201)
    assert isinstance(refused.exception, BadParams)


def test_jobs_are_listed_shown_and_counted(library: Library, as_service: Kizu) -> None:
    done, failed = asyncio.run(_a_done_and_a_failed(library))
    (listed,) = told(as_service("jobs", "list", "--status", "failed", "--json"))
    assert (listed["id"], listed["error_code"]) == (str(library.job(failed)["id"]), "not_an_image")

    shown = told(as_service("jobs", "show", str(library.job(done)["id"]), "--json"))
    assert shown["status"] == "completed"
    assert [event["status"] for event in shown["events"]] == ["completed", "processing"]
    assert [run["outcome"] for run in shown["runs"]] == ["done"]

    stats = told(as_service("jobs", "stats", "--json"))
    counts = {
        (row["kind"], row["status"], row.get("error_code")): row["count"]
        for row in stats
        if row["kind"] == "optimize_image"
    }
    assert counts == {
        ("optimize_image", "completed", None): 1,
        ("optimize_image", "failed", "not_an_image"): 1,
    }
    for arguments in (("list",), ("stats",), ("show", str(library.job(failed)["id"]))):
        text = as_service("jobs", *arguments)
        assert text.exit_code == 0
        assert "not_an_image" in text.stdout


def test_retrying_tells_first_and_acts_when_told(library: Library, as_service: Kizu) -> None:
    _, failed = asyncio.run(_a_done_and_a_failed(library))
    job_id = str(library.job(failed)["id"])
    dry = told(as_service("jobs", "retry", "--code", "not_an_image", "--json"))
    assert (dry["dry_run"], dry["ids"]) == (True, [job_id])
    assert library.job(failed)["status"] == "failed"
    real = told(as_service("jobs", "retry", job_id, "--yes", "--json"))
    assert real["count"] == 1
    assert library.job(failed)["status"] == "pending"
    assert as_service("jobs", "retry").exit_code == 2, "retrying everything must be asked for by name"


def test_a_user_cancels_their_own_job_and_nobody_elses(
    library: Library, join: Callable[[], Library], as_user: Kizu
) -> None:
    other = join()
    mine, theirs = library.add(jpeg()), other.add(jpeg())
    (answer,) = told(as_user("jobs", "cancel", str(library.job(mine)["id"]), "--json"))
    assert answer["status"] == "cancelled"
    refused = as_user("jobs", "cancel", str(other.job(theirs)["id"]), "--json")
    assert [answer["status"] for answer in json.loads(refused.stdout)] == ["not_found"]
    assert refused.exit_code == 1
    assert other.job(theirs)["status"] == "pending"
    assert as_user("jobs", "show", str(other.job(theirs)["id"])).exit_code == 1
    assert {row["id"] for row in told(as_user("jobs", "list", "--json"))}.isdisjoint(
        {str(other.job(theirs)["id"])}
    )


def test_cancelling_a_job_that_is_not_there_is_a_failure_and_stops_the_others(
    library: Library, as_user: Kizu
) -> None:
    job_id = str(library.job(library.add(jpeg()))["id"])
    result = as_user("jobs", "cancel", str(uuid.uuid4()), job_id, "--json")
    assert result.exit_code == 1
    assert [answer["status"] for answer in json.loads(result.stdout)] == ["not_found", "cancelled"]


def test_a_folder_without_pictures_is_a_failure(as_user: Kizu, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a photo")
    result = as_user("ingest", str(tmp_path))
    assert result.exit_code == 1
    assert "left out: 1 file (not_an_image" in result.stdout


def test_a_folder_is_ingested_once(library: Library, as_user: Kizu, tmp_path: Path) -> None:
    (tmp_path / "summer").mkdir()
    for number in range(3):
        (tmp_path / "summer" / f"{number}.jpg").write_bytes(jpeg(colour=("red", "green", "blue")[number]))
    (tmp_path / "copy-of-0.JPG").write_bytes(jpeg(colour="red"))
    (tmp_path / ".hidden.jpg").write_bytes(jpeg(colour="black"))
    (tmp_path / "notes.txt").write_text("not a photo")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "summer" / "0.jpg")

    def ingested() -> dict[str, Any]:
        answer: dict[str, Any] = told(as_user("ingest", str(tmp_path), "--json"))
        left_out = answer.pop("left_out")
        assert (
            {one["code"] for one in left_out}
            == {"hidden", "link", "not_an_image"}
            == set(answer.pop("reasons"))
        )
        assert answer.pop("stopped") is None
        return answer

    first = ingested()
    assert first == {"files": 4, "uploaded": 3, "already_there": 1, "already_queued": 3, "failures": []}
    again = ingested()
    assert again == {"files": 4, "already_there": 4, "already_queued": 3, "failures": []}
    row = library.db.execute("select count(*) from assets where user_id = %s", [library.user_id]).fetchone()
    assert row == (3,)
    assert "4 pictures" in as_user("ingest", str(tmp_path)).stdout


def test_what_photos_lack_is_enqueued_once_and_absent_weights_are_told(
    library: Library, as_user: Kizu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("MODEL_DOWNLOADS", "false")
    asset = library.add(jpeg())
    library.db.execute("delete from ai_processing_jobs where asset_id = %s", [asset])

    would = as_user("jobs", "missing", "hashes", "faces")
    assert would.exit_code == 0
    assert "1 of 1 photos lack something; add --yes" in would.stdout
    assert would.stderr.startswith("faces: insightface-buffalo_l is not on this machine")
    assert "hashes" not in would.stderr
    for enqueued in (1, 0):
        answer = told(as_user("jobs", "missing", "hashes", "faces", "--yes", "--json"))
        assert answer["enqueued"] == enqueued
    monkeypatch.setenv("MODEL_DOWNLOADS", "true")
    assert as_user("jobs", "missing", "faces").stderr == ""


def test_ingesting_needs_a_user(as_service: Kizu, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    result = as_service("ingest", str(tmp_path))
    assert isinstance(result.exception, StartupError)
    assert "KIZU_EMAIL" in str(result.exception)


@pytest.fixture
def as_worker(library: Library, monkeypatch: pytest.MonkeyPatch) -> Kizu:
    """`kizu` with a worker token."""
    return _kizu(
        monkeypatch,
        SUPABASE_URL=library.stack.url,
        SUPABASE_PUBLISHABLE_KEY=library.stack.publishable_key,
        KIZU_WORKER_TOKEN=mint_token(library.stack, role="kizu_worker", ttl=30 * 86400),
    )


@pytest.mark.parametrize("who", ["as_service", "as_worker", "as_user"])
def test_the_doctor_finds_a_healthy_project(who: str, request: pytest.FixtureRequest) -> None:
    findings = told(request.getfixturevalue(who)("doctor", "--json"))
    assert all(set(finding) == {"subject", "state", "text", "lines"} for finding in findings)
    states = {finding["subject"]: finding["state"] for finding in findings}
    everybody = {"settings", "sign-in", "clock", "signature", "queue", "Realtime", "Storage"}
    database = set() if who == "as_user" else {"pgvector", "dead rows"}
    wanted = everybody | database
    assert {subject: states[subject] for subject in wanted} == dict.fromkeys(wanted, "ok")
    assert ("transactions" in states) == (who != "as_user")
    assert not {"SUPABASE_SECRET_KEY", "SUPABASE_PUBLISHABLE_KEY", "KIZU_WORKER_TOKEN"} & set(states)


def test_the_doctor_names_a_token_of_the_shared_secret(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = {"role": "kizu_worker", "exp": int(time.time()) + 30 * 86400}
    legacy = jwt.encode(claims, library.stack.jwt_secret, algorithm="HS256")
    run = _kizu(
        monkeypatch,
        SUPABASE_URL=library.stack.url,
        SUPABASE_PUBLISHABLE_KEY=library.stack.publishable_key,
        KIZU_WORKER_TOKEN=legacy,
    )
    findings = {finding["subject"]: finding for finding in told(run("doctor", "--json"))}
    for subject in ("KIZU_WORKER_TOKEN", "signature"):
        assert findings[subject]["state"] == "warning"
        assert "end of 2026" in findings[subject]["text"]
    assert findings["queue"]["state"] == "ok", "it holds until then"
    assert legacy not in json.dumps(findings)


def test_the_doctor_shows_a_person_one_line_per_model(as_service: Kizu) -> None:
    (models,) = [f for f in told(as_service("doctor", "--json")) if f["subject"] == "models"]
    shown = as_service("doctor").output.splitlines()
    start = next(at for at, line in enumerate(shown) if line.endswith("models:"))
    assert [line.strip() for line in shown[start + 1 : start + 1 + len(models["lines"])]] == models["lines"]
    tasks = [line.partition(":")[0] for line in models["lines"]]
    assert sorted(tasks) == sorted(set(tasks))
    assert set(tasks) >= {"embed", "faces", "objects", "ocr", "caption"}


def test_the_doctor_says_what_is_wrong_with_a_key(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = _kizu(monkeypatch, SUPABASE_URL=library.stack.url, SUPABASE_SECRET_KEY="sb_secret_wrong")
    result = wrong("doctor", "--json")
    assert result.exit_code == 1
    failed = [finding for finding in json.loads(result.stdout) if finding["state"] == "failed"]
    assert "auth_failed" in failed[0]["text"]
    assert "sb_secret_wrong" not in result.output


def test_the_doctor_says_when_no_model_fits_the_settings(
    as_service: Kizu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCR_LANGUAGES", "ru")
    findings = {finding["subject"]: finding for finding in told(as_service("doctor", "--json"))}
    assert findings["models"]["state"] == "warning"
    assert "OCR_LANGUAGES=ru" in findings["models"]["text"]


def test_nobody_is_healthy_who_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    result = _kizu(monkeypatch, SUPABASE_URL="http://127.0.0.1:9")(
        "health", "--worker-id", "nobody", "--json"
    )
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"worker_id": "nobody", "healthy": False}


def add_faces(library: Library, who: int, count: int) -> tuple[str, list[str]]:
    """Somebody in as many photos, as a cluster and its faces."""
    (cluster,) = library.db.execute(
        "insert into face_clusters (user_id) values (%s) returning id", [library.user_id]
    ).fetchall()
    faces = [
        library.db.execute(
            "with photo as (insert into assets (user_id, path, media_type) values"
            " (%(user)s::uuid, concat(%(user)s::uuid, '/', gen_random_uuid()), 'document') returning id)"
            " insert into face_embeddings (user_id, asset_id, embedding, bounding_box, model_version)"
            " select %(user)s::uuid, id, %(vector)s, %(box)s, 'm' from photo returning face_id",
            {"user": library.user_id, "vector": somebody(who, blur=0.1 * number), "box": Jsonb(HERE)},
        ).fetchall()[0][0]
        for number in range(count)
    ]
    library.db.execute("select kizu.move_faces(%s, %s, %s)", [library.user_id, faces, cluster[0]])
    return str(cluster[0]), [str(face) for face in faces]


def test_people_are_named_corrected_and_taken_back(library: Library, as_user: Kizu, as_service: Kizu) -> None:
    library.db.execute("select begin_generation('faces', 'm', '{\"name\": \"m\"}', 512, p_new => true)")
    ada, faces = add_faces(library, 1, 3)
    bob, others = add_faces(library, 2, 2)
    assert [one["cluster_id"] for one in told(as_user("people", "list", "--json"))["people"]] == [ada, bob]
    told(as_user("people", "name", ada[:8], "Ada", "--json"))
    told(as_user("people", "name", bob, "Bob", "--json"))
    assert "name: Ada" in as_user("people", "show", "ada").stdout

    told(as_user("people", "exclude", faces[2], "--person", "Ada", "--json"))
    shown = told(as_user("people", "show", "Ada", "--json"))
    assert {face["face_id"] for face in shown["faces"]} == set(faces[:2])
    assert told(as_user("people", "undo", "--json"))["verdict"] == "is_not"
    user = ("--user", library.user_id)
    assert told(as_service("people", "show", "Ada", *user, "--json"))["person"]["faces"] == 3
    history = as_service("people", "history", "--limit", "2", *user).stdout.splitlines()
    assert [line.split()[2] for line in history[1:3]] == ["undo", "is_not"]
    following = history[3].removeprefix("more with --after ")
    rest = told(as_user("people", "history", "--after", following, "--json"))
    assert [one["verdict"] for one in rest["verdicts"]] == ["name", "name"]

    told(as_user("people", "hide", "Bob", "--json"))
    assert [one["name"] for one in told(as_user("people", "list", "--hidden", "--json"))["people"]] == ["Bob"]
    assert told(as_user("people", "merge", "Ada", "Bob", "--json"))["moved"] == 2
    assert told(as_user("people", "split", "Ada", *others, "--name", "Eve", "--json"))["moved"] == 2
    assert told(as_user("people", "questions", "--json")) == {"questions": []}
    assert told(as_user("people", "cluster", "--json"))["status"] == "enqueued"
    assert told(as_user("people", "sync", "--json"))["summary"]["tags"] == 0
    assert told(as_user("people", "clear", "--yes", "--json")) == {"verdict_ids": [], "faces": 0}

    for words, error in (
        (("show", str(uuid.uuid4())), NotFound),
        (("undo", "999999999"), NotFound),
        (("split", "Ada", *others), Conflict),
        (("remove", *[str(uuid.uuid4())] * 1001), BadParams),
    ):
        assert isinstance(as_user("people", *words).exception, error)
    whose = as_service("people", "list")
    assert (whose.exit_code, "give --user" in whose.stderr) == (2, True), "whose, with the project's key"
