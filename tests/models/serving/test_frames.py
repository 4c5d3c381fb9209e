"""What may pass between the worker and its model host."""

from __future__ import annotations

import os
import pickle
import subprocess
from pathlib import Path
from typing import Any

import pytest

from models.errors import OutOfMemory
from models.frame import Frame
from models.results import Box, Caption, DetectedObject, Face, Reading, TextRegion
from models.serving.asking import ModelAnswer
from models.serving.frames import no_frame, packed, unpacked
from models.spec import ModelIdentity
from models.tasks import CaptionRequest

BOX = Box(x=0.1, y=0.2, width=0.3, height=0.4)
IDENTITY = ModelIdentity(
    task="t",
    name="n",
    version="v",
    digest=None,
    backend="b",
    precision="fp32",
    device="cpu",
    parameters={"face_threshold": 0.5, "ocr_languages": "en,de", "caption_beams": 1},
)


@pytest.mark.parametrize(
    "value",
    [
        None,
        ("run", "embed", "embed_texts", "ein rotes Fahrrad", (640, 480)),
        frozenset({1, 2}),
        ModelAnswer(value=(0.1, 0.2), model=IDENTITY),
        (Face(box=BOX, score=0.9, landmarks=((0.1, 0.2),), embedding=(1.0,)),),
        (DetectedObject(name="bus", class_id=5, score=0.5, box=BOX),),
        Reading(regions=(TextRegion(text="x", score=1.0, box=BOX),), languages=("en",)),
        Caption(text="A bus.", level="brief", seconds=1.5, cut_short=False),
    ],
)
def test_plain_values_and_results_pass_unchanged(value: Any) -> None:
    assert unpacked(packed(value, no_frame), {}) == value


def test_an_error_passes_with_its_notes() -> None:
    error = OutOfMemory("not even one")
    error.add_note("where it was")
    passed = unpacked(packed(error, no_frame), {})
    assert (type(passed), str(passed), passed.__notes__) == (OutOfMemory, "not even one", ["where it was"])


def test_a_frame_passes_as_its_number_wherever_it_is() -> None:
    frame = Frame(width=2, height=1, data=b"abcdef")
    request = CaptionRequest(frame=frame, level="brief")
    data = packed((frame, [request]), lambda _: 7)
    assert b"abcdef" not in data
    first, (second,) = unpacked(data, {7: frame})
    assert first is frame
    assert second.frame is frame
    with pytest.raises(KeyError):
        unpacked(data, {})
    with pytest.raises(pickle.PicklingError):
        packed(frame, no_frame)


class Evil:
    def __init__(self, call: Any, *arguments: Any) -> None:
        self._reduced = (call, arguments)

    def __reduce__(self) -> Any:
        return self._reduced


@pytest.mark.parametrize(
    "value",
    [
        Evil(os.system, "true"),
        Evil(subprocess.run, "true"),
        Evil(eval, "1"),
        Evil(getattr, "x", "upper"),
        Evil(packed, 1, no_frame),  # ours, but no class
        Path("/"),
    ],
)
def test_nothing_else_passes(value: Any) -> None:
    with pytest.raises(pickle.UnpicklingError, match="may not pass"):
        unpacked(pickle.dumps(value, protocol=5), {})


@pytest.mark.parametrize("name", ["quiet", "quiet.os", "quiet.os.environ", "Path", "no_frame"])
def test_nothing_is_reached_through_our_modules(name: str) -> None:
    reach = b"\x80\x05\x8c\x13models.serving.host\x8c" + bytes([len(name)]) + name.encode() + b"\x93."
    with pytest.raises((pickle.UnpicklingError, AttributeError)):
        unpacked(reach, {})
