"""Weights as TensorFlow.js keeps them: one file of numbers, and a manifest in JSON that tells them apart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from models.errors import BadWeights

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_STORED: Final = frozenset({"float32", "float16", "int32", "uint8"})


def read_json(path: Path) -> Any:
    """The parsed content of a JSON file.

    Raises:
        BadWeights: it is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BadWeights(f"{path.name} is not JSON: {error}") from error


def read_weights(manifest: Any, path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays in the file at `path` by name, as its `manifest` tells them apart.

    What was stored smaller (as float16, or as uint8 with a scale) comes back as float32.

    Raises:
        BadWeights: manifest and file do not belong together.
    """
    try:
        entries = [entry for group in manifest for entry in group["weights"]]
        return _split(entries, path.read_bytes(), path.name)
    except (KeyError, TypeError, ValueError) as error:
        raise BadWeights(f"the manifest of {path.name} is damaged: {error!r}") from error


def _split(entries: Sequence[Any], stored: bytes, name: str) -> dict[str, npt.NDArray[Any]]:
    import numpy as np

    arrays, offset = {}, 0
    for entry in entries:
        shape = [int(side) for side in entry["shape"]]
        how = entry.get("quantization") or {"dtype": entry["dtype"]}
        if how["dtype"] not in _STORED:
            raise BadWeights(f"{name} holds numbers of the unknown kind {how['dtype']!r}")
        kind = np.dtype(how["dtype"]).newbyteorder("<")
        end = offset + prod(shape) * kind.itemsize
        if end > len(stored):
            break
        array = np.frombuffer(stored[offset:end], kind).reshape(shape)
        arrays[str(entry["name"])] = _restored(array, how) if "quantization" in entry else array
        offset = end
    if len(arrays) != len(entries) or offset != len(stored):
        raise BadWeights(f"{name} has {len(stored)} bytes, which is not what its manifest announces")
    return arrays


def _restored(array: npt.NDArray[Any], how: Any) -> npt.NDArray[np.float32]:
    import numpy as np

    exact = array.astype(np.float32)
    return exact * np.float32(how["scale"]) + np.float32(how["min"]) if "scale" in how else exact
