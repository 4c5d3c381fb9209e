"""A picture in as many words as are asked for, by LLaVA-1.5 with Vicuna-7b: 14 GB of weights, for a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from models.backends.captioning import ABOUT, PACKAGES, TINY, load_writer
from models.results import Level
from models.settings import ModelSettings
from models.spec import Licence, Loading, ModelSpec, Variant, WeightFile
from models.tasks import CAPTION, Captioner

PROMPTS: Final[Mapping[Level, str]] = {
    "brief": "Describe this picture in one short sentence.",
    "medium": "Describe this picture in two or three sentences.",
    "detailed": "Describe this picture in detail, in one paragraph.",
}
_TURN: Final = "USER: <image>\n{} ASSISTANT:"
"""As the model was trained; its makers' chat template writes the same."""
_KIND: Final = "LlavaForConditionalGeneration"
_LICENCE: Final = Licence(
    name="Llama 2 Community License; trained on data under CC-BY-NC-4.0", use="non_commercial"
)
_SOURCE: Final = (
    "https://huggingface.co/llava-hf/llava-1.5-7b-hf/resolve/b234b804b114d9e37bb655e11cbbb5f5e971b7a9"
)
_SHARDS: Final[Mapping[str, str]] = {
    "model-00001-of-00003.safetensors": "c11dbf016ee7d35ee130c19b67e20eb04873996006f424b7bcbd453b6517ee66",
    "model-00002-of-00003.safetensors": "46df6c6e5fad297fe7fbca4963dcf180cb1d0528cabc884d1f603311fed01328",
    "model-00003-of-00003.safetensors": "4f06177c37ca13944e73b57dd6d051767b950dffc12400c700dfa2509c24c697",
}
"""SHA-256, which another project has published."""


def select(settings: ModelSettings) -> Variant:
    if settings.model_profile == "tiny":
        return _variant("tiny", [WeightFile(path=f"tiny/llava/{name}") for name in TINY], megabytes=50)
    files = [
        WeightFile(path=f"llava/1.5-7b/{name}", url=f"{_SOURCE}/{name}", sha256=_SHARDS.get(name))
        for name in (*ABOUT, *_SHARDS)
    ]
    return _variant("1.5-7b", files, megabytes=15_000)


def _variant(size: str, files: list[WeightFile], *, megabytes: int) -> Variant:
    return Variant(
        version=f"llava-{size}",
        licence=_LICENCE,
        files=tuple(files),
        packages=PACKAGES,
        megabytes=megabytes,
        largest_batch={"cpu": 1, "cuda": 1, "mps": 1},
    )


def load(loading: Loading) -> Captioner:
    return load_writer(loading, _KIND, lambda level: _TURN.format(PROMPTS[level]))


SPEC = ModelSpec(
    task=CAPTION,
    name="llava",
    set_by=("caption_beams", "caption_seconds"),
    profile="named",
    select=select,
    load=load,
)
