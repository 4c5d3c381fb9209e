"""Clustering as a process: what goes in and comes out, and when it ends."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from models.people import child
from models.people.scale import Scale

SCALE = Scale(same=0.5, maybe=0.3, margin=0.05)


def faces(*who: int) -> dict[str, Any]:
    """Faces of these people, each in a photo of its own and a little different, in half precision."""
    random = np.random.default_rng(1)
    people = random.normal(size=(max(who) + 1, 64))
    vectors = people[list(who)] + 0.3 * random.normal(size=(len(who), 64))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    nothing = np.empty((0, 2), np.int64)
    return {
        "vectors": vectors.astype(np.float16),
        "photos": np.arange(len(who)),
        "quality": np.ones(len(who), np.float32),
        "contacts": np.full(len(who), -1, np.int64),
        "same": nothing,
        "different": nothing,
        "excluded": nothing,
    }


def asked(data: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", child.__name__], input=data, capture_output=True, timeout=120
    )


def test_faces_go_in_and_people_come_out() -> None:
    done = asked(child.question(faces(0, 1, 0, 1, 2), SCALE, "graph"))
    assert done.returncode == 0, done.stderr
    found = child.unpack(done.stdout)
    assert found["labels"].tolist() == [0, 1, 0, 1, -1]
    assert found["pairs"].shape == (len(found["likeness"]), 2)


def test_verdicts_go_in_too() -> None:
    told = {**faces(0, 1, 0, 1), "same": np.array([[0, 1]]), "different": np.array([[0, 2]])}
    found = child.unpack(child.answer(child.question(told, SCALE, "graph")))
    first, second, third, _ = found["labels"].tolist()
    assert first == second != third


def test_an_engine_whose_package_is_missing_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hdbscan", None)
    with pytest.raises(child.PackageMissing, match="hdbscan"):
        child.answer(child.question(faces(0, 0, 0, 0, 0), SCALE, "hdbscan"))


def test_what_is_no_question_ends_it() -> None:
    assert asked(b"nonsense").returncode not in (0, child.NO_MEMORY, child.NO_PACKAGE)
