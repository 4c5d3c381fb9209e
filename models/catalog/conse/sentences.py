"""MiniLM-L6 (all-MiniLM-L6-v2) as a graph: the tokens of sentences to vectors.

A small BERT (Devlin et al. 2018, arXiv 1810.04805), whose last layer is averaged over all tokens. Sentences
of one length are run together, so that there is no padding, and nothing that has to look past it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from models.backends.writing import GraphWriter
from models.errors import BadWeights
from models.weights.archives import BROKEN, open_member

if TYPE_CHECKING:
    import numpy.typing as npt

    Weights: TypeAlias = Mapping[str, npt.NDArray[Any]]

DIMENSION: Final = 384
TOKENS: Final = 256
"""What the model was trained on at most; longer sentences are cut."""
_HEAD: Final = 32
"""Numbers per head of attention."""
_EPSILON: Final = 1e-12
_LARGEST: Final = 1024**3
"""Bytes."""


def read_member(archive: Path, name: str) -> bytes:
    """A file of the archive that holds the model.

    Raises:
        BadWeights: it is not there, or is larger than it could be.
    """
    try:
        with open_member(archive, name) as (size, content):
            if size > _LARGEST:
                raise BadWeights(f"it has {size} bytes, which is too many")
            return content.read()
    except (*BROKEN, BadWeights) as error:
        raise BadWeights(f"{archive.name} holds no {name} that can be read: {error}") from error


def write_sentences(weights: Weights, path: Path) -> None:
    """Write the graph from `tokens` (sentences, length) to `vectors` (sentences, width).

    Raises:
        KeyError: a tensor is missing.
    """
    import numpy as np

    writer = GraphWriter()
    network = _Network(writer, weights)
    x = network.embed("tokens")
    layers = 0
    while f"encoder.layer.{layers}.output.dense.weight" in weights:
        x = network.layer(x, f"encoder.layer.{layers}.")
        layers += 1
    if not layers:
        raise KeyError("encoder.layer.0.output.dense.weight")
    vectors = writer.node("ReduceMean", x, axes=[1], keepdims=0)
    width = weights["embeddings.LayerNorm.weight"].shape[0]
    source = ("tokens", np.int64, ("sentences", "length"))
    writer.save(path, source, {"vectors": (vectors, ("sentences", width))})


class _Network:
    """Writes the layers."""

    def __init__(self, writer: GraphWriter, weights: Weights) -> None:
        import numpy as np

        self._writer, self._weights = writer, weights
        self._heads = weights["embeddings.LayerNorm.weight"].shape[0] // _HEAD
        self._split = writer.constant(np.array([0, 0, self._heads, _HEAD], np.int64))
        self._joined = writer.constant(np.array([0, 0, self._heads * _HEAD], np.int64))
        self._scale = writer.constant(np.array(_HEAD**-0.5, np.float32))
        self._half, self._one, self._root = (
            writer.constant(np.array(number, np.float32)) for number in (0.5, 1.0, 0.5**0.5)
        )

    def embed(self, tokens: str) -> str:
        """The sum of what each token, and its place in the sentence, stand for."""
        import numpy as np

        node, weights = self._writer.node, self._weights
        words = node("Gather", weights["embeddings.word_embeddings.weight"], tokens)
        length = node("Gather", node("Shape", tokens), np.array([1]), axis=0)
        # All tokens are of the first of two sentences.
        kind = weights["embeddings.token_type_embeddings.weight"][0]
        places = weights["embeddings.position_embeddings.weight"] + kind
        seen = node("Slice", places, np.array([0]), length, np.array([0]))
        return self._normalise(node("Add", words, seen), "embeddings.LayerNorm")

    def layer(self, x: str, name: str) -> str:
        """Attention and two matrices, each added to what it began with."""
        node = self._writer.node
        query, key, value = (
            node("Reshape", self._linear(x, f"{name}attention.self.{part}"), self._split)
            for part in ("query", "key", "value")
        )
        query, value = (node("Transpose", part, perm=[0, 2, 1, 3]) for part in (query, value))
        key = node("Transpose", key, perm=[0, 2, 3, 1])
        shares = node("Softmax", node("Mul", node("MatMul", query, key), self._scale), axis=-1)
        mixed = node("Transpose", node("MatMul", shares, value), perm=[0, 2, 1, 3])
        mixed = self._linear(node("Reshape", mixed, self._joined), f"{name}attention.output.dense")
        x = self._normalise(node("Add", mixed, x), f"{name}attention.output.LayerNorm")
        wide = self._gelu(self._linear(x, f"{name}intermediate.dense"))
        return self._normalise(
            node("Add", self._linear(wide, f"{name}output.dense"), x), f"{name}output.LayerNorm"
        )

    def _linear(self, x: str, name: str) -> str:
        weights = self._weights
        product = self._writer.node("MatMul", x, weights[f"{name}.weight"].T)
        return self._writer.node("Add", product, weights[f"{name}.bias"])

    def _normalise(self, x: str, name: str) -> str:
        gain, shift = (self._weights[f"{name}.{part}"] for part in ("weight", "bias"))
        return self._writer.node("LayerNormalization", x, gain, shift, axis=-1, epsilon=_EPSILON)

    def _gelu(self, x: str) -> str:
        node = self._writer.node
        share = node("Add", node("Erf", node("Mul", x, self._root)), self._one)
        return node("Mul", node("Mul", x, share), self._half)
