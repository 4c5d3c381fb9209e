"""Pictures and sentences as vectors of one space, by any model that OpenCLIP knows.

A model is an architecture's name and weights for it: a tag of OpenCLIP's, a file, or a folder in the
library's own `local-dir` format. Which backend runs it, fastest first:

| device | fp32 | VECTOR_PRECISION=bf16 |
| --- | --- | --- |
| processor with AVX-512 | openvino, onnxruntime, torch | openvino (with bf16 in hardware), torch |
| other processor | onnxruntime, openvino, torch | torch |
| cuda, mps | torch | torch |

ViT-B-32 on two cores, milliseconds per picture alone and in a batch of 8. With AVX-512: OpenVINO 26 and 20,
ONNX Runtime 31 and 22, torch 72 and 46; in bf16 OpenVINO 14 and 11, torch 21 and 13. With AVX2: ONNX Runtime
61 and 52, OpenVINO 62 and 54, torch 92 and 55. All in fp32 give the reference's vectors (cosine of at least
0.9999), so one index may hold those of several; bf16 never comes unasked, and has a version of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from models.backends.exports import exported
from models.backends.ways import Way, build_first
from models.catalog.open_clip import words
from models.catalog.open_clip.tags import architecture, published, tokenizer_files
from models.catalog.open_clip.towers import (
    LIBRARIES,
    GraphTowers,
    TorchTowers,
    Towers,
    cut,
    write_graphs,
)
from models.errors import BadWeights
from models.frame import Frame
from models.looks import embed_closely
from models.machine import memory
from models.machine.memory import is_out_of_memory
from models.machine.processor import has_avx512, has_bf16
from models.machine.torch_cpu import make_torchvision_importable
from models.results import Vector
from models.settings import ModelSettings
from models.spec import Device, Licence, Loading, ModelSpec, Variant, WeightFile
from models.tasks import EMBED, Embedder
from models.vectors import unit_rows

if TYPE_CHECKING:
    from models.catalog.open_clip.towers import Tokens

    Tokenizer: TypeAlias = Callable[[list[str]], Tokens]


LARGEST_BATCH: Final[Mapping[Device, int]] = {"cpu": 8, "cuda": 64, "mps": 16}
"""Pictures per call: on a processor 8 take three quarters of the time of 8 calls, 16 no less."""
_OWN: Final = Licence(name="that of the weights given; OpenCLIP itself is MIT", use="free")
"""Whoever sets CLIP_PRETRAINED to a path answers for what is there."""
_CONFIG: Final = "open_clip_config.json"
_CHECKPOINTS: Final = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
)
"""What the library looks for in a folder, in its order."""
_SUFFIXES: Final = (".safetensors", ".bin", ".pt", ".pth", ".npz")
_SENTENCES: Final = ("a red circle", "two dogs that run along a beach at sunset, seen from the air")
"""What exported graphs are tried with."""
_PREPARATION: Final = ("mean", "std", "interpolation", "resize_mode")
_LINE: Final = 500
"""Characters of the library's message that are kept: it lists every number that does not fit."""


def select(settings: ModelSettings) -> Variant:
    if settings.model_profile == "tiny":
        return _of_folder(settings, "tiny/openclip", "tiny")
    path = _path(settings.clip_pretrained)
    if path is not None and path.suffix not in _SUFFIXES:
        return _of_folder(settings, path.as_posix(), path.name)
    config = architecture(settings.clip_model)
    if path is not None:
        files: tuple[WeightFile, ...] = (WeightFile(path=path.as_posix()),)
        licence, name = _OWN, path.stem
    else:
        weights = published(settings.clip_model, settings.clip_pretrained)
        files = (weights.file,) if weights else ()
        licence = weights.licence if weights else _OWN
        name = settings.clip_pretrained
    return _variant(
        settings,
        f"{settings.clip_model}-{name}",
        files + tokenizer_files(config.get("text_cfg", {}), f"openclip/{settings.clip_model}"),
        licence,
        config.get("embed_dim"),
    )


def _path(pretrained: str) -> PurePath | None:
    """The path of weights that are named by no tag: absolute, or below the cache folder."""
    path = Path(pretrained).expanduser()
    return path if len(path.parts) > 1 or path.suffix in _SUFFIXES else None


