"""The sizes of Florence-2: their files of weights, and where those come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from models.backends.captioning import PACKAGES, TINY
from models.settings import ModelSettings
from models.spec import Licence, Variant, WeightFile

_MIT: Final = Licence(name="MIT", use="free")
_HUB: Final = "https://huggingface.co/florence-community/Florence-2-{size}/resolve/{revision}/{name}"
"""The released weights, converted for that class; the originals come with code of their own to run."""
_REVISIONS: Final[Mapping[str, str]] = {
    "base": "00921df66db728a9ceb750f5eca43e5c203a2051",
    "large": "4271c66b88cdbc05735372ec13b2360108de5317",
}
_FILES: Final[Mapping[str, str]] = {
    "config.json": "2a4dfe9885d183da121f239ada734bd700ee6908b650a7a25ab32eb104fe1d7a",
    "generation_config.json": "0251459c49cc358ac033b5d4b8569e61ac22bde5d76be404b97a44cfb33fb12e",
    "model.safetensors": "62f3e696da74f8869a68ddb529a9b3e14eb25b21c592cb3dea6179bf944df6a0",
    "preprocessor_config.json": "1396ec5a0a7adfe1c04fb777b09e8ba753be6dbb5868212ab3c3ef39d91fe031",
    "processor_config.json": "cd0e3bf41a39b1276503fbd273bc03b9afc70d7a15ea681a92a1b4b77f858ee6",
    "special_tokens_map.json": "72ff172dc769bc1551b1b4211628ce3271643bc60379e4da45d85a9be9332c39",
    "tokenizer.json": "3ad7001f773409abe6bba33eac92662611a73d72f459bda2f00d2a221dd31ce4",
    "tokenizer_config.json": "cb5f80bd9afa767bb1bb798ee5f0a79eae45239b8e72506166b4218175a16723",
}
"""Names, and the SHA-256 of those of the base size, which two other projects have published alike."""
_LARGE_WEIGHTS: Final = "7715423d6549bf1e71188bdd84f4ac960cc0597886af24a5ef7b66f128660685"
_BYTES: Final[Mapping[str, int]] = {"base": 463_178_864, "large": 1_553_541_016}
"""Of the weights; in fp16, as they were released."""
_MEGABYTES: Final = {"base": 900, "large": 3400}


def select(settings: ModelSettings) -> Variant:
    if settings.model_profile == "tiny":
        files = tuple(WeightFile(path=f"tiny/florence2/{name}") for name in TINY)
        return _variant("tiny", files, megabytes=50)
    size = "large" if settings.caption_model == "large" else "base"
    return _variant(size, tuple(_file(size, name) for name in _FILES), megabytes=_MEGABYTES[size])


def _file(size: str, name: str) -> WeightFile:
    weights = name == "model.safetensors"
    sha256 = _FILES[name] if size == "base" else _LARGE_WEIGHTS if weights else None
    return WeightFile(
        path=f"florence2/{size}/{name}",
        url=_HUB.format(size=size, revision=_REVISIONS[size], name=name),
        sha256=sha256,
        size=_BYTES[size] if weights else None,
    )


def _variant(size: str, files: tuple[WeightFile, ...], *, megabytes: int) -> Variant:
    return Variant(
        version=f"florence-2-{size}",
        licence=_MIT,
        files=files,
        packages=PACKAGES,
        megabytes=megabytes,
        largest_batch={"cpu": 1, "cuda": 16, "mps": 4},
    )
