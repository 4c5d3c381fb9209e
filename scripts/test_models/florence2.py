"""Florence-2: configuration, processor and weights as its native class in transformers reads them."""

from __future__ import annotations

import json
from pathlib import Path
from string import ascii_lowercase
from tempfile import TemporaryDirectory
from typing import Any

import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    BartConfig,
    CLIPImageProcessor,
    Florence2Config,
    Florence2ForConditionalGeneration,
    Florence2Processor,
    GenerationConfig,
    RobertaTokenizer,
)

from scripts.test_models.files import SEED, write_new

IMAGE_TOKEN = "<image>"  # noqa: S105  # a word of the vocabulary
MARKS = (
    "od",
    "ocr",
    "cap",
    "ncap",
    "dcap",
    "grounding",
    "seg",
    "region_cap",
    "region_to_desciption",
    "proposal",
    "poly",
)
"""Pairs of tokens around parts of an answer, misspelt as the released tokenizer has it."""
PARSERS: dict[str, dict[str, Any]] = {
    "pure_text": {},
    "ocr": {"AREA_THRESHOLD": 0.01},
    "phrase_grounding": {"banned_grounding_tokens": ["it", "image"]},
    "description_with_bboxes": {},
    "description_with_polygons": {},
    "polygons": {},
    "bboxes": {},
    "description_with_bboxes_or_polygons": {},
}
"""Without them, `post_process_generation` knows no task."""
TINY = {
    "side": 64,
    "vision": {
        "depths": (1, 1, 1, 1),
        "embed_dim": (16, 32, 32, 64),
        "num_heads": (1, 2, 2, 4),
        "num_groups": (1, 2, 2, 4),
        "window_size": 4,
        "projection_dim": 64,
    },
    "text": {
        "d_model": 64,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 128,
        "decoder_ffn_dim": 128,
        "max_position_embeddings": 1024,
    },
}
BASE = {
    "side": 768,
    "vision": {"projection_dim": 768},
    "text": {
        "d_model": 768,
        "encoder_layers": 6,
        "decoder_layers": 6,
        "encoder_attention_heads": 12,
        "decoder_attention_heads": 12,
        "encoder_ffn_dim": 3072,
        "decoder_ffn_dim": 3072,
        "max_position_embeddings": 4096,
        "vocab_size": 51328,
    },
}


SENTENCE = 20
"""Tokens after which an answer ends, about as a real one does; else it would go on until it is stopped."""


def make_tiny(folder: Path) -> list[Path]:
    _save(TINY, folder)
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def make_full(folder: Path) -> list[Path]:
    target = folder / "base"
    target.mkdir(exist_ok=True)
    if (target / "model.safetensors").exists():
        return []
    with TemporaryDirectory(dir=folder) as made:
        _save(BASE, Path(made))
        # What the released folder has besides.
        _processor(_tokenizer(), BASE["side"]).image_processor.save_pretrained(made)
        Path(made, "special_tokens_map.json").write_text(
            json.dumps(_tokenizer().special_tokens_map, indent=2)
        )
        return [
            written
            for path in sorted(Path(made).iterdir())
            for written in write_new(target / path.name, path.rename)
        ]


def _save(size: dict[str, Any], folder: Path) -> None:
    torch.manual_seed(SEED)
    tokenizer = _tokenizer()
    _processor(tokenizer, size["side"]).save_pretrained(folder)
    ids = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "decoder_start_token_id": tokenizer.eos_token_id,
        "forced_bos_token_id": tokenizer.bos_token_id,
        "forced_eos_token_id": tokenizer.eos_token_id,
    }
    text = BartConfig(**{"vocab_size": len(tokenizer), **size["text"]}, **ids)
    image_token_id = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
    config = Florence2Config(
        vision_config=size["vision"], text_config=text, image_token_id=image_token_id, **ids
    )
    model = Florence2ForConditionalGeneration(config).eval()
    _write_letters(model, tokenizer)
    _end_sentences(model)
    model.generation_config = GenerationConfig(
        num_beams=3, early_stopping=True, no_repeat_ngram_size=3, **ids
    )
    model.half().save_pretrained(folder)  # as it was released


@torch.no_grad()
def _write_letters(model: Florence2ForConditionalGeneration, tokenizer: RobertaTokenizer) -> None:
    """Other words are faint: they are read, but hardly ever written; most of a full size have no name."""
    words = model.get_input_embeddings().weight
    faint = torch.full((len(words), 1), 0.1)
    faint[tokenizer.convert_tokens_to_ids([*ascii_lowercase, tokenizer.eos_token])] = 1
    words *= faint


@torch.no_grad()
def _end_sentences(model: Florence2ForConditionalGeneration) -> None:
    """The later positions look like the token that ends a sentence, more than any word does."""
    words = model.get_input_embeddings().weight
    positions = model.model.language_model.decoder.embed_positions
    end = words[model.config.text_config.eos_token_id]
    positions.weight[positions.offset + SENTENCE :] = end * 50


def _tokenizer() -> RobertaTokenizer:
    """Bytes for words: any string can be written, without the released vocabulary."""
    words = ["<s>", "<pad>", "</s>", "<unk>", *sorted(ByteLevel.alphabet()), "<mask>"]
    tokenizer = RobertaTokenizer(
        vocab={word: index for index, word in enumerate(words)},
        merges=[],
        extra_special_tokens={"image_token": IMAGE_TOKEN},  # named, so that the processor finds it
    )
    pairs = [token for mark in MARKS for token in (f"<{mark}>", f"</{mark}>")]
    tokenizer.add_tokens([*pairs, *(f"<loc_{index}>" for index in range(1000)), "<sep>", "<and>"])
    return tokenizer


def _processor(tokenizer: RobertaTokenizer, side: int) -> Florence2Processor:
    pictures = CLIPImageProcessor(
        size={"height": side, "width": side},
        crop_size={"height": side, "width": side},
        do_center_crop=False,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    pictures.image_seq_length = (side // 32) ** 2 + 1  # places of the last map, and all of them together
    return Florence2Processor(image_processor=pictures, tokenizer=tokenizer, post_processor_config=PARSERS)
