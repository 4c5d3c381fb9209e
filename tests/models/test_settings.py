from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from models.settings import ModelSettings


def read() -> ModelSettings:
    return ModelSettings(_env_file=None)


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("en", ("en",)),
        ("de,en", ("de", "en")),
        (" de , en ,", ("de", "en")),
        ("", ("en",)),  # set to nothing is not set
    ],
)
def test_lists_are_written_with_commas(
    monkeypatch: pytest.MonkeyPatch, written: str, read_as: tuple[str, ...]
) -> None:
    monkeypatch.setenv("OCR_LANGUAGES", written)
    assert read().ocr_languages == read_as


def test_the_cache_may_be_below_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MODEL_CACHE_DIR", "~/models")
    assert read().model_cache_dir == tmp_path / "models"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MODEL_LICENCES", "free,whatever"),
        ("MODEL_TTL", "inf"),
        ("MODEL_TTL", "-1"),
        ("MODEL_THREADS", "0"),
        ("OBJECT_THRESHOLD", "1"),
        ("CAPTION_SECONDS", "nan"),
    ],
)
def test_values_that_mean_nothing_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.lower()):
        read()


def test_settings_do_not_change_once_they_are_read() -> None:
    with pytest.raises(ValidationError):
        read().model_ttl = 1  # type: ignore[misc]


def test_thresholds_are_the_models_own_unless_they_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (read().object_threshold, read().face_threshold) == (None, None)
    monkeypatch.setenv("OBJECT_THRESHOLD", "0.4")
    assert read().object_threshold == 0.4
