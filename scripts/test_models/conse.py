"""ConSE: EfficientNet-Lite2 of its true size, and a BERT of MiniLM's kind, in their packages' formats."""

from __future__ import annotations

import io
import json
import re
import string
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import save
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor

from models.catalog.conse.classifier import CLASSES, STAGES
from models.catalog.conse.sentences import DIMENSION
from models.catalog.conse.space import class_sentences
from scripts.test_models.files import SEED, write_new

STEM: Final = 32
WIDTHS: Final = (16, 24, 48, 88, 120, 208, 352)
"""Channels that each stage ends in."""
HEAD: Final = 1280
WIDER: Final = 6
"""Times as many channels between a block's two ends, but for the first stage."""
PLACES: Final = 512
_SPECIAL: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_YEAR: Final = (2026, 1, 1, 0, 0, 0)


def make_tiny(folder: Path) -> list[Path]:
    """The classifier, and a text tower of one layer that knows few words."""
    return [*_write_classifier(folder), *_write_sentences(folder, layers=1, words=2000)]


def make_full(folder: Path) -> list[Path]:
    """Both as large as the released ones."""
    return [*_write_classifier(folder), *_write_sentences(folder, layers=6, words=30522)]


def classifier_weights() -> OrderedDict[str, Tensor]:
    """Seeded weights under the names of the package, normalisation that does something included."""
    generator = torch.Generator().manual_seed(SEED)
    weights: OrderedDict[str, Tensor] = OrderedDict()

    def add(name: str, norm: str, shape: tuple[int, int, int, int]) -> None:
        fan = shape[1] * shape[2] * shape[3]
        weights[f"{name}.weight"] = torch.randn(shape, generator=generator) * (2 / fan) ** 0.5
        for part, low, high in (("weight", 0.8, 1.2), ("bias", -0.2, 0.2)):
            weights[f"{norm}.{part}"] = torch.rand(shape[0], generator=generator) * (high - low) + low
        for part, low, high in (("running_mean", -0.2, 0.2), ("running_var", 0.8, 1.2)):
            weights[f"{norm}.{part}"] = torch.rand(shape[0], generator=generator) * (high - low) + low
        weights[f"{norm}.num_batches_tracked"] = torch.tensor(1)

    add("_conv_stem", "_bn0", (STEM, 3, 3, 3))
    for number, (narrow, kernel, width) in enumerate(_blocks()):
        name, wide = f"_blocks.{number}", narrow * (WIDER if number else 1)
        if number:
            add(f"{name}._expand_conv", f"{name}._bn0", (wide, narrow, 1, 1))
        add(f"{name}._depthwise_conv", f"{name}._bn1", (wide, 1, kernel, kernel))
        add(f"{name}._project_conv", f"{name}._bn2", (width, wide, 1, 1))
    add("_conv_head", "_bn1", (HEAD, WIDTHS[-1], 1, 1))
    weights["_fc.weight"] = torch.randn(HEAD, CLASSES, generator=generator).T * 0.1  # as TensorFlow has it
    weights["_fc.bias"] = torch.randn(CLASSES, generator=generator)
    return weights


def _blocks() -> Iterator[tuple[int, int, int]]:
    """Channels that each block begins with, its kernel, and the channels that it ends in."""
    narrow = STEM
    for (blocks, kernel, _), width in zip(STAGES, WIDTHS, strict=True):
        for _ in range(blocks):
            yield narrow, kernel, width
            narrow = width


def sentence_weights(layers: int, words: int) -> dict[str, Tensor]:
    """Seeded weights under the names of the package."""
    generator = torch.Generator().manual_seed(SEED)

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) * 0.05

    width, weights = DIMENSION, {}
    weights["embeddings.word_embeddings.weight"] = noise(words, width)
    weights["embeddings.position_embeddings.weight"] = noise(PLACES, width)
    weights["embeddings.token_type_embeddings.weight"] = noise(2, width)
    norms = ["embeddings.LayerNorm"]
    for layer in range(layers):
        name = f"encoder.layer.{layer}"
        norms += [f"{name}.attention.output.LayerNorm", f"{name}.output.LayerNorm"]
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            weights[f"{name}.attention.{part}.weight"] = noise(width, width)
            weights[f"{name}.attention.{part}.bias"] = noise(width)
        for part, rows, columns in (("intermediate", 4 * width, width), ("output", width, 4 * width)):
            weights[f"{name}.{part}.dense.weight"] = noise(rows, columns)
            weights[f"{name}.{part}.dense.bias"] = noise(rows)
    for norm in norms:
        weights[f"{norm}.weight"] = 1 + noise(width)
        weights[f"{norm}.bias"] = noise(width)
    return weights


def _write_classifier(folder: Path) -> list[Path]:
    def write(path: Path) -> None:
        torch.save(classifier_weights(), path, _use_new_zipfile_serialization=False)

    return write_new(folder / "efficientnet-lite2.pth", write)


def _write_sentences(folder: Path, *, layers: int, words: int) -> list[Path]:
    def write(path: Path) -> None:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, member in (
                ("config.json", json.dumps({"hidden_size": DIMENSION, "num_hidden_layers": layers}).encode()),
                ("model.safetensors", save(sentence_weights(layers, words))),
                ("tokenizer.json", _tokenizer(words).to_str().encode()),
            ):
                archive.writestr(zipfile.ZipInfo(name, _YEAR), member)
        path.write_bytes(content.getvalue())

    return write_new(folder / "all-minilm-l6-v2.zip", write)


def _tokenizer(words: int) -> Tokenizer:
    """A tokenizer of BERT's kind: letters, and what the classes are called; as the released one it pads."""
    letters = string.ascii_lowercase + string.digits + string.punctuation
    known = [*_SPECIAL, *letters, *(f"##{letter}" for letter in letters)]
    common = Counter(word for text in class_sentences() for word in re.findall(r"[a-z]{2,}", text.lower()))
    known += [word for word, _ in common.most_common(words - len(known))]
    known += [f"[unused{i}]" for i in range(words - len(known))]
    numbers = {word: i for i, word in enumerate(known)}
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_truncation(128)
    tokenizer.enable_padding(length=128)
    return tokenizer
