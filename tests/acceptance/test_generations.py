"""The model of a library is changed by commands, with tiny models of two kinds: 384 numbers, then 512."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from psycopg.types.json import Jsonb

from tests.acceptance.library import Library, drain, personal, service
from tests.generations import forget_generations
from tests.paths import ROOT
from worker.cli import kizu
from worker.core.errors import GenerationAnswers, GenerationIncomplete, NotFound, PermissionDenied
from worker.generations import Generations
from worker.library import changing
from worker.project.connection import Connection
from worker.settings import Settings

pytestmark = [pytest.mark.stack, pytest.mark.slow]

OLD, NEW = "conse-tiny", "openclip-tiny"
PHOTOS = 24
OTHER = {"EMBED_MODEL": "open_clip"}
"""The settings that mean the new model."""

Kizu = Callable[..., Result]


@pytest.fixture(autouse=True)
def _nothing_before(db: psycopg.Connection[Any]) -> None:
    """Back-fill is of everybody's photos."""
    db.execute("delete from public.assets")
    forget_generations(db)


@pytest.fixture
def models(tiny_models: Path) -> dict[str, Any]:
    return {
        "model_profile": "tiny",
        "embed_model": "conse",
        "model_cache_dir": tiny_models,
        "model_downloads": False,
    }


