"""Real weights that come inside packages, where this machine has fetched them once."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.settings import ModelSettings
from models.spec import AnySpec
from models.weights.store import Weights
from tests.paths import TESTDATA


def packaged(spec: AnySpec) -> dict[str, Path]:
    """The verified files of a model in MODEL_CACHE_DIR; skips the test where they or real photos are not."""
    settings = ModelSettings(_env_file=None, model_downloads=False)
    weights, variant = Weights(settings), spec.select(settings)
    if weights.missing(variant):
        pytest.skip(f"real weights are not there: `kizu models pull {spec.name}` fetches them")
    if not TESTDATA.is_dir():
        pytest.skip("test photos are not there (KIZU_TESTDATA names their folder)")
    return dict(weights.paths(variant))
