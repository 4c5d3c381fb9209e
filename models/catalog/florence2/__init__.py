"""A picture in words by Florence-2, in transformers' own class for it.

The tower that looks at the picture takes three quarters of the time; what writes is always run by torch.
Which backend runs the tower, fastest first:

| device | |
| --- | --- |
| processor that multiplies bf16 in hardware | torch bf16 |
| other processor | openvino, onnxruntime, torch |
| cuda | torch fp16 |
| mps | torch |

The base size on two cores, seconds of the tower, and of a sentence of 20 words in all. With bf16 in hardware
1.0 and 1.5, in fp32 there 2.5 and 3.5. With AVX2 for the tower: OpenVINO 2.7, ONNX Runtime 3.0, torch 3.0;
for the rest of a sentence 1.1, of which the encoder takes 0.4. Batches gain nothing on a processor. The
authors' three beams take a quarter longer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from models.backends.captioning import Deadline, dtype_of
from models.backends.exports import (
    NotExportable,
    exported,
    release_file,
    require_close,
    to_openvino,
    write_onnx,
)
from models.backends.graphs import GraphRuntime, Session, open_graph
from models.backends.pretrained import load_network, load_processor
from models.backends.ways import Precision, Way, build_first
from models.backends.widening import detach_from_file, widen_while_used
from models.catalog.florence2.variants import select
from models.errors import BadWeights
from models.machine import memory
from models.machine.memory import is_out_of_memory
from models.machine.processor import has_bf16
from models.results import Caption, Level
from models.spec import Device, Loading, ModelSpec
from models.tasks import CAPTION, Captioner, CaptionRequest

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
_GRAPHS: Final = {"onnxruntime": "tower.onnx", "openvino": "tower.xml"}
_LIBRARIES: Final = ("transformers", "torch")
_KIND: Final = "Florence2ForConditionalGeneration"
_LINE: Final = 500


def load(loading: Loading) -> Captioner:
    return build_first(loading, _ways(loading.device), lambda way: _build(loading, way))


def _build(loading: Loading, way: Way) -> Florence2:
    # First the graph: while it is opened it takes twice its size, and the network is not yet there.
    tower = None if way.backend == "torch" else _tower_on_graph(_open_tower(loading, way.backend))
    narrow = loading.device == "cpu" and way.precision == "fp32" and _stored_in_16_bits(_weights(loading))
    processor, network = _reference(loading, "fp16" if narrow else way.precision)
    if tower is not None:
        network.model.vision_tower = tower
    if loading.device == "cpu":
        detach_from_file(network)  # elsewhere all of it is copied
    if narrow:
        widen_while_used(network)
    memory.return_memory()
    return Florence2(
        processor,
        network.to(loading.device),
        way,
        beams=loading.settings.caption_beams,
        seconds=loading.settings.caption_seconds,
    )


def _open_tower(loading: Loading, backend: GraphRuntime) -> Session:
    path = export(loading, backend) / _GRAPHS[backend]
    session = open_graph(path, backend, loading)
    release_file(path.with_suffix(".bin"))
    memory.return_memory()
    return session


def _ways(device: Device) -> tuple[Way, ...]:
    """The ways to run the tower, fastest first."""
    if device != "cpu":
        return (Way("torch", "fp16" if device == "cuda" else "fp32"),)
    graphs = (Way("openvino", "fp32"), Way("onnxruntime", "fp32"))
    return (Way("torch", "bf16"), *graphs) if has_bf16() else (*graphs, Way("torch", "fp32"))


def export(loading: Loading, backend: GraphRuntime) -> Path:
    """The folder of the tower's graph, tried with `backend` if it was made just now.

    Raises:
        BadWeights: the files are not of this model.
        NotExportable: the tower has no graph.
        OSError: the cache folder cannot be written.
    """

    def write(folder: Path) -> None:
        import torch

        processor, network = _reference(loading, "fp32")
        blank = processor.image_processor(images=[Image.new("RGB", (8, 8))], return_tensors="pt")
        noise = torch.randn(blank["pixel_values"].shape, generator=torch.Generator().manual_seed(0))
        tower = network.model.vision_tower
        with torch.inference_mode():
            expected = tower(noise).last_hidden_state.numpy()
        onnx = folder / _GRAPHS["onnxruntime"]
        write_onnx(tower, lambda pixels: tower(pixels).last_hidden_state, noise, onnx, ["seen"], {})
        if backend == "openvino":
            to_openvino(onnx)
        try:
            session = open_graph(folder / _GRAPHS[backend], backend, loading)
        except BadWeights as error:  # what it calls a graph that it cannot run
            raise NotExportable(str(error)) from error
        require_close([expected], session.run(["seen"], {"input": noise.numpy()}))

    try:
        if backend == "openvino":
            return exported(loading, "florence2-openvino", (*_LIBRARIES, "openvino"), write)
        return exported(loading, "florence2", _LIBRARIES, write)
    finally:
        memory.return_memory()


def _tower_on_graph(session: Session) -> Any:
    """The tower's graph in the place of the network's own; it sees one picture at a time."""
    import numpy as np
    import torch
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    class Tower(torch.nn.Module):
        def forward(self, pixels: Tensor, **_: Any) -> BaseModelOutputWithPooling:
            rows = [session.run(["seen"], {"input": one[None]})[0] for one in pixels.numpy()]
            return BaseModelOutputWithPooling(last_hidden_state=torch.from_numpy(np.concatenate(rows)))

    return Tower()


def _reference(loading: Loading, precision: Precision) -> tuple[Any, Any]:
    """The library's own processor and network, on the processor.

    Raises:
        BadWeights: the files are damaged, or of another model, or some are missing.
    """
    folder = _weights(loading).parent
    processor = load_processor(_KIND, folder)
    network = load_network("AutoModelForImageTextToText", _KIND, folder, dtype_of(precision))
    return processor, network


def _weights(loading: Loading) -> Path:
    return next(path for path in loading.files.values() if path.suffix == ".safetensors")


def _stored_in_16_bits(path: Path) -> bool:
    """Whether all numbers of a file are fp16.

    Raises:
        BadWeights: it is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            return all(file.get_slice(name).get_dtype() == "F16" for name in file.keys())  # noqa: SIM118
    except (OSError, RuntimeError, SafetensorError) as error:
        if is_out_of_memory(error):
            raise
        raise BadWeights(f"{path} holds no Florence-2: {error}"[:_LINE]) from error


