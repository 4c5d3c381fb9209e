from __future__ import annotations

import re
from typing import Literal

import pytest

from models.catalog.florence2.variants import select
from models.settings import ModelSettings


@pytest.mark.parametrize("size", ["base", "large"])
def test_each_size_has_its_version_and_pinned_files(size: Literal["base", "large"]) -> None:
    variant = select(ModelSettings(_env_file=None, caption_model=size))
    assert variant.version == f"florence-2-{size}"
    assert (variant.licence.name, variant.licence.use) == ("MIT", "free")
    for file in variant.files:
        assert file.url
        assert re.search(rf"/Florence-2-{size}/resolve/[0-9a-f]{{40}}/", file.url)
        assert file.path.startswith(f"florence2/{size}/")
        assert not file.pickled
    weights = next(file for file in variant.files if file.path.endswith("model.safetensors"))
    assert weights.sha256
    assert weights.size


def test_digests_of_the_base_size_are_not_taken_for_the_large_ones() -> None:
    base, large = (
        {file.sha256 for file in select(ModelSettings(_env_file=None, caption_model=size)).files}
        for size in ("base", "large")
    )
    assert None not in base
    assert base & large == set()


def test_the_tiny_profile_is_another_version_that_comes_from_nowhere() -> None:
    variant = select(ModelSettings(_env_file=None, model_profile="tiny", caption_model="large"))
    assert variant.version == "florence-2-tiny"
    assert {file.url for file in variant.files} == {None}
    assert "tiny/florence2/model.safetensors" in [file.path for file in variant.files]
