"""A picture in a short sentence by BLIP-2 with OPT-2.7b: it was not taught to say more when asked to."""

from __future__ import annotations

from typing import Final

from models.backends.captioning import ABOUT, PACKAGES, TINY, load_writer
from models.settings import ModelSettings
from models.spec import Licence, Loading, ModelSpec, Variant, WeightFile
from models.tasks import CAPTION, Captioner

_KIND: Final = "Blip2ForConditionalGeneration"
_LICENCE: Final = Licence(name="MIT; its OPT under Meta's OPT-175B licence", use="non_commercial")
_SOURCE: Final = (
    "https://huggingface.co/Salesforce/blip2-opt-2.7b/resolve/59a1ef6c1e5117b3f65523d1c6066825bcf315e3"
)
_SHARDS: Final = {
    "model-00001-of-00002.safetensors": (
        "b81228c9ac1b3dee1731ee71d51fe3b2c34f915019c44c25a793b51300ae24fc",
        9_996_328_120,
    ),
    "model-00002-of-00002.safetensors": (
        "536bd73b8f1de7d94f503b23fea2eaa4f7f3ea5f74f8f874fcb21d6df1555a19",
        4_982_879_016,
    ),
}
"""SHA-256 and bytes, which other projects have published alike; in fp32, as they were released."""


def select(settings: ModelSettings) -> Variant:
    if settings.model_profile == "tiny":
        return _variant("tiny", [WeightFile(path=f"tiny/blip2/{name}") for name in TINY], megabytes=50)
    files = [WeightFile(path=f"blip2/opt-2.7b/{name}", url=f"{_SOURCE}/{name}") for name in ABOUT]
    files += [
        WeightFile(path=f"blip2/opt-2.7b/{name}", url=f"{_SOURCE}/{name}", sha256=sha256, size=size)
        for name, (sha256, size) in _SHARDS.items()
    ]
    return _variant("opt-2.7b", files, megabytes=16_000)


def _variant(size: str, files: list[WeightFile], *, megabytes: int) -> Variant:
    return Variant(
        version=f"blip-2-{size}",
        licence=_LICENCE,
        files=tuple(files),
        packages=PACKAGES,
        megabytes=megabytes,
        largest_batch={"cpu": 1, "cuda": 1, "mps": 1},
    )


def load(loading: Loading) -> Captioner:
    return load_writer(loading, _KIND, lambda level: None)


SPEC = ModelSpec(
    task=CAPTION,
    name="blip2",
    set_by=("caption_beams", "caption_seconds"),
    profile="named",
    select=select,
    load=load,
)
