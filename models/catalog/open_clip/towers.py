"""OpenCLIP's two towers, run by torch or as exported graphs."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

from models.backends.exports import NotExportable, require_close, write_onnx
from models.backends.graphs import GraphRuntime, Session, open_graph
from models.backends.ways import Precision
from models.catalog.open_clip.preparation import Preparation
from models.errors import BadWeights
from models.machine import memory
from models.spec import Device, Loading

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    Rows: TypeAlias = npt.NDArray[np.float32]
    Tokens: TypeAlias = npt.NDArray[np.int64]

PICTURES: Final = "pictures.onnx"
SENTENCES: Final = "sentences.onnx"
ABOUT: Final = "about.json"
LIBRARIES: Final = ("open_clip_torch", "torch", "timm", "transformers")
"""Whose versions decide what an exported graph looks like."""
_STEP: Final = 8
"""Sentences are cut to a multiple of so many tokens: few lengths, for runtimes that prepare for each."""


class Towers(Protocol):
    """The two networks of a model, whose vectors are not normalised yet."""

    dimension: int
    preparation: Preparation
    shortens: bool
    """A sentence needs no padding behind its end."""

    def pictures(self, pixels: Tensor) -> Rows:
        """Vectors (pictures, dimension) of pixels (pictures, 3, height, width) from `Preparation`."""
        ...

    def sentences(self, tokens: Tokens) -> Rows:
        """Vectors (sentences, dimension) of `tokens` (sentences, length)."""
        ...


class TorchTowers:
    """The two towers run by torch, in the library's own model."""

    def __init__(self, model: Any, device: Device, precision: Precision) -> None:
        import torch

        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
        self._model = model.to(device=device, dtype=dtype)
        self._device, self._dtype = device, dtype
        self.preparation = Preparation.of(model.visual.preprocess_cfg)
        self.shortens = can_shorten(model)
        self._encode_text = shortened(model) if self.shortens else model.encode_text
        side = (self.preparation.height, self.preparation.width)
        self.dimension = self.pictures(torch.zeros(1, 3, *side)).shape[1]

    def pictures(self, pixels: Tensor) -> Rows:
        return self._rows(self._model.encode_image, pixels.to(self._device, self._dtype))

    def sentences(self, tokens: Tokens) -> Rows:
        import torch

        return self._rows(self._encode_text, torch.from_numpy(tokens).to(self._device))

    def _rows(self, encode: Callable[[Tensor], Tensor], inputs: Tensor) -> Rows:
        import torch

        # Unasked, convolutions on CUDA would round to 10 bits.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            rows: Rows = encode(inputs).float().cpu().numpy()
        return rows


class GraphTowers:
    """The two towers as graphs that `write_graphs` wrote. One is opened when first used; few need both."""

    def __init__(self, folder: Path, backend: GraphRuntime, precision: Precision, loading: Loading) -> None:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        self.dimension: int = about["dimension"]
        self.shortens: bool = about["shortens"]
        self.preparation = Preparation.from_json(about["preparation"])
        self._folder, self._backend, self._loading = folder, backend, loading
        self._precision: Literal["fp32", "bf16"] = "bf16" if precision == "bf16" else "fp32"

    def pictures(self, pixels: Tensor) -> Rows:
        return self._pictures.run(None, {"input": pixels.numpy()})[0]

    def sentences(self, tokens: Tokens) -> Rows:
        return self._sentences.run(None, {"input": tokens})[0]

    @cached_property
    def _pictures(self) -> Session:
        return self._open(PICTURES)

    @cached_property
    def _sentences(self) -> Session:
        return self._open(SENTENCES)

    def _open(self, name: str) -> Session:
        try:
            return open_graph(self._folder / name, self._backend, self._loading, self._precision)
        finally:
            memory.return_memory()  # a quarter of a gigabyte of what reading it took


