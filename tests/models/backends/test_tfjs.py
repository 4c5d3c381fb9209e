"""Weights of TensorFlow.js come back as what was stored, and what does not fit is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.backends.tfjs import read_json, read_weights
from models.errors import BadWeights

np = pytest.importorskip("numpy")

HALF = {"dtype": "float16", "original_dtype": "float32"}
BYTES = {"dtype": "uint8", "scale": 0.5, "min": -1.0}


def entry(
    name: str, shape: list[int], dtype: str = "float32", quantization: dict[str, Any] | None = None
) -> dict[str, Any]:
    found = {"name": name, "shape": shape, "dtype": dtype}
    return {**found, "quantization": quantization} if quantization else found


def stored(path: Path, *arrays: Any) -> Path:
    path.write_bytes(b"".join(array.tobytes() for array in arrays))
    return path


def test_arrays_of_every_kind_are_told_apart(tmp_path: Path) -> None:
    halves = np.array([[1.5, -2.0]], np.float16)
    small = np.array([0, 2, 255], np.uint8)
    whole = np.array([7, -7], np.int32)
    exact = np.array(3.25, np.float32)
    path = stored(tmp_path / "weights.bin", halves, small, whole, exact)
    manifest = [
        {"weights": [entry("halves", [1, 2], quantization=HALF), entry("small", [3], quantization=BYTES)]},
        {"weights": [entry("whole", [2], "int32"), entry("exact", [])]},
    ]
    found = read_weights(manifest, path)
    assert found["halves"].tolist() == [[1.5, -2.0]]
    assert found["small"].tolist() == [-1.0, 0.0, 126.5]
    assert found["whole"].tolist() == [7, -7]
    assert found["exact"].tolist() == 3.25
    assert {found[name].dtype for name in ("halves", "small", "exact")} == {np.dtype(np.float32)}


@pytest.mark.parametrize("size", [0, 7, 9, 16])
def test_a_file_of_another_length_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(bytes(size))
    with pytest.raises(BadWeights, match=r"weights.bin has \d+ bytes"):
        read_weights([{"weights": [entry("a", [1]), entry("b", [1])]}], path)


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        (None, "damaged"),
        ([{}], "damaged"),
        ([{"weights": [{"name": "a", "shape": ["x"], "dtype": "float32"}]}], "damaged"),
        ([{"weights": [entry("a", [-1])]}], "damaged|bytes"),
        ([{"weights": [entry("a", [1], "string")]}], "unknown kind 'string'"),
        (
            [{"weights": [entry("a", [4], quantization={"dtype": "uint8", "scale": "x", "min": 0})]}],
            "damaged",
        ),
    ],
)
def test_a_manifest_that_means_nothing_is_refused(tmp_path: Path, manifest: Any, why: str) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(bytes(4))
    with pytest.raises(BadWeights, match=why):
        read_weights(manifest, path)


@pytest.mark.parametrize("content", [b"\xff<html>", b"[" * 100_000])
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(content)
    with pytest.raises(BadWeights, match=r"model.json is not JSON"):
        read_json(path)
