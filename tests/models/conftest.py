"""What tests of models share: silent libraries, and tiny models made once per machine."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from models.quiet import silence

ROOT = Path(__file__).parents[2]
TINY_MODELS = ROOT / os.environ.get("KIZU_HOME", ".kizu") / "test-models"

silence(TINY_MODELS)


@pytest.fixture(scope="session")
def tiny_models() -> Path:
    """A MODEL_CACHE_DIR for KIZU_PROFILE=tiny; kept from run to run, so leave what is in it alone."""
    for package in ("easyocr", "onnx", "open_clip", "torch", "transformers", "ultralytics"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed: scripts/install")
    made = subprocess.run(
        [sys.executable, "-m", "scripts.test_models", str(TINY_MODELS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return TINY_MODELS
