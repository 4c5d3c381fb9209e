"""What the cosine of two faces means, and that every face model says it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.catalog import discover
from models.catalog.insightface import ARCFACE, EDGEFACE, UNKNOWN
from models.catalog.insightface import SPEC as INSIGHTFACE
from models.people.scale import Scale
from models.settings import ModelSettings
from models.spec import Variant
from models.tasks import FACES


@pytest.mark.parametrize(
    "wrong",
    [
        {"same": 0.0, "maybe": 0.0},
        {"same": 1.0},
        {"maybe": 0.51},
        {"maybe": -1.0},
        {"margin": -0.01},
        {"margin": 1.0},
        {"same": float("nan")},
        {"margin": float("nan")},
        {"false_accepts": -1e-9},
        {"false_accepts": 1.1},
    ],
    ids=str,
)
def test_numbers_out_of_order_are_no_scale(wrong: dict[str, float]) -> None:
    fine: dict[str, Any] = {"same": 0.5, "maybe": 0.3, "margin": 0.1}
    Scale(**fine)
    with pytest.raises(ValueError, match=r"scale of faces|share of pairs"):
        Scale(**{**fine, **wrong})


def test_it_says_what_it_means() -> None:
    said = str(Scale(same=0.5, maybe=0.35, margin=0.1, false_accepts=1e-6))
    assert said == (
        "one person from a cosine of 0.50 on (1 in a million strangers), maybe from 0.35 on, "
        "by 0.10 before the next"
    )
    assert "strangers" not in str(Scale(same=0.5, maybe=0.35, margin=0.1))


@pytest.mark.parametrize("profile", ["auto", "tiny"])
def test_every_face_model_has_one_and_no_other_model(profile: str) -> None:
    settings = ModelSettings(_env_file=None, model_profile=profile)
    for spec in discover():
        assert (spec.select(settings).scale is not None) == (spec.task is FACES), spec.name


def pack(cache: Path, name: str, *files: str) -> Variant:
    folder = cache / "insightface" / "models" / name
    folder.mkdir(parents=True)
    for file in files:
        (folder / file).touch()
    return INSIGHTFACE.select(ModelSettings(_env_file=None, model_cache_dir=cache, face_pack=name))


def test_a_pack_is_measured_as_its_recogniser(tmp_path: Path) -> None:
    released = INSIGHTFACE.select(ModelSettings(_env_file=None, face_pack="buffalo_l"))
    assert released.scale == ARCFACE
    assert pack(tmp_path, "edge", "detector.onnx", "edgeface_xs_512.onnx").scale == EDGEFACE
    own = pack(tmp_path, "own", "detector.onnx", "recogniser.onnx").scale
    assert own == UNKNOWN
    assert own is not None
    assert own.false_accepts is None, "nobody measured it"
