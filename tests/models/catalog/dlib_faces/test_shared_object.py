from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from models.catalog.dlib_faces.shared_object import read_arrays
from models.errors import BadWeights
from scripts.test_models.dlib import shared_object

np = pytest.importorskip("numpy")


@pytest.fixture
def library(tmp_path: Path) -> Path:
    path = tmp_path / "library.so"
    path.write_bytes(shared_object({"one": np.array([1.5, -2], np.float32), "other": np.arange(6.0)}))
    return path


def test_arrays_are_found_by_their_names(library: Path) -> None:
    found = read_arrays(library)
    assert {name: array.tolist() for name, array in found.items()} == {
        "one": [1.5, -2.0],
        "other": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
    }


@pytest.mark.parametrize(
    "damage",
    [
        lambda stored: b"",
        lambda stored: b"\x7fELF\x01\x01" + stored[6:],  # of 32 bits
        lambda stored: b"MZ" + stored[2:],
        lambda stored: stored[:40],
        lambda stored: stored[:-100],
        lambda stored: stored[:100] + b"\xff" * 24 + stored[124:],  # a symbol's address
    ],
)
def test_what_is_no_shared_object_or_half_of_one_is_refused(
    library: Path, damage: Callable[[bytes], bytes]
) -> None:
    library.write_bytes(damage(library.read_bytes()))
    with pytest.raises(BadWeights, match=r"library\.so"):
        read_arrays(library)
