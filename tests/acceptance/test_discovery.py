"""One more thing is one file and one migration: a new task, operation and kind of job work everywhere."""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.acceptance.library import jpeg
from tests.paths import ROOT
from worker.local.stack import LocalStack, StackInfo

pytestmark = [pytest.mark.stack, pytest.mark.slow]

MODEL = '''
"""How bright a picture is, by counting."""

from collections.abc import Sequence

from models.frame import Frame
from models.settings import ModelSettings
from models.spec import Licence, Loading, ModelSpec, Variant
from models.tasks import Model, Task


class Meter(Model):
    backend, precision = "python", "exact"

    def measure(self, frames: Sequence[Frame]) -> Sequence[float]:
        return [round(sum(frame.data) / len(frame.data) / 255, 3) for frame in frames]


BRIGHTNESS: Task[Meter] = Task("brightness", lambda frame: (Meter.measure, frame))


def select(settings: ModelSettings) -> Variant:
    return Variant(version="meter-1", licence=Licence(name="Apache-2.0", use="free"))


def load(loading: Loading) -> Meter:
    return Meter()


SPEC = ModelSpec(task=BRIGHTNESS, name="meter", select=select, load=load)
'''
OPERATION = '''
"""Measures how bright a picture is."""

from models.catalog.meter import BRIGHTNESS, Meter
from worker.context import Context
from worker.core.job import Replace
from worker.operations.operation import Finding, Operation, SharedPicture, provenance


async def measure(picture: SharedPicture, context: Context) -> Finding:
    answer = await context.models.run(BRIGHTNESS, Meter.measure, picture.frame)
    row = {"brightness": answer.value, **provenance(answer.model)}
    return Finding(
        count=1,
        result={"success": True, "brightness": answer.value},
        writes=[Replace(table="image_brightness", rows=[row])],
        model=answer.model,
    )


OPERATION = Operation(name="brightness", long_side=64, run=measure, task=BRIGHTNESS)
'''
HANDLER = '''
"""Sums up how bright a user's photos are."""

from typing import Literal

from pydantic import BaseModel

from worker.context import Context
from worker.core.handler import Handler
from worker.core.job import Done, Replace


class Params(BaseModel):
    """The params of a `sum_brightness` job."""

    rounding: Literal["down", "up"] = "down"


async def sum_up(params: Params, context: Context) -> Done:
    photos = [
        row["asset_id"]
        async for page in context.rows.pages("asset_facts", {"fact": "brightness", "limit": 1})
        for row in page
    ]
    row = {"photos": len(photos), "rounding": params.rounding}
    return Done(result=row, writes=[Replace(table="brightness_sums", rows=[row])])


HANDLER = Handler(
    kind="sum_brightness", version="1", lane="ai", params=Params, run=sum_up, about_asset=False
)
'''
MIGRATION = """
-- How bright photos are: a fact of each, and a sum for their user.
create table public.image_brightness (
  id             uuid primary key default gen_random_uuid(),
  user_id        uuid not null,
  asset_id       uuid not null,
  run_id         uuid references public.runs on delete set null,
  brightness     real not null,
  model_version  text not null,
  weights_digest text,
  foreign key (asset_id, user_id) references public.assets (id, user_id) on delete cascade
);
create table public.brightness_sums (
  id       uuid primary key default gen_random_uuid(),
  user_id  uuid not null references auth.users on delete cascade,
  run_id   uuid references public.runs on delete set null,
  photos   int not null,
  rounding text not null
);
select kizu.let_owners_read('image_brightness');
select kizu.let_owners_read('brightness_sums');
insert into public.result_tables (table_name, mode, owner, columns)
values ('image_brightness', 'replace', 'asset', '{brightness,model_version,weights_digest}'),
       ('brightness_sums', 'replace', 'user', '{photos,rounding}');
insert into public.facts (fact, kind, media, listed_in)
values ('brightness', 'image_ai', '{image}', 'operations');
insert into public.job_kinds (kind, table_name) values ('sum_brightness', 'ai_processing_jobs');
"""
ADDED = {
    "models/catalog/meter.py": MODEL,
    "worker/operations/brightness.py": OPERATION,
    "worker/handlers/sum_brightness.py": HANDLER,
    "supabase/migrations/20991231000000_brightness.sql": MIGRATION,
}
MADE = "supabase/functions/_shared/kinds.ts"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout with four more files, and what scripts/make-kinds makes of them."""
    tree = tmp_path_factory.mktemp("grown") / "tree"
    ours = ("models", "worker", "scripts", "supabase")
    for folder in ours:
        shutil.copytree(
            ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"), symlinks=True
        )
    for name, source in ADDED.items():
        (tree / name).write_text(source.lstrip())
    run(tree, "-m", "scripts.make_kinds")
    return tree


@pytest.fixture(scope="module")
def grown(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    """The embedded Supabase of that tree."""
    stack = LocalStack(tmp_path_factory.mktemp("home"), project=tree / "supabase", fsync=False)
    try:
        yield stack.up()
    finally:
        stack.down()


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
    for folder in ("models", "worker", "scripts", "supabase/functions", "supabase/migrations"):
        compared = filecmp.dircmp(ROOT / folder, tree / folder, ignore=["__pycache__"])
        assert {f"{folder}/{name}" for name in compared.right_only} <= set(ADDED)
        assert _changed(compared) == (["kinds.ts"] if folder == "supabase/functions" else [])


def _changed(compared: filecmp.dircmp[str]) -> list[str]:
    return compared.diff_files + [name for sub in compared.subdirs.values() for name in _changed(sub)]


def test_model_of_a_new_task_is_listed_and_checked(tree: Path, tmp_path: Path) -> None:
    variables = {"MODEL_CACHE_DIR": str(tmp_path)}
    listed = json.loads(run(tree, "-m", "worker", "models", "list", "--json", **variables))
    [entry] = [entry for entry in listed["models"] if entry["name"] == "meter"]
    assert (entry["task"], entry["version"], entry["selected"]) == ("brightness", "meter-1", True)
    run(tree, "-m", "worker", "models", "check", "brightness", "--load", **variables)


def test_operation_and_kind_go_from_the_edge_function_to_their_rows(
    tree: Path, grown: StackInfo, tmp_path: Path
) -> None:
    account = {"email": "ann@example.test", "password": "correct horse"}
    with httpx.Client(base_url=grown.url, headers={"apikey": grown.publishable_key}, timeout=30) as app:
        session = app.post("/auth/v1/signup", json=account).raise_for_status().json()
        app.headers["authorization"] = f"Bearer {session['access_token']}"
        key = f"{session['user']['id']}/originals/grey.jpg"
        photo = jpeg(colour="#808080")
        app.post(f"/storage/v1/object/assets/{key}", content=photo, headers={"content-type": "image/jpeg"})
        row = {"path": key, "media_type": "document"}
        made = app.post("/rest/v1/assets", json=row, headers={"prefer": "return=representation"})
        asset = made.raise_for_status().json()[0]["id"]

        def enqueue(**body: Any) -> httpx.Response:
            return app.post("/functions/v1/enqueue", json=body)

        assert enqueue(kind="image_ai", asset_id=asset, operations=["brightness"]).is_success
        assert enqueue(kind="image_ai", asset_id=asset, operations=["darkness"]).status_code == 400
        assert enqueue(kind="sum_brightness", rounding="sideways").status_code == 400
    project = {
        "SUPABASE_URL": grown.url,
        "SUPABASE_PUBLISHABLE_KEY": grown.publishable_key,
        "KIZU_EMAIL": account["email"],
        "KIZU_PASSWORD": account["password"],
        "MODEL_CACHE_DIR": str(tmp_path),
    }
    run(tree, "-m", "worker", "worker", "--drain", "--lanes", "ai=2", **project)
    with psycopg.connect(grown.database_url, autocommit=True) as db:
        [(value,)] = db.execute("select brightness from image_brightness").fetchall()
        assert value == pytest.approx(0.502, abs=0.01)
        assert db.execute("select fact, version, state from asset_facts").fetchall() == [
            ("brightness", "meter-1", "done")
        ]
        db.execute("delete from asset_facts")
        db.execute("update assets set media_type = 'photo'")

    said = json.loads(
        run(tree, "-m", "worker", "jobs", "missing", "brightness", "--yes", "--json", **project)
    )
    assert (said["missing"], said["enqueued"], said["versions"]) == (1, 1, {"brightness": "meter-1"})
    with httpx.Client(base_url=grown.url, timeout=30) as app:
        app.headers["apikey"] = grown.publishable_key
        app.headers["authorization"] = f"Bearer {session['access_token']}"
        asked = app.post("/functions/v1/enqueue", json={"kind": "sum_brightness", "rounding": "up"})
        assert asked.is_success, asked.text
    run(tree, "-m", "worker", "worker", "--drain", "--lanes", "ai=1", **project)
    listed = json.loads(run(tree, "-m", "worker", "jobs", "list", "--json", **project))
    assert {(job["job_type"], job["status"]) for job in listed} == {
        ("image_ai", "completed"),
        ("sum_brightness", "completed"),
    }
    with psycopg.connect(grown.database_url) as db:
        assert db.execute("select rounding from brightness_sums").fetchall() == [("up",)]