def _of_folder(settings: ModelSettings, folder: str, name: str) -> Variant:
    """The variant for weights that have their architecture beside them, as the library saves them."""
    here = settings.model_cache_dir / folder
    checkpoint = next((one for one in _CHECKPOINTS if (here / one).is_file()), _CHECKPOINTS[0])
    try:
        dimension = json.loads((here / _CONFIG).read_text(encoding="utf-8"))["model_cfg"]["embed_dim"]
    except (OSError, ValueError, LookupError, TypeError):
        dimension = None  # missing or damaged: found out when it is loaded
    files = tuple(WeightFile(path=f"{folder}/{one}") for one in (_CONFIG, checkpoint))
    return _variant(settings, name, files, _OWN, dimension)


def _variant(
    settings: ModelSettings, name: str, files: tuple[WeightFile, ...], licence: Licence, dimension: int | None
) -> Variant:
    suffix = "" if settings.vector_precision == "fp32" else f"+{settings.vector_precision}"
    return Variant(
        version=f"openclip-{name}{suffix}",
        licence=licence,
        files=files,
        packages=("open_clip", "torch"),
        dimension=dimension,
        megabytes=100 if settings.model_profile == "tiny" else 800,
        largest_batch=LARGEST_BATCH,
    )


def load(loading: Loading) -> Embedder:
    return build_first(loading, _ways(loading), lambda way: _build(loading, way))


def _build(loading: Loading, way: Way) -> OpenClip:
    towers: Towers
    if way.backend == "torch":
        towers = TorchTowers(_reference(loading), loading.device, way.precision)
    else:
        towers = GraphTowers(export(loading, way.backend), way.backend, way.precision, loading)
    at_once = LARGEST_BATCH[loading.device]
    return OpenClip(towers, way, partial(_tokenizer, loading), at_once)


def export(loading: Loading, backend: Literal["onnxruntime", "openvino"]) -> Path:
    """The folder of the model's graphs, tried with `backend` if they were made just now.

    Raises:
        BadWeights: the files are not of this model.
        NotExportable: it has no graphs.
        OSError: the cache folder cannot be written.
    """

    def write(folder: Path) -> None:
        tokens = _tokenizer(loading)(list(_SENTENCES))
        open_towers = partial(GraphTowers, backend=backend, precision="fp32", loading=loading)
        write_graphs(_reference(loading), tokens, folder, open_towers)

    try:
        return exported(loading, "openclip", LIBRARIES, write)
    finally:
        memory.return_memory()


def _ways(loading: Loading) -> tuple[Way, ...]:
    """The ways to run the towers, fastest first."""
    precision = loading.settings.vector_precision
    if loading.device != "cpu":
        return (Way("torch", precision),)
    if precision == "bf16":
        # Asked for it on another processor, OpenVINO would answer in fp32 and not say so.
        return (*([Way("openvino", "bf16")] if has_bf16() else []), Way("torch", "bf16"))
    graphs = (Way("openvino", "fp32"), Way("onnxruntime", "fp32"))
    return (*(graphs if has_avx512() else reversed(graphs)), Way("torch", "fp32"))


def _folder(loading: Loading) -> Path | None:
    """The folder that holds weights and architecture, if they come as one."""
    first = loading.files[loading.variant.files[0].path]
    return first.parent if first.name == _CONFIG else None


def _reference(loading: Loading) -> Any:
    """The library's own model, on the processor, in fp32.

    Raises:
        BadWeights: the file is none, is damaged, or is of another model.
    """
    make_torchvision_importable()
    import open_clip

    folder, name = _folder(loading), loading.settings.clip_model
    path = loading.files[loading.variant.files[0 if folder is None else 1].path]
    known = {} if folder else open_clip.get_pretrained_cfg(name, loading.settings.clip_pretrained)
    try:
        if folder is not None:
            model = open_clip.create_model(f"local-dir:{folder}", require_pretrained=True)
        else:
            model = open_clip.create_model(
                name,
                pretrained=str(path),
                require_pretrained=True,
                # The library warns of weights trained with another activation, and uses the wrong one.
                force_quick_gelu=known.get("quick_gelu", False),
                force_preprocess_cfg={key: known[key] for key in _PREPARATION if key in known},
                **_tower_of_another_library(loading),
            )
        if not known:  # of published weights, the library knows what it does
            _check_positions(model, path)
    except Exception as error:  # safetensors, pickle, zip, JSON and torch each have their own
        if isinstance(error, BadWeights) or is_out_of_memory(error):
            raise
        what = f"no weights of {name}" if folder is None else "no model of OpenCLIP"
        raise BadWeights(f"{path} holds {what}: {_brief(error)}") from error
    return model.eval().requires_grad_(False)


