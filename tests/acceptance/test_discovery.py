"""One more thing is one file and one migration: a new task, operation and kind of job work everywhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.acceptance.library import jpeg
from tests.paths import ROOT
from worker.local.stack import LocalStack, StackInfo

pytestmark = [pytest.mark.stack, pytest.mark.slow]

ONE_MORE = Path(__file__).parent / "one_more"
"""A model of a new task, an operation that asks it, a handler of a new kind, and the migration for them."""
ADDED = sorted(str(path.relative_to(ONE_MORE)) for path in ONE_MORE.rglob("*") if path.is_file())
MADE = "supabase/functions/_shared/kinds.ts"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout with four more files, and what scripts/make-kinds makes of them."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: which files are ours is unknown")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    tree = tmp_path_factory.mktemp("grown") / "tree"
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    packages = "supabase/local/node_modules"
    if (ROOT / packages).exists():  # else the stack installs them
        shutil.copytree(ROOT / packages, tree / packages, symlinks=True, copy_function=_link)
    for name in ADDED:
        assert not (tree / name).exists()
        shutil.copy(ONE_MORE / name, tree / name)
    run(tree, "-m", "scripts.make_kinds")
    return tree


def _link(source: str, target: str) -> None:
    """The same file twice, which is quicker than 150 MB; a copy where that would cross file systems."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@pytest.fixture(scope="module")
