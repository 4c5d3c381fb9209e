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
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from models.backends.exports import NotExportable, exported, hold_to, let_go, to_openvino, write_onnx
from models.backends.graphs import GraphRuntime, Session, open_graph
from models.backends.ways import Precision, Way, take
from models.backends.widening import take_off_the_file, widen_in_use
from models.errors import BadWeights
from models.machine import memory
from models.machine.memory import is_out_of_memory
from models.machine.processor import has_bf16
from models.machine.torch_cpu import make_torchvision_importable
from models.results import Caption, Level
from models.settings import ModelSettings
from models.spec import Device, Licence, Loading, ModelSpec, Variant, WeightFile
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
_GRAPHS: Final = {"onnxruntime": "tower.onnx", "openvino": "tower.xml"}
_LIBRARIES: Final = ("transformers", "torch")
_LINE: Final = 500
_TINY: Final = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
_MEGABYTES: Final = {"base": 900, "large": 3400}


def select(settings: ModelSettings) -> Variant:
    if settings.kizu_profile == "tiny":
        files = tuple(WeightFile(path=f"tiny/florence2/{name}") for name in _TINY)
        return _variant("tiny", files, megabytes=50)
    size = settings.caption_model
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
        packages=("torch", "torchvision", "transformers"),
        megabytes=megabytes,
        largest_batch={"cpu": 1, "cuda": 16, "mps": 4},
    )


def load(loading: Loading) -> Captioner:
    return take(loading, _ways(loading.device), lambda way: _build(loading, way))


def _build(loading: Loading, way: Way) -> Florence2:
    # First the graph: while it is opened it takes twice its size, and the network is not yet there.
    tower = None if way.backend == "torch" else _tower_on_graph(_open_tower(loading, way.backend))
    narrow = loading.device == "cpu" and way.precision == "fp32" and _stored_in_16_bits(_weights(loading))
    processor, network = _reference(loading, "fp16" if narrow else way.precision)
    if tower is not None:
        network.model.vision_tower = tower
    if loading.device == "cpu":
        take_off_the_file(network)  # elsewhere all of it is copied
    if narrow:
        widen_in_use(network)
    memory.give_back()
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
    let_go(path.with_suffix(".bin"))
    memory.give_back()
    return session


def _ways(device: Device) -> tuple[Way, ...]:
    """Fastest first."""
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
        hold_to([expected], session.run(["seen"], {"input": noise.numpy()}))

    try:
        if backend == "openvino":
            return exported(loading, "florence2-openvino", (*_LIBRARIES, "openvino"), write)
        return exported(loading, "florence2", _LIBRARIES, write)
    finally:
        memory.give_back()


def _tower_on_graph(session: Session) -> Any:
    """In the place of the network's own; it sees one picture at a time."""
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
    make_torchvision_importable()
    import transformers
    from safetensors import SafetensorError

    library: Any = transformers
    library.utils.logging.disable_progress_bar()
    folder = _weights(loading).parent
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice about defaults that we set ourselves
            processor = library.AutoProcessor.from_pretrained(folder, local_files_only=True)
            network, report = library.AutoModelForImageTextToText.from_pretrained(
                folder,
                local_files_only=True,
                dtype=_dtype(precision),
                use_safetensors=True,
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        if is_out_of_memory(error):
            raise
        raise BadWeights(f"{folder} holds no Florence-2: {error}"[:_LINE]) from error
    if type(network).__name__ != "Florence2ForConditionalGeneration":
        raise BadWeights(f"{folder} holds a {type(network).__name__}, not Florence-2")
    # What a file lacks the library makes up at random, and goes on.
    lacking = sorted(map(str, (*report["missing_keys"], *report["mismatched_keys"])))
    if lacking:
        raise BadWeights(f"{folder} lacks {len(lacking)} weights of Florence-2, such as {lacking[0]}"[:_LINE])
    return processor, network.eval()


def _weights(loading: Loading) -> Path:
    return next(path for path in loading.files.values() if path.suffix == ".safetensors")


def _stored_in_16_bits(path: Path) -> bool:
    """All numbers of the file are fp16.

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


def _dtype(precision: Precision) -> Any:
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


class Florence2(Captioner):
    """A processor and a network of transformers'."""

    def __init__(self, processor: Any, network: Any, way: Way, *, beams: int, seconds: float) -> None:
        self.backend, self.precision = way.backend, way.precision
        self._dtype = _dtype(way.precision)
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
        # The library leaves in what fills up the shorter answers of a batch.
        return str(parsed[prompt]).replace(self._processor.tokenizer.pad_token, "").strip()


class _Deadline:
    """A stopping criterion: true for every sentence from a moment on."""

    def __init__(self, moment: float) -> None:
        self.passed = False
        self._moment = moment

    def __call__(self, tokens: Tensor, scores: Tensor, **_: Any) -> Tensor:
        import torch

        self.passed = self.passed or time.monotonic() >= self._moment
        return torch.full((tokens.shape[0],), self.passed, dtype=torch.bool, device=tokens.device)


SPEC = ModelSpec(task=CAPTION, name="florence2", select=select, load=load, export=export)
