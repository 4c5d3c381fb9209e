"""Writing weights as TensorFlow.js keeps them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

DTYPES = {"float16": np.float16, "uint8": np.uint8}


def pack(arrays: Mapping[str, np.ndarray], stored_as: str) -> tuple[list[dict[str, Any]], bytes]:
    """The manifest's entries and the bytes of `arrays`; float32 is stored as float16 or as uint8."""
    entries, parts = [], []
    for name, array in arrays.items():
        entry: dict[str, Any] = {"name": name, "shape": list(array.shape), "dtype": str(array.dtype)}
        if array.dtype == np.float32:
            entry["quantization"], array = _small(array, stored_as)
        entries.append(entry)
        parts.append(array.tobytes())
    return entries, b"".join(parts)


def _small(array: np.ndarray, stored_as: str) -> tuple[dict[str, Any], np.ndarray]:
    if stored_as == "float16":
        return {"dtype": "float16", "original_dtype": "float32"}, array.astype(np.float16)
    low, high = float(array.min()), float(array.max())
    scale = (high - low) / 255 or 1.0
    return {"dtype": "uint8", "scale": scale, "min": low}, np.round((array - low) / scale).astype(np.uint8)


def random_filters(random: np.random.Generator, shape: Sequence[int], gain: float = 1.0) -> np.ndarray:
    """Filters (height, width, channels in, out) that leave the size of numbers about as it is."""
    spread = gain / math.sqrt(math.prod(shape[:-1]))
    return (spread * random.standard_normal(tuple(shape))).astype(np.float32)
