"""OpenCLIP's architectures and published weights, known without importing it.

Importing it brings torch along, and which model is meant must be known in processes that never run one.
"""

from __future__ import annotations

import difflib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from models.errors import UnknownModel
from models.spec import Licence, WeightFile

_HUB: Final = "https://huggingface.co"
_SAFE: Final = "open_clip_model.safetensors"
_PICKLED: Final = "open_clip_pytorch_model.bin"
_WITH_SAFETENSORS: Final = ("timm/", "laion/")
"""Whose repositories hold both; elsewhere only the second is sure to be there, being OpenCLIP's default."""
_PINNED: Final = (
    WeightFile(
        path=f"openclip/ViT-B-32/laion2b_s34b_b79k/{_SAFE}",
        url=f"{_HUB}/laion/CLIP-ViT-B-32-laion2B-s34B-b79K/resolve/"
        f"1a25a446712ba5ee05982a381eed697ef9b435cf/{_SAFE}",
        sha256="ac4f8c4b88af6d963118cbf40ad93176d092abbedfcb752601ae1866352656e6",
        size=605_143_316,
    ),
    WeightFile(
        path=f"openclip/ViT-B-32/openai/{_SAFE}",
        url=f"{_HUB}/timm/vit_base_patch32_clip_224.openai/resolve/"
        f"a6f597a30f7b82c51704746581f9a4e41421e878/{_SAFE}",
        sha256="e6d1bd7789aa45192b3bf90570a789b478bae1b74ebcce7eddd908e83a2b7c31",
        size=605_143_284,
    ),
)
"""Known by revision and digest, of which other projects have published the same: the default, and the one of
before."""
_TOKENIZER: Final = ("tokenizer.json", "tokenizer_config.json")

_LICENCES: Final[tuple[tuple[str, Licence], ...]] = (
    ("apple/", Licence(name="Apple Machine Learning Research Model License", use="non_commercial")),
    ("visheratin/", Licence(name="CC-BY-NC-4.0", use="non_commercial")),
    ("UCSC-VLAA/", Licence(name="Apache-2.0", use="free")),
    ("timm/MobileCLIP", Licence(name="Apple Machine Learning Research Model License", use="non_commercial")),
    ("timm/ViT-", Licence(name="Apache-2.0", use="free")),  # SigLIP
    ("timm/PE-", Licence(name="Apache-2.0", use="free")),
)
"""Of weights that are not MIT, by where they are published."""
_MIT: Final = Licence(name="MIT", use="free")
_TAG_LICENCES: Final[tuple[tuple[str, Licence], ...]] = (
    ("metaclip", Licence(name="CC-BY-NC-4.0", use="non_commercial")),
    ("dfn", Licence(name="Apple Machine Learning Research Model License", use="non_commercial")),
)

TAGS: Final = Path(__file__).with_name("tags.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Weights that OpenCLIP knows by a tag."""

    file: WeightFile
    licence: Licence


def architecture(model: str) -> Mapping[str, Any]:
    """The library's description: `embed_dim`, `vision_cfg`, `text_cfg`; empty without the library.

    Raises:
        UnknownModel: the library knows none of that name.
    """
    library = _library()
    if library is None:
        return {}
    configs = library / "model_configs"
    file = configs / f"{model}.json"
    if file.parent != configs or not file.is_file():
        known = [path.stem for path in configs.glob("*.json")]
        raise UnknownModel(f"CLIP_MODEL={model} is no architecture of OpenCLIP{_near(model, known)}")
    found: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def published(model: str, tag: str) -> Published | None:
    """The weights that `tag` means for `model`; None where the library is not installed.

    Raises:
        UnknownModel: the library knows no such tag of that model.
    """
    if _library() is None:
        return None
    tags = _table().get(model, {})
    clean = tag.lower().replace("-", "_")  # as the library does
    if clean not in tags:
        raise UnknownModel(
            f"CLIP_PRETRAINED={tag} is neither a tag that OpenCLIP knows for {model} nor a path"
            f"{_near(clean, tags)}"
        )
    repository, _, name = tags[clean].rpartition("/")
    return Published(file=_file(model, clean, repository, name), licence=_licence(repository, clean))


def tokenizer_files(text: Mapping[str, Any], folder: str) -> tuple[WeightFile, ...]:
    """The files a text tower needs besides its weights; most need none, as the library has their words."""
    repository = text.get("hf_tokenizer_name")
    files = (
        [
            WeightFile(path=f"{folder}/tokenizer/{name}", url=f"{_HUB}/{repository}/resolve/main/{name}")
            for name in _TOKENIZER
        ]
        if repository
        else []
    )
    tower = text.get("hf_model_name")
    if tower:
        files.append(
            WeightFile(path=f"{folder}/tower/config.json", url=f"{_HUB}/{tower}/resolve/main/config.json")
        )
    return tuple(files)


def _file(model: str, tag: str, repository: str, name: str) -> WeightFile:
    """The file of published weights; without `name` it is the one that OpenCLIP looks for."""
    folder = f"openclip/{model}/{tag}"
    pinned = next((file for file in _PINNED if file.path == f"{folder}/{_SAFE}"), None)
    if pinned is not None:
        return pinned
    name = name or (_SAFE if repository.startswith(_WITH_SAFETENSORS) else _PICKLED)
    return WeightFile(path=f"{folder}/{name}", url=f"{_HUB}/{repository}/resolve/main/{name}")


def _licence(repository: str, tag: str) -> Licence:
    by_tag = (licence for start, licence in _TAG_LICENCES if tag.startswith(start))
    by_source = (licence for start, licence in _LICENCES if repository.startswith(start))
    return next(by_tag, None) or next(by_source, _MIT)


def _near(name: str, known: Mapping[str, Any] | list[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=5, cutoff=0.4)
    return f"; near it are {', '.join(close)}" if close else ""


def _library() -> Path | None:
    found = importlib.util.find_spec("open_clip")
    return Path(found.origin).parent if found is not None and found.origin else None


@cache
def _table() -> Mapping[str, Mapping[str, str]]:
    """The repository, and perhaps a file in it, by architecture and tag: `scripts/make-openclip-tags`."""
    found: Mapping[str, Mapping[str, str]] = json.loads(TAGS.read_text(encoding="utf-8"))
    return found
