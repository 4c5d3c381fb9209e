"""A picture in words by Florence-2, in transformers' own class for it.

One way to run it on each device: in bf16 on a processor that multiplies bf16 in hardware (a third of the time
of fp32 there), in fp16 on CUDA, in fp32 elsewhere. Batches gain nothing on a processor. With one beam an
answer takes a little less time than with the authors' three, and reads as well to most.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from models.errors import BadWeights
from models.processor import has_bf16
from models.results import Caption, Level
from models.settings import ModelSettings
from models.spec import Device, Licence, Loading, ModelSpec, Variant, WeightFile
from models.tasks import CAPTION, Captioner, CaptionRequest
from models.torch_cpu import make_torchvision_importable

if TYPE_CHECKING:
    from torch import Tensor

PROMPTS: Final[Mapping[Level, str]] = {
    "brief": "<CAPTION>",
    "medium": "<DETAILED_CAPTION>",
    "detailed": "<MORE_DETAILED_CAPTION>",
}
"""Florence-2's own tasks; its processor turns each into the sentence the model was trained on."""
MOST_TOKENS: Final = 150
"""Of an answer: what existing apps allow; the longest descriptions have some 100."""
_MIT: Final = Licence(name="MIT", use="free")
_HUB: Final = "https://huggingface.co/florence-community/Florence-2-{size}/resolve/main/{name}"
"""The released weights, converted for that class; the originals come with code of their own to run."""
_FILES: Final = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
_MEGABYTES: Final = {"base": 1100, "large": 3400}


def select(settings: ModelSettings) -> Variant:
    if settings.kizu_profile == "tiny":
        names = [name for name in _FILES if name != "preprocessor_config.json"]
        files = tuple(WeightFile(path=f"tiny/florence2/{name}") for name in names)
        return _variant("tiny", files, megabytes=50)
    size = settings.caption_model
    files = tuple(
        WeightFile(path=f"florence2/{size}/{name}", url=_HUB.format(size=size, name=name)) for name in _FILES
    )
    return _variant(size, files, megabytes=_MEGABYTES[size])


def _variant(size: str, files: tuple[WeightFile, ...], *, megabytes: int) -> Variant:
    return Variant(
        version=f"florence-2-{size}",
        licence=_MIT,
        files=files,
        packages=("torch", "torchvision", "transformers"),
        megabytes=megabytes,
        largest_batch={"cpu": 1, "cuda": 16, "mps": 4},
    )


def load(loading: Loading) -> Captioner:
    make_torchvision_importable()
    import torch
    import transformers
    from safetensors import SafetensorError

    library: Any = transformers
    library.utils.logging.disable_progress_bar()
    precision = precision_for(loading.device)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    folder = next(iter(loading.files.values())).parent
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice about defaults that we set ourselves
            processor = library.AutoProcessor.from_pretrained(folder, local_files_only=True)
            network = library.AutoModelForImageTextToText.from_pretrained(
                folder, local_files_only=True, dtype=dtype, use_safetensors=True
            )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise BadWeights(f"{folder} holds no Florence-2: {error}"[:500]) from error
    if type(network).__name__ != "Florence2ForConditionalGeneration":
        raise BadWeights(f"{folder} holds a {type(network).__name__}, not Florence-2")
    return Florence2(
        processor,
        network.eval().to(loading.device),
        precision,
        beams=loading.settings.caption_beams,
        seconds=loading.settings.caption_seconds,
    )


def precision_for(device: Device) -> Literal["fp32", "bf16", "fp16"]:
    if device == "cuda":
        return "fp16"
    return "bf16" if device == "cpu" and has_bf16() else "fp32"


class Florence2(Captioner):
    """A processor and a network of transformers'."""

    backend = "torch"

    def __init__(self, processor: Any, network: Any, precision: str, *, beams: int, seconds: float) -> None:
        self.precision = precision
        self._processor = processor
        self._network = network
        self._beams = beams
        self._seconds = seconds

    def describe(self, requests: Sequence[CaptionRequest]) -> Sequence[Caption]:
        began = time.monotonic()
        prompts = [PROMPTS[request.level] for request in requests]
        tokens, cut_short = self.answer(requests, prompts, deadline=began + self._seconds * len(requests))
        texts = self._processor.batch_decode(tokens, skip_special_tokens=False)
        seconds = (time.monotonic() - began) / len(requests)
        return [
            Caption(
                text=self._parsed(text, prompt, request),
                level=request.level,
                seconds=seconds,
                cut_short=cut_short,
            )
            for text, prompt, request in zip(texts, prompts, requests, strict=True)
        ]

    def answer(
        self, requests: Sequence[CaptionRequest], prompts: Sequence[str], *, deadline: float
    ) -> tuple[Tensor, bool]:
        """The tokens of all answers, (N, tokens), and whether the deadline (monotonic) ended them."""
        import torch
        from transformers import StoppingCriteriaList

        inputs = self._processor(
            text=list(prompts), images=[request.frame.image() for request in requests], return_tensors="pt"
        ).to(self._network.device, self._network.dtype)
        deadlines = _Deadline(deadline)
        with torch.inference_mode():
            tokens: Tensor = self._network.generate(
                **inputs,
                max_new_tokens=MOST_TOKENS,
                num_beams=self._beams,
                early_stopping=self._beams > 1,
                do_sample=False,
                stopping_criteria=StoppingCriteriaList([deadlines]),
            )
        return tokens, deadlines.passed

    def _parsed(self, text: str, prompt: str, request: CaptionRequest) -> str:
        size = (request.frame.width, request.frame.height)
        parsed = self._processor.post_process_generation(text, task=prompt, image_size=size)
        return str(parsed[prompt]).strip()


class _Deadline:
    """A stopping criterion: true for every sentence from a moment on."""

    def __init__(self, moment: float) -> None:
        self.passed = False
        self._moment = moment

    def __call__(self, tokens: Tensor, scores: Tensor, **_: Any) -> Tensor:
        import torch

        self.passed = self.passed or time.monotonic() >= self._moment
        return torch.full((tokens.shape[0],), self.passed, dtype=torch.bool, device=tokens.device)


SPEC = ModelSpec(task=CAPTION, name="florence2", select=select, load=load)
