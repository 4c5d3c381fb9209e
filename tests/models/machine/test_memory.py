"""How much memory there is and is taken, and what libraries say when there is too little."""

from __future__ import annotations

import platform
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest

from models.errors import ModelFailed, OutOfMemory
from models.machine import memory
from tests.models.fakes import taken


class OutOfMemoryError(Exception):
    """By torch's name for it."""


@pytest.mark.parametrize(
    ("error", "exhausted"),
    [
        (OutOfMemory("whatever it says"), True),
        (MemoryError(), True),
        (OutOfMemoryError("whatever it says"), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."), True),
        (RuntimeError("unable to mmap 9 bytes: Cannot allocate memory (12)"), True),
        (RuntimeError("CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("CUDA failure 2: cudaErrorMemoryAllocation"), True),
        (RuntimeError("OpenCV: error: (-4:Insufficient memory) Failed to allocate 9 bytes"), True),
        (ValueError("no"), False),
        (KeyError("memory"), False),
        (ModelFailed("no"), False),
        (OSError("No space left on device"), False),
    ],
)
def test_too_little_memory_is_told_from_other_errors(error: Exception, exhausted: bool) -> None:
    assert memory.is_out_of_memory(error) is exhausted


def test_models_on_a_gpu_are_counted_in_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    gigabyte = 1024 * memory.MEGABYTE
    cuda = SimpleNamespace(mem_get_info=lambda: (6 * gigabyte, 8 * gigabyte))
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert (memory.taken("cuda"), memory.machine("cuda")) == (2048, 8192)
    assert memory.taken("cpu") == pytest.approx(memory.resident(), abs=10)


def test_memory_can_be_returned_where_torch_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    memory.return_memory()
    assert "torch" not in sys.modules


def test_resident_memory_is_what_was_touched() -> None:
    before = memory.resident()
    with taken(50):
        assert 45 <= memory.resident() - before <= 60
    assert memory.resident() - before <= 10


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no arenas")
@pytest.mark.parametrize("one_arena", [True, False])
def test_what_threads_took_goes_back_with_one_arena(one_arena: bool) -> None:
    script = f"""
        from threading import Thread
        from models.machine import memory

        def take(megabytes):
            b"1" * (megabytes * memory.MEGABYTE)

        if {one_arena}:
            memory.use_one_arena()
        take(30)  # from now on glibc keeps blocks of up to this size
        memory.return_memory()
        before = memory.resident()
        for thread in [Thread(target=take, args=[25]) for _ in range(2)]:
            thread.start()
            thread.join()
        memory.return_memory()
        print(memory.resident() - before)
    """
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], check=True, capture_output=True, text=True
    )
    assert (int(said.stdout) < 12) == one_arena


def test_the_machine_has_more_memory_than_is_taken() -> None:
    assert memory.machine("cpu") > memory.taken("cpu") > 0


def test_what_could_be_taken_is_no_more_than_there_is() -> None:
    free = memory.available()
    if sys.platform != "linux":
        assert free is None
        return
    assert free is not None
    assert 0 < free < memory.machine("cpu")


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux says")
@pytest.mark.parametrize(
    ("limit", "free"), [("max", None), (str(800 * memory.MEGABYTE), 400), (str(100 * memory.MEGABYTE), 0)]
)
def test_a_container_has_what_its_limit_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, free: int | None
) -> None:
    (tmp_path / "memory.max").write_text(limit)
    (tmp_path / "memory.current").write_text(str(500 * memory.MEGABYTE))
    (tmp_path / "memory.stat").write_text(f"anon 5\ninactive_file {100 * memory.MEGABYTE}\n")
    monkeypatch.setattr(memory, "_CONTROL_GROUPS", ((str(tmp_path), "memory.max", "memory.current"),))
    found = memory.available()
    assert found is not None
    assert found == free or (free is None and found > 0)
