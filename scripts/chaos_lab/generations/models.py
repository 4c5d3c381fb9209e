"""Writes the models that the siege changes between, which no hub has and which are ready in a second.

In a process of its own (`python -m scripts.chaos_lab.generations.models FOLDER`), as their libraries are
large.
"""

from __future__ import annotations

import copy
import json
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from models.machine.torch_cpu import make_torchvision_importable
from scripts.chaos_lab.generations.choices import EMBEDDERS, FOLDER, PACKS
from scripts.test_models.files import SEED, write_new
from scripts.test_models.insightface import ANCHORS, make_tiny

WIDER = 1.2
"""The second detector draws its boxes so much larger than the first."""


def main(cache: Path) -> None:
    """Fill `cache`, a MODEL_CACHE_DIR; what is there is left alone."""
    make_torchvision_importable()
    (cache / FOLDER).mkdir(parents=True, exist_ok=True)
    for number, (name, dimension) in enumerate(EMBEDDERS.items()):
        write_new(cache / FOLDER / name, partial(write_embedder, dimension=dimension, seed=SEED + number))
    with tempfile.TemporaryDirectory() as scratch:
        detector, recogniser = make_tiny(Path(scratch))
        for number, pack in enumerate(PACKS):
            folder = cache / "insightface" / "models" / pack
            folder.mkdir(parents=True, exist_ok=True)
            write_new(folder / detector.name, partial(widen, detector, by=WIDER**number))
            write_new(folder / recogniser.name, partial(draw_anew, recogniser, seed=SEED + number))


def write_embedder(folder: Path, *, dimension: int, seed: int) -> None:
    """A folder for `local-dir:`: configuration and weights."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    from scripts.test_models.openclip import TINY

    folder.mkdir()
    config = copy.deepcopy(TINY)
    config["model_cfg"]["embed_dim"] = dimension
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    torch.manual_seed(seed)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors")


def widen(detector: Path, path: Path, *, by: float) -> None:
    """The tiny detector, whose boxes are as large as a constant of it says."""
    model = onnx.load(str(detector))
    for constant in model.graph.initializer:
        if list(constant.dims) == [4 * ANCHORS]:
            sides = numpy_helper.to_array(constant) * np.float32(by)
            constant.CopyFrom(numpy_helper.from_array(sides, constant.name))
    onnx.save(model, str(path))


def draw_anew(recogniser: Path, path: Path, *, seed: int) -> None:
    """The tiny recogniser with another projection."""
    model = onnx.load(str(recogniser))
    for constant in model.graph.initializer:
        if len(constant.dims) == 2:
            numbers = np.random.default_rng(seed).standard_normal(list(constant.dims)).astype(np.float32)
            constant.CopyFrom(numpy_helper.from_array(numbers, constant.name))
    onnx.save(model, str(path))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
