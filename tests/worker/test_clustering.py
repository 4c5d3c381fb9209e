"""How the worker waits for a clustering beside it, and ends it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.machine import memory
from models.people import child
from tests.models.people.test_child import SCALE, faces
from worker import clustering
from worker.clustering import cluster
from worker.core.errors import JobError, MemoryShort, ModelFailed, OutOfMemory, PackageMissing


async def test_the_event_loop_goes_on_meanwhile() -> None:
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1

    beating = asyncio.create_task(beat())
    found = await cluster(faces(0, 1, 0, 1), SCALE, "graph", threads=1)
    beating.cancel()
    assert found.labels.tolist() == [0, 1, 0, 1]
    assert beats > 10


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts another program in the place of the one that clusters."""

    def write(text: str) -> None:
        (tmp_path / "other_child.py").write_text(text)
        monkeypatch.setattr(child, "__name__", "other_child")
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        monkeypatch.setattr(clustering, "environment", lambda: environment)

    return write


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (f"raise SystemExit({child.NO_MEMORY})", OutOfMemory, "not enough memory"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", OutOfMemory, "killed"),
        (
            f"import sys\nsys.stderr.write('no package here')\nraise SystemExit({child.NO_PACKAGE})",
            PackageMissing,
            "PEOPLE_ENGINE=graph: no package here",
        ),
        ("raise ValueError('odd vectors')", ModelFailed, "odd vectors"),
    ],
)
async def test_how_it_ended_is_said(program: Any, text: str, error: type[JobError], message: str) -> None:
    program(text)
    with pytest.raises(error, match=message):
        await cluster(faces(0, 0), SCALE, "graph", threads=1)


async def test_a_cancelled_clustering_ends_its_process(program: Any, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    program(f"import os, time\nopen({str(file)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)")
    waiting = asyncio.create_task(cluster(faces(0, 0), SCALE, "graph", threads=1))
    while not (file.exists() and file.read_text()):
        assert not waiting.done()
        await asyncio.sleep(0.02)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(ProcessLookupError):
        os.kill(int(file.read_text()), 0)


async def test_it_does_not_begin_without_the_memory_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 1)
    many = {**faces(0, 0), "vectors": np.ones((2048, 512), np.float16)}
    with pytest.raises(MemoryShort, match="16 MiB"):
        await cluster(many, SCALE, "graph", threads=1)