def _tower_of_another_library(loading: Loading) -> dict[str, Any]:
    """How to build a text tower that is described by a file of its own."""
    text = architecture(loading.settings.clip_model).get("text_cfg", {})
    config = next((path for path in loading.files.values() if path.parent.name == "tower"), None)
    if config is None:
        return {}
    return {"text_cfg": {**text, "hf_model_name": str(config.parent), "hf_model_pretrained": False}}


def _check_positions(model: Any, path: Path) -> None:
    """Refuse weights for another size of picture, whose positions the library would stretch without a word.

    Raises:
        BadWeights: that is what it did.
    """
    stored = _shapes(path)
    for key, value in model.state_dict().items():
        shape = tuple(value.shape)
        if key.endswith("positional_embedding") and stored.get(key, shape) != shape:
            raise BadWeights(
                f"{path} is for another size of picture or sentence: its {key} is {stored[key]}, not {shape}"
            )


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor in a file of weights, whose numbers are not read."""
    from open_clip.factory import load_state_dict
    from safetensors import safe_open

    if path.suffix != ".safetensors":
        return {key: tuple(value.shape) for key, value in load_state_dict(str(path), device="meta").items()}
    with safe_open(str(path), framework="pt") as file:
        return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118


def _tokenizer(loading: Loading) -> Tokenizer:
    folder, name = _folder(loading), loading.settings.clip_model
    if folder is not None:
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))["model_cfg"]
        text, is_named = config.get("text_cfg", {}), ""
    else:
        text, is_named = architecture(name).get("text_cfg", {}), name
    if words.fits(is_named, text):
        return words.Words(text.get("context_length", words.CONTEXT))
    return _librarys_tokenizer(loading, text)


def _librarys_tokenizer(loading: Loading, text: Mapping[str, Any]) -> Tokenizer:
    make_torchvision_importable()
    import open_clip

    folder, name = _folder(loading), loading.settings.clip_model
    files = [path for path in loading.files.values() if path.parent.name == "tokenizer"]
    tokenizer: Any
    if folder is not None:
        tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    elif files:
        from open_clip.tokenizer import HFTokenizer

        tokenizer = HFTokenizer(
            str(files[0].parent),
            context_length=text.get("context_length", open_clip.tokenizer.DEFAULT_CONTEXT_LENGTH),
            tokenizer_mode=text.get("tokenizer_mode"),
            **text.get("tokenizer_kwargs", {}),
        )
    else:
        tokenizer = open_clip.get_tokenizer(name)
    return lambda sentences: cast("Tokens", tokenizer(sentences).numpy())


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:_LINE] or type(error).__name__


class OpenClip(Embedder):
    """Embeds pictures and sentences: preparation, a tower, and a vector scaled to length 1."""

    def __init__(self, towers: Towers, way: Way, tokenizer: Callable[[], Tokenizer], at_once: int) -> None:
        self.backend, self.precision = way.backend, way.precision
        self.dimension = towers.dimension
        self._towers = towers
        self._at_once = at_once
        self._make_tokenizer = tokenizer

    def embed_images(self, frames: Sequence[Frame]) -> Sequence[Vector]:
        return embed_closely(frames, self._embed, at_once=self._at_once)

    def _embed(self, frames: Sequence[Frame]) -> Sequence[Vector]:
        if not frames:
            return ()
        return unit_rows(self._towers.pictures(self._towers.preparation.pixels(frames)))

    def embed_texts(self, texts: Sequence[str]) -> Sequence[Vector]:
        if not texts:
            return ()
        tokens = self._tokenizer(list(texts))
        return unit_rows(self._towers.sentences(cut(tokens) if self._towers.shortens else tokens))

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        """The tokenizer, made when first needed: most workers see pictures only."""
        return self._make_tokenizer()


SPEC = ModelSpec(
    task=EMBED,
    name="open_clip",
    chosen_by=("vector_precision",),
    sized_by=("clip_model", "clip_pretrained"),
    profile="best",
    select=select,
    load=load,
    export=export,
)
