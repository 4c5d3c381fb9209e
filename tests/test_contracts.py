"""A folder's name is a contract: what breaks it is found, also in a file that nobody told the linter of."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the linter reads."""
    tree = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", tree)
    for package in ("models", "worker"):
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tree


def broken_by(tree: Path, name: str, source: str) -> str:
    """What the linter says while `source` is added to a file, or is a new one."""
    path = tree / name
    before = path.read_text() if path.exists() else None
    path.parent.mkdir(exist_ok=True)
    path.write_text((before or "") + source)
    try:
        lint = Path(sys.executable).parent / "lint-imports"
        run = subprocess.run([lint, "--no-cache", "--no-logo"], cwd=tree, capture_output=True, text=True)
    finally:
        if before is None:
            path.unlink()
            if path.parent != tree and not any(path.parent.iterdir()):
                path.parent.rmdir()
        else:
            path.write_text(before)
    assert run.returncode in (0, 1), run.stderr
    return "" if run.returncode == 0 else run.stdout


def test_tree_keeps_its_contracts(tree: Path) -> None:
    assert broken_by(tree, "worker/core/new.py", "") == ""


@pytest.mark.parametrize("package", ["models", "worker"])
def test_every_folder_of_code_is_a_package(package: str) -> None:
    """Python imports a folder without an `__init__.py`, but the linter passes over all that is in it."""
    folders = {path.parent for path in (ROOT / package).rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize(
    ("name", "source", "contract"),
    [
        ("worker/core/daemon.py", "import httpx\n", "worker.core is not allowed to import httpx"),
        (
            "worker/core/job.py",
            "import models.serving.registry\n",
            "worker.core is not allowed to import models",
        ),
        ("worker/core/new.py", "import supabase\n", "worker.core is not allowed to import supabase"),
        (
            "worker/core/new.py",
            "import worker.settings\n",
            "worker.core is not allowed to import worker.settings",
        ),
        (
            "worker/files/new.py",
            "import worker.context\n",
            "worker.files is not allowed to import worker.context",
        ),
        (
            "worker/handlers/new.py",
            "import worker.handlers.image_ai\n",
            "handlers know nothing of each other",
        ),
        (
            "worker/operations/new.py",
            "import worker.operations.ocr\n",
            "operations know nothing of each other",
        ),
        ("models/pictures/new.py", "import torch\n", "models.pictures is not allowed to import torch"),
        ("models/machine/new.py", "import worker.core.job\n", "models is not allowed to import worker"),
        (
            "models/catalog/new.py",
            "import models.catalog.yolov8\n",
            "catalog files know nothing of each other",
        ),
        (
            "models/backends/new.py",
            "import models.catalog.yolov8\n",
            "models.backends is not allowed to import",
        ),
        ("worker/new.py", "", "must be declared as a layer"),
        ("worker/new/__init__.py", "", "must be declared as a layer"),
        ("models/new.py", "", "must be declared as a layer"),
        ("models/new/__init__.py", "", "must be declared as a layer"),
    ],
)
def test_what_breaks_a_contract_is_found(tree: Path, name: str, source: str, contract: str) -> None:
    said = " ".join(broken_by(tree, name, source).split())
    assert said, f"{name} with {source!r} breaks nothing"
    assert contract.lower() in said.lower()
