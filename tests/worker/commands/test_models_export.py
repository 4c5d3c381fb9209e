"""`kizu models export`: graphs are made before anybody waits for them."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from models.backends.exports import FOLDER
from models.machine.torch_cpu import make_torchvision_importable
from models.weights.store import Weights
from worker.cli import kizu
from worker.settings import read_settings

pytest.importorskip("torch")
make_torchvision_importable()
pytest.importorskip("open_clip")
pytest.importorskip("ultralytics")
pytest.importorskip("onnxruntime")


@pytest.fixture
def run(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`kizu models …` with the tiny models in a cache of the test's own."""
    (tmp_path / "tiny").symlink_to(tiny_models / "tiny")
    monkeypatch.setenv("MODEL_PROFILE", "tiny")
    monkeypatch.setenv("MODEL_CACHE_DIR", str(tmp_path))
    command = importlib.import_module("worker.commands.models.export")
    monkeypatch.setattr(command, "silence", lambda *_, **__: None)  # the tests have done so

    def run(*arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(kizu, ["models", *arguments], env=environment)

    return run


def test_every_model_that_needs_graphs_has_them_afterwards(
    run: Any, tiny_models: Path, tmp_path: Path
) -> None:
    Weights(read_settings()).trust(tiny_models / "tiny/yolo/yolov8n-tiny.pt")
    result = run("export", "--json")
    assert result.exit_code == 0, result.output
    entries = {entry["name"]: entry for entry in json.loads(result.stdout)}
    assert {"open_clip", "yolov8"} <= set(entries)
    folders = {str(folder) for folder in (tmp_path / FOLDER).iterdir()}
    assert {entry["graphs"] for entry in entries.values()} <= folders
    again = json.loads(run("export", "yolov8", "--json").stdout)
    assert [entry["graphs"] for entry in again] == [entries["yolov8"]["graphs"]]


def test_weights_that_nobody_vouched_for_are_not_exported(run: Any) -> None:
    result = run("export", "yolov8", "--json")
    assert result.exit_code == 1
    [entry] = json.loads(result.stdout)
    assert "kizu models trust" in entry["problem"]
    assert entry["graphs"] is None


def test_missing_weights_say_how_to_get_them(run: Any) -> None:
    result = run("export", "yolov8", MODEL_PROFILE="best", MODEL_DOWNLOADS="true")
    assert result.exit_code == 1
    assert "`kizu models pull yolov8-m` fetches it" in result.output


def test_with_torch_alone_there_is_nothing_to_make(run: Any, tmp_path: Path) -> None:
    assert run("export", "open_clip", MODEL_BACKEND="torch").exit_code == 0
    assert not (tmp_path / FOLDER).exists()
