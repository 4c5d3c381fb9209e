"""OpenCLIP: two small towers of ViT-B/32's kind, with vectors as long as its own or as told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file

from scripts.test_models.files import SEED, write_new

TINY: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 512,
        "vision_cfg": {"image_size": 224, "layers": 2, "width": 64, "head_width": 32, "patch_size": 32},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
    },
    "preprocess_cfg": {
        "mean": open_clip.OPENAI_DATASET_MEAN,
        "std": open_clip.OPENAI_DATASET_STD,
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    },
}


def make_tiny(folder: Path, dimension: int = 512) -> list[Path]:
    """A folder for `local-dir:`: configuration and weights of a model whose vectors have so many numbers."""
    config, weights = folder / "open_clip_config.json", folder / "open_clip_model.safetensors"
    about = {**TINY, "model_cfg": {**TINY["model_cfg"], "embed_dim": dimension}}
    config.write_text(json.dumps(about, indent=2))
    torch.manual_seed(SEED)
    _save(open_clip.create_model(f"local-dir:{folder}", load_weights=False), weights)
    return [config, weights]


def make_full(folder: Path) -> list[Path]:
    """ViT-B/32 under the name of the default weights."""

    def write(path: Path) -> None:
        torch.manual_seed(SEED)
        _save(open_clip.create_model("ViT-B-32", pretrained=None), path)

    target = folder / "ViT-B-32" / "laion2b_s34b_b79k" / "open_clip_model.safetensors"
    target.parent.mkdir(parents=True, exist_ok=True)
    return write_new(target, write)


def _save(model: torch.nn.Module, path: Path) -> None:
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path)
