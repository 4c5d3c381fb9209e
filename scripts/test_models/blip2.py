"""BLIP-2: configuration, processor and weights as its class in transformers reads them."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    BlipImageProcessor,
)

from scripts.test_models.files import SEED
from scripts.test_models.words import tokenizer

SIDE, PATCH, QUERIES = 28, 14, 4
SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}


def make_tiny(folder: Path) -> list[Path]:
    words = tokenizer()
    pictures = BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    Blip2Processor(pictures, words, num_query_tokens=QUERIES).save_pretrained(folder)
    torch.manual_seed(SEED)
    config = Blip2Config(
        vision_config={**SMALL, "image_size": SIDE, "patch_size": PATCH},
        qformer_config={**SMALL, "encoder_hidden_size": 32, "vocab_size": len(words)},
        text_config={
            "model_type": "opt",
            "vocab_size": len(words),
            "hidden_size": 32,
            "word_embed_proj_dim": 32,
            "ffn_dim": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "max_position_embeddings": 512,
            "bos_token_id": words.bos_token_id,
            "eos_token_id": words.eos_token_id,
            "pad_token_id": words.pad_token_id,
        },
        num_query_tokens=QUERIES,
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    Blip2ForConditionalGeneration(config).save_pretrained(folder)
    return [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]


def make_full(folder: Path) -> list[Path]:
    """15 GB that say nothing are made for nobody."""
    return []
