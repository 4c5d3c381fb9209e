"""What is known of OpenCLIP's models without importing it; test_open_clip compares it with the library."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from models.catalog.open_clip.tags import TAGS, architecture, published, tokenizer_files
from models.errors import UnknownModel
from models.spec import Use

CONFIG = {"embed_dim": 512, "vision_cfg": {}, "text_cfg": {}}


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a library that knows two architectures."""
    configs = tmp_path / "open_clip" / "model_configs"
    configs.mkdir(parents=True)
    for name in ("ViT-B-32", "ViT-B-16"):
        (configs / f"{name}.json").write_text(json.dumps(CONFIG))
    (tmp_path / "open_clip" / "secret.json").write_text("{}")
    found = SimpleNamespace(origin=str(tmp_path / "open_clip" / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found if name == "open_clip" else None)
    return configs


def test_an_architecture_is_the_librarys_description(library: Path) -> None:
    assert architecture("ViT-B-32") == CONFIG


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("ViT-B-33", "CLIP_MODEL=ViT-B-33 is no architecture of OpenCLIP; near it are ViT-B-"),
        ("zzz", "is no architecture of OpenCLIP$"),
        ("../secret", "no architecture"),
        ("../model_configs/ViT-B-32", "no architecture"),
        ("", "no architecture"),
    ],
)
def test_unknown_architectures_are_refused_with_those_nearby(library: Path, model: str, said: str) -> None:
    with pytest.raises(UnknownModel, match=said):
        architecture(model)


@pytest.mark.parametrize(
    ("model", "tag", "said"),
    [
        ("ViT-B-32", "openia", r"CLIP_PRETRAINED=openia .* for ViT-B-32 nor a path; near it are openai"),
        ("ViT-B-32", "zzz", "nor a path$"),
        ("nobody", "openai", "nor a path$"),
    ],
)
def test_unknown_tags_are_refused_with_those_nearby(library: Path, model: str, tag: str, said: str) -> None:
    with pytest.raises(UnknownModel, match=said):
        published(model, tag)


def test_without_the_library_nothing_is_known_and_nothing_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert architecture("anything") == {}
    assert published("anything", "at all") is None


@pytest.mark.parametrize("tag", ["laion2b_s34b_b79k", "LAION2B-s34b-b79k"])
def test_a_tag_means_a_file_however_the_tag_is_written(library: Path, tag: str) -> None:
    found = published("ViT-B-32", tag)
    assert found is not None
    name = "open_clip_model.safetensors"
    assert found.file.path == f"openclip/ViT-B-32/laion2b_s34b_b79k/{name}"
    source = "https://huggingface.co/laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
    assert found.file.url == f"{source}/resolve/1a25a446712ba5ee05982a381eed697ef9b435cf/{name}"


def test_only_the_defaults_of_now_and_before_are_pinned_by_their_digests(library: Path) -> None:
    tags: dict[str, dict[str, str]] = json.loads(TAGS.read_text())
    known = [(model, tag) for model, sources in tags.items() for tag in sources]
    files = {pair: found.file for pair in known if (found := published(*pair)) is not None}
    assert len(files) == len(known)
    pinned = {pair for pair, file in files.items() if file.sha256}
    assert pinned == {("ViT-B-32", "laion2b_s34b_b79k"), ("ViT-B-32", "openai")}
    assert len({file.path for file in files.values()}) == len(files)


@pytest.mark.parametrize(
    ("model", "tag", "licence", "use"),
    [
        ("ViT-B-32", "openai", "MIT", "free"),
        ("ViT-B-16-SigLIP", "webli", "Apache-2.0", "free"),
        ("PE-Core-S-16-384", "meta", "Apache-2.0", "free"),
        ("ViT-H-14-CLIPA", "datacomp1b", "Apache-2.0", "free"),
        ("ViT-L-14", "metaclip_400m", "CC-BY-NC-4.0", "non_commercial"),
        ("nllb-clip-base", "v1", "CC-BY-NC-4.0", "non_commercial"),
        ("ViT-B-16", "dfn2b", "Apple", "non_commercial"),
        ("MobileCLIP-S1", "datacompdr", "Apple", "non_commercial"),
        ("MobileCLIP2-S0", "dfndr2b", "Apple", "non_commercial"),
    ],
)
def test_licences_follow_who_trained_and_published_the_weights(
    library: Path, model: str, tag: str, licence: str, use: Use
) -> None:
    found = published(model, tag)
    assert found is not None
    assert found.licence.name.startswith(licence)
    assert found.licence.use == use


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ({}, []),
        (
            {"hf_tokenizer_name": "somebody/words"},
            ["mine/tokenizer/tokenizer.json", "mine/tokenizer/tokenizer_config.json"],
        ),
        (
            {"hf_tokenizer_name": "somebody/words", "hf_model_name": "somebody/tower"},
            [
                "mine/tokenizer/tokenizer.json",
                "mine/tokenizer/tokenizer_config.json",
                "mine/tower/config.json",
            ],
        ),
    ],
)
def test_foreign_words_and_towers_are_files_of_their_own(text: dict[str, Any], paths: list[str]) -> None:
    files = tokenizer_files(text, "mine")
    assert [file.path for file in files] == paths
    assert all(str(file.url).startswith("https://huggingface.co/somebody/") for file in files)
