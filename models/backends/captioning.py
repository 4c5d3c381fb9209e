"""Pictures in words by a network of transformers' that writes: one deadline for all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from models.backends.pretrained import load_network, load_processor
from models.backends.ways import Precision, Way, build_first
from models.errors import BadWeights
from models.machine import memory
from models.machine.processor import has_bf16
from models.results import Caption, Level
from models.spec import Device, Loading
from models.tasks import Captioner, CaptionRequest

if TYPE_CHECKING:
    from torch import Tensor

PACKAGES: Final = ("torch", "torchvision", "transformers")
ABOUT: Final = (
    "config.json",
    "generation_config.json",
    "model.safetensors.index.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
"""Files beside the weights, where these come in several."""
TINY: Final = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
"""All files of a model as the library saves it."""
MOST_TOKENS: Final[Mapping[Level, int]] = {"brief": 60, "medium": 120, "detailed": 250}


class Deadline:
    """A stopping criterion: true for every sentence from a moment on."""

    def __init__(self, moment: float) -> None:
        self.passed = False
        self._moment = moment

    def __call__(self, tokens: Tensor, scores: Tensor, **_: Any) -> Tensor:
        import torch

        self.passed = self.passed or time.monotonic() >= self._moment
        return torch.full((tokens.shape[0],), self.passed, dtype=torch.bool, device=tokens.device)


def load_writer(loading: Loading, kind: str, prompt: Callable[[Level], str | None]) -> Captioner:
    """The captioner whose network is of transformers' class `kind`, asked with `prompt`, if there is one.

    Raises:
        BadWeights: the files are damaged, or of another model, or some are missing.
    """
    return build_first(loading, _ways(loading.device), lambda way: _build(loading, way, kind, prompt))


def _build(loading: Loading, way: Way, kind: str, prompt: Callable[[Level], str | None]) -> Writer:
    folder = next(path for path in loading.files.values() if path.name == "config.json").parent
    processor = load_processor(kind, folder)
    network = load_network("AutoModelForImageTextToText", kind, folder, dtype_of(way.precision))
    if not hasattr(processor, "image_processor") or not hasattr(processor, "tokenizer"):
        raise BadWeights(f"{folder} has no processor of pictures and words")
    memory.return_memory()
    return Writer(processor, network.to(loading.device), way, prompt, loading)


def _ways(device: Device) -> tuple[Way, ...]:
    """All run on torch: what writes is too large to be kept a second time as a graph."""
    if device != "cpu":
        return (Way("torch", "fp16"),)
    return (Way("torch", "bf16" if has_bf16() else "fp32"),)


def dtype_of(precision: Precision) -> Any:
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


class Writer(Captioner):
    """Describes pictures one after another by a processor and a network of transformers'."""

    def __init__(
        self,
        processor: Any,
        network: Any,
        way: Way,
        prompt: Callable[[Level], str | None],
        loading: Loading,
    ) -> None:
        self.backend, self.precision = way.backend, way.precision
        self._processor = processor
        self._network = network
        self._prompt = prompt
        self._dtype = dtype_of(way.precision)
        self._beams = loading.settings.caption_beams
        self._seconds = loading.settings.caption_seconds

    def describe(self, requests: Sequence[CaptionRequest]) -> Sequence[Caption]:
        return [self._describe(request) for request in requests]

    def _describe(self, request: CaptionRequest) -> Caption:
        import torch
        from transformers import StoppingCriteriaList

        began = time.monotonic()
        deadline = Deadline(began + self._seconds)
        prompt = self._prompt(request.level)
        words = {} if prompt is None else {"text": prompt}
        inputs = self._processor(images=request.frame.image(), return_tensors="pt", **words)
        with torch.inference_mode():
            tokens = self._network.generate(
                **inputs.to(self._network.device, self._dtype),
                max_new_tokens=MOST_TOKENS[request.level],
                num_beams=self._beams,
                do_sample=False,
                stopping_criteria=StoppingCriteriaList([deadline]),
            )[0]
        asked = inputs["input_ids"].shape[1] if "input_ids" in inputs else 0
        text = self._processor.tokenizer.decode(tokens[asked:], skip_special_tokens=True)
        return Caption(
            text=" ".join(text.split()),
            level=request.level,
            seconds=time.monotonic() - began,
            cut_short=deadline.passed,
        )