class Florence2(Captioner):
    """Describes pictures by a processor and a network of transformers'."""

    def __init__(self, processor: Any, network: Any, way: Way, *, beams: int, seconds: float) -> None:
        self.backend, self.precision = way.backend, way.precision
        self._dtype = dtype_of(way.precision)
        self._processor = processor
        self._network = network
        self._beams = beams
        self._seconds = seconds

    def describe(self, requests: Sequence[CaptionRequest]) -> Sequence[Caption]:
        """Requests of one level share a call: prompts of different lengths would pad each other."""
        by_level: dict[Level, list[int]] = {}
        for index, request in enumerate(requests):
            by_level.setdefault(request.level, []).append(index)
        found: dict[int, Caption] = {}
        for indices in by_level.values():
            found.update(zip(indices, self._describe([requests[i] for i in indices]), strict=True))
        return [found[index] for index in range(len(requests))]

    def _describe(self, requests: Sequence[CaptionRequest]) -> list[Caption]:
        began = time.monotonic()
        memory.trim()  # nothing else takes as much, nor as long
        prompt = PROMPTS[requests[0].level]
        deadline = began + self._seconds * len(requests)
        tokens, passed = self.answer(requests, [prompt] * len(requests), deadline=deadline)
        texts = self._processor.batch_decode(tokens, skip_special_tokens=False)
        end = self._network.generation_config.eos_token_id
        seconds = (time.monotonic() - began) / len(requests)
        return [
            Caption(
                text=self._parsed(text, prompt, request),
                level=request.level,
                seconds=seconds,
                # An answer begins with the token that ends it.
                cut_short=passed and end not in row[1:],
            )
            for text, row, request in zip(texts, tokens.tolist(), requests, strict=True)
        ]

    def answer(
        self, requests: Sequence[CaptionRequest], prompts: Sequence[str], *, deadline: float
    ) -> tuple[Tensor, bool]:
        """The tokens of all answers, (N, tokens), and whether the deadline (monotonic) ended them."""
        import torch
        from transformers import StoppingCriteriaList

        inputs = self._processor(
            text=list(prompts), images=[request.frame.image() for request in requests], return_tensors="pt"
        ).to(self._network.device, self._dtype)
        deadlines = Deadline(deadline)
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
        # The library leaves in what fills up the shorter answers of a batch.
        return str(parsed[prompt]).replace(self._processor.tokenizer.pad_token, "").strip()


SPEC = ModelSpec(
    task=CAPTION,
    name="florence2",
    also_called=("base", "large"),
    set_by=("caption_beams", "caption_seconds"),
    profile="best",
    select=select,
    load=load,
    export=export,
)
