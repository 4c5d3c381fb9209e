"""The catalog as a whole: found without anything heavy, each model told apart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from models.catalog import discover, distinct
from models.settings import ModelSettings
from models.spec import AnySpec, ModelSpec, Use, Variant
from models.tasks import OCR
from tests.paths import ROOT

HEAVY = ("torch", "onnxruntime", "ultralytics", "transformers", "cv2", "openvino", "numpy", "insightface")


def spec(name: str) -> AnySpec:
    def never(_: object) -> Any:
        pytest.fail("nobody asked for it")

    return ModelSpec(task=OCR, name=name, select=never, load=never)


def test_finding_and_selecting_models_loads_nothing_heavy() -> None:
    script = f"""
import sys
from models.catalog import discover
from models.settings import ModelSettings
for spec in discover():
    for profile in ("best", "tiny"):
        spec.select(ModelSettings(model_profile=profile))
print(sorted(set(sys.modules) & set({HEAVY!r})))
"""
    told = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert told.stdout == "[]\n", told.stderr


def test_two_models_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="'rapid' for the task 'ocr'"):
        distinct([spec("rapid"), spec("easy"), spec("rapid")])
    assert len(distinct([spec("rapid"), spec("easy")])) == 2


def variants() -> list[tuple[str, Variant]]:
    return [
        (f"{found.task.name}/{found.name}/{profile}", found.select(ModelSettings(model_profile=profile)))
        for found in discover()
        for profile in ("best", "tiny")
    ]


@pytest.mark.parametrize(
    ("name", "variant"), variants(), ids=lambda value: value if type(value) is str else ""
)
def test_variant_says_all_that_is_needed(name: str, variant: Variant) -> None:
    assert variant.version
    assert variant.licence.name
    assert variant.licence.use in get_args(Use)
    assert variant.megabytes > 0
    assert min(variant.largest_batch.values()) >= 1
    for file in variant.files:
        assert not Path(file.path).is_absolute()
        assert ".." not in Path(file.path).parts
        assert not file.path.startswith("tiny/") or name.endswith("/tiny")
        if file.url is not None:
            assert file.url.startswith(("https://", "pypi:", "npm:"))
            # What anybody may publish is told by its digest; and npm's packages come as archives.
            assert file.url.startswith("https://") or (file.sha256 and file.size and file.member)
        if file.sha256 is not None:
            assert len(bytes.fromhex(file.sha256)) == 32
            assert file.sha256 == file.sha256.lower()
        if file.member is not None or file.archive_sha256 is not None:
            assert file.url is not None


def test_every_task_is_one_and_can_be_tried() -> None:
    tasks = {found.task.name: found.task for found in discover()}
    for found in discover():
        assert found.task is tasks[found.task.name]
        assert found.task.trial is not None


def test_versions_tell_models_apart() -> None:
    versions = [variant.version for name, variant in variants() if name.endswith("/best")]
    assert len(set(versions)) == len(versions)
