"""D-FINE: configuration and weights as its class in transformers reads them; it sees things at random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import DFineConfig, DFineForObjectDetection

from models.coco import CLASSES
from scripts.test_models.files import SEED

TINY: dict[str, Any] = {
    "backbone": {"stem": [3, 8, 8], "into": [8, 16, 16, 24], "inside": [8] * 4, "out": [16, 16, 24, 32]},
    "encoder_hidden_dim": 32,
    "encoder_ffn_dim": 32,
    "encoder_attention_heads": 2,
    "d_model": 32,
    "decoder_in_channels": [32, 32, 32],
    "decoder_ffn_dim": 32,
    "decoder_attention_heads": 2,
    "decoder_layers": 2,
}
SMALL: dict[str, Any] = {
    "backbone": {
        "stem": [3, 16, 16],
        "into": [16, 64, 256, 512],
        "inside": [16, 32, 64, 128],
        "out": [64, 256, 512, 1024],
    },
    "decoder_layers": 3,
}
SHARED: dict[str, Any] = {"depth_mult": 0.34, "hidden_expansion": 0.5, "decoder_n_points": [3, 6, 3]}
SURE = 4.0
"""How far the scores of this model are spread, so that some reach every threshold."""


def make_tiny(folder: Path) -> list[Path]:
    return _save(folder, TINY)


def make_full(folder: Path) -> list[Path]:
    target = folder / "small"
    return [] if (target / "model.safetensors").is_file() else _save(target, SMALL)


def _save(folder: Path, sizes: dict[str, Any]) -> list[Path]:
    torch.manual_seed(SEED)
    network = DFineForObjectDetection(_config(**sizes)).eval()
    with torch.no_grad():
        # As training begins, next to nothing of a picture arrives at the end: all places would be as good as
        # each other, and which ones are looked at would be left to rounding.
        for layer in network.modules():
            if isinstance(layer, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(layer.weight)
        for scores in (network.model.enc_score_head, *network.class_embed):
            torch.nn.init.normal_(scores.weight, std=SURE / scores.in_features**0.5)
            torch.nn.init.constant_(scores.bias, -2 * SURE)
    network.save_pretrained(folder)
    return [folder / "config.json", folder / "model.safetensors"]


def _config(backbone: dict[str, list[int]], **sizes: Any) -> DFineConfig:
    return DFineConfig(
        backbone_config={
            "model_type": "hgnet_v2",
            "stem_channels": backbone["stem"],
            "stage_in_channels": backbone["into"],
            "stage_mid_channels": backbone["inside"],
            "stage_out_channels": backbone["out"],
            "hidden_sizes": backbone["out"],
            "stage_num_blocks": [1, 1, 2, 1],
            "stage_numb_of_layers": [3, 3, 3, 3],
            "use_learnable_affine_block": True,
            "out_indices": [2, 3, 4],
        },
        encoder_in_channels=backbone["out"][1:],
        id2label=dict(enumerate(CLASSES)),
        label2id={name: number for number, name in enumerate(CLASSES)},
        **SHARED,
        **sizes,
    )
