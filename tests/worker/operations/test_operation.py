from __future__ import annotations

import json
import struct

import pytest

from models.results import Box
from worker.operations.operation import box_row, vector_text


def test_a_box_is_rounded_to_a_millionth() -> None:
    box = Box(x=1 / 3, y=2 / 3, width=1e-9, height=1.0)
    assert box_row(box) == {"x": 0.333333, "y": 0.666667, "width": 0.0, "height": 1.0}


def float32(bits: int) -> float:
    number: float = struct.unpack("<f", struct.pack("<I", bits))[0]
    return number


@pytest.mark.parametrize(
    "number",
    [
        0.0,
        1.0,
        -1.0,
        float32(0x3DCCCCCD),  # nearest to a tenth
        float32(0x3DCCCCCE),  # and its neighbour
        float32(0x3F7FFFFF),  # just below 1
        float32(0x00800000),  # the smallest that is normal
        float32(0x00000001),  # the smallest
    ],
)
def test_a_float32_comes_back_unchanged(number: float) -> None:
    first = vector_text((number,), 1).strip("[]").split(",")[0]
    assert struct.pack("<f", float(first)) == struct.pack("<f", number)


def test_a_vector_is_written_as_pgvector_reads_it() -> None:
    assert vector_text((0.6, -0.8, 0.0), 3) == "[0.6,-0.8,0]"


def test_a_short_vector_is_as_long_as_its_generations_and_points_where_it_did() -> None:
    assert json.loads(vector_text((0.6, -0.8), 5)) == [0.6, -0.8, 0, 0, 0]
    assert len(json.loads(vector_text((0.5,) * 768, 768))) == 768
