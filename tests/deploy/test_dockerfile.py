"""The Dockerfile, read as instructions: no container engine is needed to hold it to its promises."""

from __future__ import annotations

import fnmatch
import json
import re
import tomllib
from typing import NamedTuple

import click
import pytest

from tests.paths import ROOT
from worker.cli import kizu


class Instruction(NamedTuple):
    name: str
    text: str


@pytest.fixture(scope="module")
def build_and_image() -> tuple[list[Instruction], list[Instruction]]:
    instructions = read_instructions((ROOT / "Dockerfile").read_text())
    stages = [at for at, instruction in enumerate(instructions) if instruction.name == "FROM"]
    assert len(stages) == 2
    return instructions[: stages[1]], instructions[stages[1] :]


@pytest.fixture
def build(build_and_image: tuple[list[Instruction], list[Instruction]]) -> list[Instruction]:
    return build_and_image[0]


@pytest.fixture
def image(build_and_image: tuple[list[Instruction], list[Instruction]]) -> list[Instruction]:
    return build_and_image[1]


def test_both_stages_use_the_oldest_python_we_promise(
    build: list[Instruction], image: list[Instruction]
) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    oldest = project["requires-python"].removeprefix(">=")
    assert {text.split()[0] for text in texts(build + image, "FROM")} == {f"python:{oldest}-slim"}


def test_exact_versions_are_installed_with_the_extra_asked_for(build: list[Instruction]) -> None:
    [install] = [text for text in texts(build, "RUN") if " install " in text]
    assert install.endswith(' -c constraints.txt ".[$EXTRAS]"')
    assert "EXTRAS=cpu" in texts(build, "ARG")


def test_everything_copied_exists_and_is_let_in(build: list[Instruction]) -> None:
    let_in = [
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    sources = [source for text in texts(build, "COPY") for source in text.split()[:-1]]
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, pattern) for pattern in let_in), source
    assert len(let_in) == len(sources), "something is let in that the image does not need"


def test_every_package_of_the_wheel_is_copied(build: list[Instruction]) -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = config["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    copied = {source for text in texts(build, "COPY") for source in text.split()[:-1]}
    assert set(packages) <= copied


def test_image_runs_as_a_numbered_user_that_is_not_root(image: list[Instruction]) -> None:
    assert texts(image, "USER") == ["10001:10001"]
    after_user = image[[one.name for one in image].index("USER") :]
    assert not {"RUN", "COPY", "ADD"} & {one.name for one in after_user}


def test_image_stops_on_the_signal_the_worker_drains_on(image: list[Instruction]) -> None:
    assert texts(image, "STOPSIGNAL") == ["SIGTERM"]


def test_what_the_image_runs_are_commands_of_ours(image: list[Instruction]) -> None:
    [entrypoint] = texts(image, "ENTRYPOINT")
    [command] = texts(image, "CMD")
    [healthcheck] = texts(image, "HEALTHCHECK")
    health = json.loads(healthcheck.partition(" CMD ")[2])
    assert json.loads(entrypoint) == ["kizu"]
    assert health[:-1] == ["kizu"]
    for name in (*json.loads(command), health[-1]):
        assert name in kizu.list_commands(click.Context(kizu))


def test_health_is_asked_with_an_end(image: list[Instruction]) -> None:
    [healthcheck] = texts(image, "HEALTHCHECK")
    options = dict(re.findall(r"--([a-z-]+)=(\d+)", healthcheck))
    assert int(options["timeout"]) < int(options["interval"])


def test_no_secret_is_baked_in(build: list[Instruction], image: list[Instruction]) -> None:
    declared = " ".join(texts(build + image, "ENV") + texts(build + image, "ARG"))
    assert not re.search(r"KEY|TOKEN|PASSWORD|SUPABASE", declared)


def texts(instructions: list[Instruction], name: str) -> list[str]:
    return [instruction.text for instruction in instructions if instruction.name == name]


def read_instructions(dockerfile: str) -> list[Instruction]:
    lines = (line for line in dockerfile.splitlines() if line.strip() and not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines()]
