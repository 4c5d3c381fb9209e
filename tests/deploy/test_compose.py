"""The compose file and the example settings, held against the compose schema and the worker's settings."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import AliasChoices

from tests.paths import ROOT
from worker.core.daemon import SETTLE_SECONDS
from worker.settings import Settings


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return content


@pytest.fixture
def worker(compose: dict[str, Any]) -> dict[str, Any]:
    service: dict[str, Any] = compose["services"]["worker"]
    return service


def test_compose_file_follows_the_compose_specification(compose: dict[str, Any]) -> None:
    package = importlib.util.find_spec("check_jsonschema")
    assert package is not None
    assert package.submodule_search_locations
    [folder] = package.submodule_search_locations
    schema = json.loads((Path(folder) / "builtin_schemas/vendor/compose-spec.json").read_text())
    jsonschema.validate(compose, schema)


def test_every_setting_reaches_the_container_and_nothing_else_does(worker: dict[str, Any]) -> None:
    settings = {variable for variables in variables_of_settings() for variable in variables}
    assert set(worker["environment"]) == settings


def test_only_the_images_own_folder_is_set_for_the_operator(worker: dict[str, Any]) -> None:
    fixed = {name: value for name, value in worker["environment"].items() if value is not None}
    assert fixed == {"KIZU_HOME": "/var/lib/kizu"}


def test_env_file_is_optional(worker: dict[str, Any]) -> None:
    assert worker["env_file"] == [{"path": ".env", "required": False}]


def test_container_may_end_its_jobs_before_it_is_killed(worker: dict[str, Any]) -> None:
    grace = Settings.model_fields["grace_seconds"].default
    stop = float(worker["stop_grace_period"].removesuffix("s"))
    assert stop >= grace + SETTLE_SECONDS + 5


def test_container_has_no_privileges_and_a_read_only_root(worker: dict[str, Any]) -> None:
    assert worker["read_only"] is True
    assert worker["cap_drop"] == ["ALL"]
    assert worker["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "ports", "network_mode", "user", "devices"} & set(worker)


def test_only_its_home_and_tmp_can_be_written(worker: dict[str, Any], compose: dict[str, Any]) -> None:
    assert [mount.split(":")[0] for mount in worker["tmpfs"]] == ["/tmp"]
    [volume] = worker["volumes"]
    name, target = volume.split(":")
    assert name in compose["volumes"]
    assert target == worker["environment"]["KIZU_HOME"]


def test_service_can_be_scaled(worker: dict[str, Any]) -> None:
    """Nothing fixes a name that two containers would share; each is then named after its own host name."""
    assert not {"container_name", "hostname"} & set(worker)
    assert worker["environment"]["WORKER_ID"] is None


def test_example_lists_every_setting_with_its_sentence() -> None:
    blocks = (ROOT / ".env.example").read_text().strip().split("\n\n")[1:]
    listed = {}
    for block in blocks:
        *comment, assignment = block.splitlines()
        name, _, _ = assignment.lstrip("#").partition("=")
        listed[name] = " ".join(line.removeprefix("# ") for line in comment)
    expected = {
        variables[0]: field.description
        for variables, field in zip(variables_of_settings(), Settings.model_fields.values(), strict=True)
    }
    assert listed == expected


def test_example_is_read_without_complaint_once_uncommented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variables in variables_of_settings():
        for variable in variables:
            monkeypatch.delenv(variable, raising=False)
    lines = (ROOT / ".env.example").read_text().splitlines()
    example = tmp_path / ".env"
    example.write_text("\n".join(line.lstrip("#") for line in lines if not line.startswith("# ")))
    from_example = Settings(_env_file=example)
    assert from_example == Settings(_env_file=None)


def variables_of_settings() -> list[list[str]]:
    """Per setting the environment variables that set it, the preferred name first."""
    return [
        [str(choice).upper() for choice in field.validation_alias.choices]
        if isinstance(field.validation_alias, AliasChoices)
        else [name.upper()]
        for name, field in Settings.model_fields.items()
    ]