def grown(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    """The embedded Supabase of that tree."""
    stack = LocalStack(tmp_path_factory.mktemp("home"), project=tree / "supabase", fsync=False)
    try:
        yield stack.up()
    finally:
        stack.down()


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """An app of somebody who has signed up, and the commands of their own worker."""

    tree: Path
    http: httpx.Client
    user_id: str
    environment: dict[str, str]

    def add_photo(self, media_type: str = "photo") -> str:
        key = f"{self.user_id}/originals/grey.jpg"
        self.http.post(
            f"/storage/v1/object/assets/{key}",
            content=jpeg(colour="#808080"),
            headers={"content-type": "image/jpeg"},
        ).raise_for_status()
        made = self.http.post(
            "/rest/v1/assets",
            json={"path": key, "media_type": media_type},
            headers={"prefer": "return=representation"},
        )
        return str(made.raise_for_status().json()[0]["id"])

    def enqueue(self, **body: Any) -> httpx.Response:
        return self.http.post("/functions/v1/enqueue", json=body)

    def kizu(self, *words: str) -> str:
        return run(self.tree, "-m", "worker", *words, **self.environment)

    def drain(self) -> None:
        self.kizu("worker", "--drain", "--lanes", "ai=2")

    def jobs(self) -> list[tuple[str, str]]:
        listed = json.loads(self.kizu("jobs", "list", "--json"))
        return [(job["job_type"], job["status"]) for job in listed]


@contextmanager
def signed_up(tree: Path, stack: StackInfo, name: str, home: Path) -> Iterator[App]:
    account = {"email": f"{name}@example.test", "password": "correct horse"}
    with httpx.Client(base_url=stack.url, headers={"apikey": stack.publishable_key}, timeout=30) as http:
        session = http.post("/auth/v1/signup", json=account).raise_for_status().json()
        http.headers["authorization"] = f"Bearer {session['access_token']}"
        yield App(
            tree=tree,
            http=http,
            user_id=session["user"]["id"],
            environment={
                "SUPABASE_URL": stack.url,
                "SUPABASE_PUBLISHABLE_KEY": stack.publishable_key,
                "KIZU_EMAIL": account["email"],
                "KIZU_PASSWORD": account["password"],
                "KIZU_HOME": str(home),
                "MODEL_CACHE_DIR": str(home),
            },
        )


def run(tree: Path, *arguments: str, **variables: str) -> str:
    """What a program of that tree prints."""
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_no_other_file_is_touched(tree: Path) -> None:
    """Every file of the grown tree is the checkout's, but for the four added and the one made of them."""
    apart = ("__pycache__", "node_modules")
    files = [path.relative_to(tree) for path in tree.rglob("*") if path.is_file()]
    differing = {
        str(file)
        for file in files
        if not any(part in apart for part in file.parts)
        and not ((ROOT / file).is_file() and (ROOT / file).read_bytes() == (tree / file).read_bytes())
    }
    assert differing == {*ADDED, MADE}


def test_grown_tree_keeps_every_import_contract(tree: Path) -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    linted = subprocess.run([lint, "--no-cache", "--no-logo"], cwd=tree, capture_output=True, text=True)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_model_of_a_new_task_is_listed_and_checked(tree: Path, tmp_path: Path) -> None:
    variables = {"MODEL_CACHE_DIR": str(tmp_path)}
    listed = json.loads(run(tree, "-m", "worker", "models", "list", "--json", **variables))
    [entry] = [entry for entry in listed["models"] if entry["name"] == "meter"]
    assert (entry["task"], entry["version"], entry["selected"]) == ("brightness", "meter-1", True)
    run(tree, "-m", "worker", "models", "check", "brightness", "--load", **variables)


def test_new_operation_is_enqueued_run_and_found_missing(
    tree: Path, grown: StackInfo, tmp_path: Path
) -> None:
    with signed_up(tree, grown, "ann", tmp_path) as ann, psycopg.connect(grown.database_url) as db:
        db.autocommit = True
        # As a `document` no kind wants it: only the job asked for is there.
        asset = ann.add_photo(media_type="document")
        asked = ann.enqueue(kind="image_ai", asset_id=asset, operations=["brightness"])
        assert asked.is_success, asked.text
        assert ann.enqueue(kind="image_ai", asset_id=asset, operations=["darkness"]).status_code == 400

        ann.drain()
        [(value, version)] = db.execute(
            "select brightness, model_version from image_brightness where user_id = %s", [ann.user_id]
        ).fetchall()
        assert (value, version) == (pytest.approx(0.502, abs=0.01), "meter-1")
        assert db.execute(
            "select fact, version, state from asset_facts where user_id = %s", [ann.user_id]
        ).fetchall() == [("brightness", "meter-1", "done")]
        assert ann.jobs() == [("image_ai", "completed")]

        db.execute("delete from asset_facts where user_id = %s", [ann.user_id])
        db.execute("update assets set media_type = 'photo' where user_id = %s", [ann.user_id])
        said = json.loads(ann.kizu("jobs", "missing", "brightness", "--yes", "--json"))
        assert (said["missing"], said["enqueued"], said["versions"]) == (1, 1, {"brightness": "meter-1"})

        ann.drain()
        assert ann.jobs() == [("image_ai", "completed")] * 2
        said = json.loads(ann.kizu("jobs", "missing", "brightness", "--yes", "--json"))
        assert (said["missing"], said["enqueued"]) == (0, 0)


def test_new_kind_is_enqueued_and_run(tree: Path, grown: StackInfo, tmp_path: Path) -> None:
    with signed_up(tree, grown, "bob", tmp_path) as bob, psycopg.connect(grown.database_url) as db:
        db.autocommit = True
        db.execute(
            "insert into asset_facts (asset_id, user_id, fact, version, state)"
            " values (%s, %s, 'brightness', 'meter-1', 'done')",
            [bob.add_photo(media_type="document"), bob.user_id],
        )
        assert bob.enqueue(kind="sum_brightness", rounding="sideways").status_code == 400
        assert bob.enqueue(kind="sum_brightness", digits=7).status_code == 400
        asked = bob.enqueue(kind="sum_brightness", rounding="up", digits=3)
        assert asked.is_success, asked.text

        bob.drain()
        assert bob.jobs() == [("sum_brightness", "completed")]
        assert db.execute(
            "select photos, rounding, digits from brightness_sums where user_id = %s", [bob.user_id]
        ).fetchall() == [(1, "up", 3)]
