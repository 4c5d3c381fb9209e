"""Which downloads are not tried again, and for how long."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from models.errors import BadWeights, ModelError, WeightsMissing
from models.weights.failures import OFFLINE_SECONDS, WRONG_SECONDS, FailureNote

URL = "https://models.example/pack.zip"
WANTED = {"faces/det.onnx": "a" * 64, "faces/rec.onnx": None}


@pytest.fixture
def note(tmp_path: Path) -> FailureNote:
    return FailureNote(tmp_path / ".pack.failed", URL, WANTED)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [(WeightsMissing("no connection"), OFFLINE_SECONDS), (BadWeights("another file"), WRONG_SECONDS)],
)
def test_a_failure_is_remembered_as_it_was_for_as_long_as_its_kind_lasts(
    note: FailureNote, monkeypatch: pytest.MonkeyPatch, error: ModelError, seconds: float
) -> None:
    begun = time.time()
    monkeypatch.setattr(time, "time", lambda: begun)
    assert note.recent() is None
    note.write(error)
    for later, remembered in ((0, True), (seconds - 1, True), (seconds, False)):
        monkeypatch.setattr(time, "time", lambda later=later: begun + later)
        found = note.recent()
        assert (found is not None) is remembered
        if found is not None:
            assert (type(found), str(found)) == (type(error), str(error))


def test_success_forgets_it(note: FailureNote) -> None:
    note.remove()  # though there is none
    note.write(WeightsMissing("no connection"))
    note.remove()
    assert note.recent() is None


@pytest.mark.parametrize(
    ("url", "wanted", "same"),
    [
        (URL, WANTED, True),
        (URL, {"faces/rec.onnx": None}, True),  # less of the same
        (URL, {}, True),
        ("https://mirror.example/pack.zip", WANTED, False),
        (URL, {**WANTED, "faces/det.onnx": "b" * 64}, False),  # what came may be what is wanted now
        (URL, {**WANTED, "faces/age.onnx": None}, False),
    ],
)
def test_it_counts_for_what_that_download_would_have_brought(
    note: FailureNote, url: str, wanted: dict[str, str | None], same: bool
) -> None:
    note.write(WeightsMissing("no connection"))
    assert (FailureNote(note.path, url, wanted).recent() is not None) is same


def test_a_clock_that_was_set_back_does_not_prolong_it(
    note: FailureNote, monkeypatch: pytest.MonkeyPatch
) -> None:
    note.write(BadWeights("another file"))
    day_before = time.time() - 86_400
    monkeypatch.setattr(time, "time", lambda: day_before)
    assert note.recent() is None


WHOLE = {"url": URL, "until": time.time() + 600, "wrong": False, "why": "no connection", "wanted": WANTED}


def test_a_whole_note_counts(note: FailureNote) -> None:
    note.path.write_text(json.dumps({**WHOLE, "until": time.time() + 60}))
    assert note.recent() is not None


@pytest.mark.parametrize(
    "damaged",
    [
        "[1",
        '{"url": 1, "until": "soon"}',
        '{"until": 1e99}',
        "[" * 100_000,
        json.dumps({**WHOLE, "until": 10**400}),
        *(json.dumps({name: WHOLE[name] for name in WHOLE if name != lacking}) for lacking in WHOLE),
        json.dumps({**WHOLE, "until": "soon"}),
        json.dumps({**WHOLE, "wanted": None}),
        json.dumps({**WHOLE, "wanted": ["faces/det.onnx"]}),
    ],
)
def test_damaged_note_of_a_failure_counts_for_nothing(note: FailureNote, damaged: str) -> None:
    note.path.write_text(damaged)
    assert note.recent() is None