@pytest.fixture
def run(library: Library, models: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Kizu:
    """`kizu models generations` with the project's secret key, a worker's settings and those named."""

    def run(*arguments: str, command: str = "models generations", **more: str) -> Result:
        environment = {
            "SUPABASE_URL": library.stack.url,
            "SUPABASE_SECRET_KEY": library.stack.secret_key,
            **{name.upper(): str(value) for name, value in models.items()},
            **more,
        }
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            return CliRunner().invoke(kizu, [*command.split(), *arguments])

    return run


def told(result: Result) -> Any:
    """The JSON that a successful command printed, and nothing beside it."""
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def states(run: Kizu) -> dict[str, str]:
    return {row["model_version"]: row["state"] for row in told(run("list", "--json"))["generations"]}


def searched(library: Library, worker: Settings, run: Kizu) -> Any:
    """What a search for ten photos of a dog answers, once a worker has understood it."""
    words = ("a", "dog", "--limit", "10", "--user", library.user_id, "--json")
    told(run(*words, "--wait", "0", command="search"))
    asyncio.run(drain(worker, within=180))
    return told(run(*words, command="search"))


def add_photos(library: Library, count: int) -> list[str]:
    """Photos unlike each other, each with a description and a job for its vector alone."""
    random = Random(count)
    assets = []
    for number in range(count):
        picture = Image.frombytes("RGB", (8, 8), random.randbytes(192)).resize((256, 256))
        file = io.BytesIO()
        picture.save(file, "JPEG")
        assets.append(library.add(file.getvalue()))
        library.db.execute(
            "insert into image_descriptions (user_id, asset_id, description, model_version)"
            " values (%s, %s, %s, 'by hand')",
            [library.user_id, assets[-1], f"photo {number} of a {'dog' if number % 2 else 'cat'}"],
        )
    library.db.execute("delete from jobs where asset_id = any (%s::uuid[])", [assets])
    library.db.execute(
        "select enqueue_job('image_ai', id, %s) from unnest(%s::uuid[]) as id",
        [Jsonb({"operations": ["embedding"]}), assets],
    )
    return assets


def test_a_library_changes_its_model_and_goes_back(
    library: Library, models: dict[str, Any], run: Kizu
) -> None:
    worker = service(library.stack, lanes={"ai": 4, "interactive": 1}, **models)
    assert "none yet" in run("list").stdout
    add_photos(library, PHOTOS)
    asyncio.run(drain(worker, within=180))
    assert states(run) == {OLD: "active"}

    begun = told(run("create", "pictures", "--json", **OTHER))
    number = begun["generation"]["id"]
    assert begun["generation"]["model_version"] == NEW
    assert (begun["generation"]["state"], begun["generation"]["dimension"]) == ("filling", 512)
    assert (begun["enqueued"], begun["photos"], begun["missing"]) == (PHOTOS, PHOTOS, PHOTOS)
    again = told(run("create", "pictures", "--json", **OTHER))
    assert (again["generation"]["id"], again["enqueued"]) == (number, 0)
    early = run("flip", NEW)
    assert isinstance(early.exception, GenerationIncomplete)
    assert f"{PHOTOS} photos" in str(early.exception)
    listed = run("list", **OTHER).stdout
    assert f"{NEW}" in listed
    assert "the library's vectors are made by conse-tiny" in listed

    add_photos(library, 1)  # a new upload is written to both, though the settings name one model
    asyncio.run(drain(worker, within=180))
    filled = told(run("create", "pictures", "--wait", "--json", **OTHER))
    assert (filled["photos"], filled["missing"], filled["missed"]) == (PHOTOS + 1, 0, {})

    compared = told(run("compare", "--json"))
    assert compared["kind"] == "pictures"
    assert (compared["compared"], compared["captions"]) == (PHOTOS + 1, PHOTOS)
    assert 0 <= compared["overlap"] <= 1
    for side, version in (("one", OLD), ("other", NEW)):
        assert compared[side]["version"] == version
        assert 0 <= compared[side]["first"] <= compared[side]["among"] <= 1
        assert -1 < compared[side]["cutoff"] < 1
    rows = {row["model_version"]: row for row in told(run("list", "--json"))["generations"]}
    assert rows[NEW]["cutoff"] == pytest.approx(compared["other"]["cutoff"])
    kept = library.db.execute("select comparison from generations order by id").fetchall()
    assert [row[0]["meaning"] for row in kept] == [compared["meaning"]] * 2

    flipped = told(run("flip", str(number), "--json"))
    assert (flipped["active"]["model_version"], flipped["former"]["model_version"]) == (NEW, OLD)
    assert "answers already" in run("flip", NEW).stdout
    search = searched(library, worker, run)
    assert (search["version"], search["left_out"], len(search["results"])) == (NEW, [], 10)
    assert isinstance(run("drop", NEW, "--yes").exception, GenerationAnswers)

    assert told(run("rollback", "pictures", "--json"))["active"]["model_version"] == OLD
    would = told(run("drop", NEW, "--json"))
    assert (would["known"], would["dry_run"]) == (PHOTOS + 1, True)
    assert states(run)[NEW] == "former"
    dropped = told(run("drop", str(number), "--yes", "--json"))
    assert dropped["deleted"] >= PHOTOS + 1
    assert states(run) == {OLD: "active"}
    left = library.db.execute("select model_version, count(*) from image_embeddings group by 1").fetchall()
    assert left == [(OLD, PHOTOS + 1)]
    assert isinstance(run("drop", str(number), "--yes").exception, NotFound)
    assert isinstance(run("rollback", "pictures").exception, NotFound)


@pytest.fixture(scope="session")
def towers(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Path:
    """A MODEL_CACHE_DIR with OpenCLIP models of two more lengths."""
    cache = tmp_path_factory.mktemp("towers")
    (cache / "tiny").symlink_to(tiny_models / "tiny")
    write = (
        "import sys; from pathlib import Path; from models.machine import torch_cpu;"
        " torch_cpu.make_torchvision_importable(); from scripts.test_models.openclip import make_tiny;"
        " make_tiny(Path(sys.argv[1]), int(sys.argv[2]))"
    )
    for dimension in (768, 1152):
        folder = cache / "towers" / f"clip-{dimension}"
        folder.mkdir(parents=True)
        command = [sys.executable, "-c", write, folder, str(dimension)]
        subprocess.run(command, cwd=ROOT, check=True, timeout=120)
    return cache


def test_a_library_goes_through_models_of_any_length(library: Library, towers: Path, run: Kizu) -> None:
    """From 512 numbers to 768 and 1,152; each answers with its own index and finds every photo."""
    models = {
        "model_profile": "best",
        "embed_model": "open_clip",
        "model_cache_dir": str(towers),
        "model_backend": "torch",  # which writes no graphs first
    }
    worker = service(
        library.stack, lanes={"ai": 4, "interactive": 1}, clip_pretrained="tiny/openclip", **models
    )
    photos = add_photos(library, 6)
    asyncio.run(drain(worker, within=180))
    for dimension in (768, 1152):
        wish = {name.upper(): value for name, value in models.items()}
        wish["CLIP_PRETRAINED"] = f"towers/clip-{dimension}"
        begun = told(run("create", "pictures", "--json", **wish))
        assert begun["generation"]["dimension"] == dimension
        asyncio.run(drain(worker, within=180))
        told(run("flip", begun["generation"]["model_version"], "--json", **wish))
        library.db.execute("select set_config('kizu.test_exact', '-1', false)")
        for photo in photos:
            [(found, similarity)] = library.db.execute(
                "select found.asset_id::text, similarity from image_embeddings as own,"
                " lateral search_image_embeddings(own.embedding, 1, -1) as found"
                " where own.asset_id = %s and own.model_version = kizu.answering('pictures')",
                [photo],
            )
            assert (found, similarity) == (photo, pytest.approx(1, abs=1e-3))
        search = searched(library, worker, run)
        assert (len(search["results"]), search["version"]) == (6, f"openclip-clip-{dimension}")
    lengths = library.db.execute(
        "select extensions.vector_dims(embedding), count(*) from image_embeddings group by 1 order by 1"
    ).fetchall()
    assert lengths == [(512, 6), (768, 6), (1152, 6)]


def test_what_is_missing_stays_missing_where_no_worker_is(
    library: Library, models: dict[str, Any], run: Kizu, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_photos(library, 2)
    asyncio.run(drain(service(library.stack, lanes={"ai": 4}, **models), within=180))
    monkeypatch.setattr(changing, "wait", partial(changing.wait, look_seconds=0.01, still_seconds=0.5))
    result = run("create", "pictures", "--wait", **OTHER)
    assert result.exit_code == 1
    assert "2 are missing" in result.stdout
    told(run("flip", NEW, "--force", "--json"))
    assert states(run) == {OLD: "former", NEW: "active"}


def test_a_library_without_the_new_model_compares_what_needs_none(
    library: Library, models: dict[str, Any], run: Kizu, tmp_path: Path
) -> None:
    add_photos(library, 3)
    worker = service(library.stack, lanes={"ai": 4}, **models)
    asyncio.run(drain(worker, within=180))
    told(run("create", "pictures", "--json", **OTHER))
    asyncio.run(drain(worker, within=180))
    compared = told(run("compare", "--json", MODEL_CACHE_DIR=str(tmp_path)))
    assert compared["one"]["lacks"].startswith("weights_missing: ")
    assert (compared["one"]["cutoff"], compared["other"]["first"]) == (None, None)
    assert compared["compared"] == 3
    assert "could not be asked: weights_missing" in run("compare", MODEL_CACHE_DIR=str(tmp_path)).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("create", "pictures"),
        ("compare",),
        ("flip", "1"),
        ("rollback", "faces"),
        ("drop", "1", "--yes"),
    ],
)
def test_a_user_is_refused(library: Library, run: Kizu, arguments: tuple[str, ...]) -> None:
    result = run(
        *arguments,
        SUPABASE_PUBLISHABLE_KEY=library.stack.publishable_key,
        KIZU_EMAIL=library.email,
        KIZU_PASSWORD=library.password,
    )
    assert isinstance(result.exception, PermissionDenied)
    assert "SUPABASE_SECRET_KEY" in str(result.exception)


async def test_a_users_worker_leaves_filling_to_the_projects_own(
    library: Library, models: dict[str, Any], run: Kizu
) -> None:
    add_photos(library, 1)
    settings = personal(library, lanes={"ai": 4}, **models)
    await drain(settings, within=180)
    async with Connection(service(library.stack, **models)) as connection:
        generations = Generations(connection.rpc, settings)
        row = await connection.rpc(
            "begin_generation",
            {
                "p_kind": "pictures",
                "p_version": NEW,
                "p_model": {"embed_model": "open_clip", "model_profile": "tiny"},
                "p_dimension": 512,
                "p_new": True,
            },
        )
        assert row["state"] == "filling"
        async with Connection(settings) as own:
            assert await Generations(own.rpc, settings).fill() is False
        jobs = f"select count(*) from jobs where status = 'pending' and user_id = '{library.user_id}'"
        assert library.db.execute(jobs).fetchone() == (0,)
        assert await generations.fill() is False, "one page was enough"
        assert library.db.execute(jobs).fetchone() == (1,)
