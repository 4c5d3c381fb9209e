"""What was learned, kept small, and the folder that `open_clip` loads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors.numpy import load_file, save_file

Arrays = Mapping[str, np.ndarray[Any, Any]]

VOCABULARY: Final = 49408
CONFIG: Final[dict[str, Any]] = {
    "model_cfg": {
        "embed_dim": 512,
        "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 64},
        "text_cfg": {"context_length": 32, "vocab_size": VOCABULARY, "width": 64, "heads": 2, "layers": 2},
    },
    "preprocess_cfg": {
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    },
}
LEARNED: Final = Path(__file__).with_name("learned.safetensors")
"""Half precision; of the tokens only those that captions are made of, and which they are."""
TOKENS, ROWS, TABLE = "tokens", "token_rows", "token_embedding.weight"


def write(folder: Path, learned: Path = LEARNED) -> list[Path]:
    """Write configuration and weights into `folder`; answers their paths.

    Words that no caption was made of have zero vectors: a query may hold them, and they say nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config, weights = folder / "open_clip_config.json", folder / "open_clip_model.safetensors"
    arrays = dict(load_file(learned))
    tokens, rows = arrays.pop(TOKENS), arrays.pop(ROWS)
    table = np.zeros((VOCABULARY, rows.shape[1]), rows.dtype)
    table[tokens] = rows
    config.write_text(json.dumps(CONFIG, indent=2))
    save_file({TABLE: table, **arrays}, weights)
    return [config, weights]


def keep(learned: Path, tokens: np.ndarray[Any, Any], rows: np.ndarray[Any, Any], others: Arrays) -> None:
    """Write what `write` reads."""
    halves = {name: array.astype(np.float16) for name, array in {ROWS: rows, **others}.items()}
    save_file({TOKENS: tokens.astype(np.int64), **halves}, learned)