def cut(tokens: Tokens) -> Tokens:
    """Tokens (sentences, length) without most of their padding; the highest token ends a sentence."""
    import numpy as np

    longest = int(tokens.argmax(axis=1).max()) + 1
    return np.ascontiguousarray(tokens[:, : -(-longest // _STEP) * _STEP])


def can_shorten(model: Any) -> bool:
    """Whether padding changes no vector: words see only earlier ones, and the sentence's end is read."""
    import open_clip

    return (
        type(model) is open_clip.CLIP
        and model.text_pool_type == "argmax"
        and model.attn_mask is not None
        and model.positional_embedding.shape[0] == model.context_length
    )


def shortened(model: Any) -> Callable[[Tensor], Tensor]:
    """`model.encode_text` for sentences of any length: the library's takes them padded to 77 tokens.

    What follows the end changes nothing, so the vectors are the same, in less than half the time.
    """
    from open_clip.transformer import text_global_pool
    from torch.nn import Linear

    def encode(tokens: Tensor) -> Tensor:
        length = tokens.shape[1]
        words = model.token_embedding(tokens).to(model.transformer.get_cast_dtype())
        words = words + model.positional_embedding[:length]
        words = model.ln_final(model.transformer(words, attn_mask=model.attn_mask[:length, :length]))
        ends: Tensor = text_global_pool(words, tokens, model.text_pool_type, eos_token_id=model.text_eos_id)
        projection = model.text_projection
        if projection is None:
            return ends
        projected: Tensor = projection(ends) if isinstance(projection, Linear) else ends @ projection
        return projected

    return encode


def write_graphs(model: Any, tokens: Tokens, folder: Path, open_towers: Callable[[Path], Towers]) -> None:
    """Both towers of the library's model in fp32, as ONNX; held to the reference with `tokens` and noise.

    The model is changed, and of no other use afterwards.

    Raises:
        NotExportable: it has no graphs that give the same vectors.
    """
    import torch

    towers = TorchTowers(model, "cpu", "fp32")
    tokens = cut(tokens) if towers.shortens else tokens
    size = (towers.preparation.height, towers.preparation.width)
    noise = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    expected = towers.pictures(noise), towers.sentences(tokens)
    about = {
        "dimension": towers.dimension,
        "shortens": towers.shortens,
        "preparation": towers.preparation.as_json(),
    }
    (folder / ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")
    _loosen_attention(model)
    encode_text = shortened(model) if towers.shortens else model.encode_text
    _write(model, model.encode_image, noise, folder / PICTURES, {0: "pictures"})
    open_sides = {0: "sentences", 1: "length"} if towers.shortens else {0: "sentences"}
    _write(model, encode_text, torch.from_numpy(tokens), folder / SENTENCES, open_sides)
    made = open_towers(folder)
    try:
        found = made.pictures(noise), made.sentences(tokens)
    except BadWeights as error:  # what it calls a graph that it cannot run
        raise NotExportable(str(error)) from error
    require_close(expected, found)


def _write(
    model: Any, encode: Callable[[Tensor], Tensor], example: Tensor, path: Path, open_sides: dict[int, str]
) -> None:
    sides = {"input": open_sides, "vectors": {0: open_sides[0]}}
    write_onnx(model, encode, example, path, ["vectors"], sides)


def _loosen_attention(model: Any) -> None:
    """Replace torch's attention, whose trace has the length of the sentence built in."""
    import torch
    from open_clip.transformer import ResidualAttentionBlock
    from torch.nn import functional

    class Attention(torch.nn.Module):
        def __init__(self, theirs: Any) -> None:
            super().__init__()
            self.theirs = theirs

        def forward(
            self, x: Tensor, _k: Tensor, _v: Tensor, need_weights: bool = False, attn_mask: Any = None
        ) -> tuple[Tensor, None]:
            inputs, length, width = x.shape
            heads = self.theirs.num_heads
            mixed = functional.linear(x, self.theirs.in_proj_weight, self.theirs.in_proj_bias)
            query, key, value = (
                part.view(inputs, length, heads, width // heads).transpose(1, 2)
                for part in mixed.chunk(3, dim=-1)
            )
            seen = functional.scaled_dot_product_attention(query, key, value, attn_mask)
            return self.theirs.out_proj(seen.transpose(1, 2).reshape(inputs, length, width)), None

    for block in model.modules():
        if isinstance(block, ResidualAttentionBlock) and type(block.attn) is torch.nn.MultiheadAttention:
            block.attn = Attention(block.attn)
