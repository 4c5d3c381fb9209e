from __future__ import annotations

from pathlib import Path

import pytest

from models.settings import ModelSettings


@pytest.fixture
def settings(tmp_path: Path) -> ModelSettings:
    return ModelSettings(
        _env_file=None, model_cache_dir=tmp_path, model_device="cpu", model_batch_delay=0, model_ttl=1000
    )
