"""`kizu models`: what there is, what is missing, and how it comes here."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from models.settings import ModelSettings
from models.spec import AnySpec, Licence, ModelSpec, Variant, WeightFile
from models.tasks import FACES, OCR, Task
from tests.models.weights.shelf import Shelf, serve
from worker.cli import kizu
from worker.commands.models import entry as module

CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FREE = Licence(name="MIT", use="free")
NON_COMMERCIAL = Licence(name="look but do not sell", use="non_commercial")


def spec(task: Task[Any], name: str, *files: WeightFile, licence: Licence = FREE) -> AnySpec:
    variant = Variant(version=f"{name}-1", licence=licence, files=files)
    return ModelSpec(task=task, name=name, select=lambda _: variant, load=lambda _: pytest.fail("loaded"))


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with serve(CONTENT) as shelf:
        yield shelf


@pytest.fixture
def run(tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`kizu models …` with three models: faces to be fetched, and OCR, of which one kind needs nothing."""
    faces = WeightFile(path="faces/model.bin", url=shelf.url, sha256=SHA256, size=len(CONTENT))
    catalog = (
        spec(OCR, "easyocr", WeightFile(path="easy.pth", pickled=True)),
        spec(FACES, "insightface", faces, licence=NON_COMMERCIAL),
        spec(OCR, "rapidocr"),
    )
    monkeypatch.setattr(module, "discover", lambda: catalog)
    monkeypatch.setenv("MODEL_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("OCR_MODEL", "rapidocr")

    def run(*arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(kizu, ["models", *arguments], env=environment)

    return run


def told(result: Result, exit_code: int = 0) -> Any:
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


def test_list_tells_of_every_model(run: Any, tmp_path: Path) -> None:
    answer = told(run("list", "--json"))
    faces, rapid, easy = answer["models"]
    assert [entry["name"] for entry in answer["models"]] == ["insightface", "rapidocr", "easyocr"]
    assert [entry["selected"] for entry in answer["models"]] == [True, True, False]
    assert [entry["weights"] for entry in answer["models"]] == ["missing", "package", "missing"]
    assert (faces["licence"], faces["use"], faces["allowed"]) == (NON_COMMERCIAL.name, "non_commercial", True)
    assert faces["bytes"] == len(CONTENT)
    assert faces["files"] == [str(tmp_path / "faces/model.bin")]
    assert "`kizu models pull insightface-1`" in faces["problem"]
    assert rapid["problem"] == ""
    assert "put it there" in easy["problem"]


def test_list_tells_of_the_machine(run: Any) -> None:
    machine = told(run("list", "--json", MODEL_DEVICE="cpu"))["machine"]
    assert machine["device"] == "cpu"
    assert machine["cores"] >= 1
    if "onnxruntime" in machine["backends"]:
        assert "CPUExecutionProvider" in machine["providers"]
        assert not [name for name in machine["providers"] if name.startswith(("CUDA", "Azure"))]


def test_list_for_people_names_models_and_what_is_wrong(run: Any) -> None:
    said = run("list", MODEL_LICENCES="free")
    assert said.exit_code == 0
    assert "insightface-1" in said.output
    assert "non_commercial, not allowed" in said.output
    assert "MODEL_LICENCES allows free" in said.output


def test_listing_imports_no_torch() -> None:
    script = """
import sys
from click.testing import CliRunner
from worker.cli import kizu
assert CliRunner().invoke(kizu, ["models", "list", "--json"]).exit_code == 0
print(sorted(set(sys.modules) & {"torch", "onnxruntime", "numpy", "ultralytics"}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize("name", ["all", "faces", "insightface", "insightface-1"])
def test_pull_fetches_what_is_missing(run: Any, tmp_path: Path, name: str) -> None:
    entry = told(run("pull", name, "--json"))[0]
    assert (entry["name"], entry["weights"], entry["problem"]) == ("insightface", "present", "")
    assert (tmp_path / "faces/model.bin").read_bytes() == CONTENT


def test_pull_says_to_people_what_is_there_now(run: Any) -> None:
    assert "insightface-1: weights present" in run("pull", "all").output


def test_what_is_there_is_not_fetched_again(run: Any, shelf: Shelf) -> None:
    run("pull", "all")
    assert told(run("pull", "all", "--json"))[0]["weights"] == "present"
    assert len(shelf.asked) == 1


def test_pull_is_for_people_even_where_downloads_are_off(run: Any) -> None:
    assert told(run("pull", "faces", "--json", MODEL_DOWNLOADS="false"))[0]["weights"] == "present"


def test_pull_that_fails_says_why_and_fails(run: Any, shelf: Shelf) -> None:
    shelf.statuses = [404]
    entry = told(run("pull", "faces", "--json"), exit_code=1)[0]
    assert entry["weights"] == "missing"
    assert "answered 404" in entry["problem"]


def test_pull_of_something_else_is_refused(run: Any, shelf: Shelf) -> None:
    shelf.content = b"something else"
    entry = told(run("pull", "faces", "--json"), exit_code=1)[0]
    assert entry["weights"] == "bad"
    assert str(len(CONTENT)) in entry["problem"]


def test_licence_that_is_not_allowed_keeps_weights_away(run: Any, shelf: Shelf) -> None:
    skipped, _ = told(run("pull", "all", "--json", MODEL_LICENCES="free"))
    assert (skipped["weights"], skipped["allowed"]) == ("skipped", False)
    named = told(run("pull", "faces", "--json", MODEL_LICENCES="free"), exit_code=1)[0]
    assert "MODEL_LICENCES allows free" in named["problem"]
    assert shelf.asked == []


@pytest.mark.parametrize("word", ["check", "list"])
def test_a_setting_that_names_no_model_is_wrong_usage(word: str) -> None:
    said = CliRunner().invoke(
        kizu, ["models", word], env={"OBJECTS_MODEL": "yolo99", "MODEL_PROFILE": "best"}
    )
    assert said.exit_code == 2
    assert "OBJECTS_MODEL=yolo99 is none of centernet, d_fine, yolov8" in said.output


def test_unknown_name_is_wrong_usage(run: Any) -> None:
    said = run("pull", "cats")
    assert said.exit_code == 2
    assert "'cats' is no model here; there are easyocr, faces, insightface" in said.output
    assert run("pull").exit_code == 2


def test_check_finds_damage(run: Any, tmp_path: Path) -> None:
    run("pull", "all")
    assert [entry["weights"] for entry in told(run("check", "--json"))] == ["present", "package"]
    (tmp_path / "faces/model.bin").write_bytes(b"damaged")
    entry = told(run("check", "--json"), exit_code=1)[0]
    assert entry["weights"] == "bad"
    assert SHA256 in entry["problem"]
    assert run("check", "ocr").exit_code == 0


def test_trust_makes_an_unknown_pickle_welcome(run: Any, tmp_path: Path) -> None:
    pickle = tmp_path / "easy.pth"
    pickle.write_bytes(CONTENT)
    assert "may run code" in told(run("check", "easyocr", "--json"), exit_code=1)[0]["problem"]
    assert told(run("trust", str(pickle), "--json")) == {"file": str(pickle), "sha256": SHA256}
    assert told(run("check", "easyocr", "--json"))[0]["weights"] == "present"
    assert run("trust", str(tmp_path / "gone")).exit_code == 2


@pytest.mark.parametrize("name", ["/dev/zero", "/proc/self/mem", "pipe"])
def test_trust_of_what_holds_no_weights_is_wrong_usage(run: Any, tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    refused = run("trust", str(tmp_path / name))
    assert refused.exit_code == 2, refused.output
    assert "is no regular file" in refused.output or "cannot be vouched for" in refused.output


def test_settings_that_fit_no_model_are_told(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from models.errors import UnknownModel

    def refuse(_: ModelSettings) -> Variant:
        raise UnknownModel("FACE_PACK=x is no pack")

    faces = next(spec for spec in module.discover() if spec.task is FACES)
    monkeypatch.setattr(module, "discover", lambda: (replace(faces, select=refuse),))
    entry = told(run("list", "--json"))["models"][0]
    assert (entry["version"], entry["problem"]) == (None, "FACE_PACK=x is no pack")
    assert "FACE_PACK=x" in run("list").output


@pytest.mark.slow
def test_every_tiny_model_loads_and_looks_and_asks_nobody(tiny_models: Path, tmp_path: Path) -> None:
    calls, home = tmp_path / "calls", tmp_path / "home"
    home.mkdir()
    watch = ("strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmmsg", "-o", str(calls))
    watched = shutil.which("strace") is not None
    done = subprocess.run(
        [*(watch if watched else ()), sys.executable, "-m", "worker", "models", "check", "--load", "--json"],
        env={
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "MODEL_CACHE_DIR": str(tiny_models),
            "MODEL_PROFILE": "tiny",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    entries = json.loads(done.stdout)
    assert [entry["problem"] for entry in entries] == [""] * len(entries)
    for entry in entries:
        assert f"{entry['version']}: loaded and tried in" in done.stderr
    assert list(home.rglob("*")) == []
    if watched:
        assert [call for call in calls.read_text().splitlines() if "AF_INET" in call] == []
