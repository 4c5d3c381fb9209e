"""LLaVA: configuration, processor and weights as its class in transformers reads them."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import CLIPImageProcessor, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

from scripts.test_models.files import SEED
from scripts.test_models.words import tokenizer

SIDE, PATCH = 28, 14
SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def make_tiny(folder: Path) -> list[Path]:
    words = tokenizer()
    pictures = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    LlavaProcessor(
        pictures,
        words,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    ).save_pretrained(folder)
    torch.manual_seed(SEED)
    config = LlavaConfig(
        vision_config={"model_type": "clip_vision_model", **SMALL, "image_size": SIDE, "patch_size": PATCH},
        text_config={
            "model_type": "llama",
            **SMALL,
            "num_key_value_heads": 2,
            "vocab_size": len(words),
            "bos_token_id": words.bos_token_id,
            "eos_token_id": words.eos_token_id,
            "pad_token_id": words.pad_token_id,
        },
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    return [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]


def make_full(folder: Path) -> list[Path]:
    """14 GB that say nothing are made for nobody."""
    return []
