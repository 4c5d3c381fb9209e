"""Where models run, on how many threads, and how much memory there is."""

from __future__ import annotations

import platform
import subprocess
import sys
import textwrap
from types import SimpleNamespace
from typing import Any, Literal

import pytest

from models.errors import ModelError, ModelFailed, PackageMissing
from models.machine import device, memory
from models.machine.device import choose, keep_threads
from tests.models.fakes import taken


def a_torch(*, cuda: bool = False, mps: bool = False) -> Any:
    return SimpleNamespace(
        __version__="2",
        cuda=SimpleNamespace(is_available=lambda: cuda),
        backends=SimpleNamespace(mps=SimpleNamespace(is_available=lambda: mps)),
    )


@pytest.mark.parametrize(
    ("wanted", "torch", "chosen"),
    [
        ("auto", a_torch(cuda=True, mps=True), "cuda"),
        ("auto", a_torch(mps=True), "mps"),
        ("auto", a_torch(), "cpu"),
        ("auto", None, "cpu"),
        ("cpu", a_torch(cuda=True), "cpu"),
        ("cuda", a_torch(cuda=True), "cuda"),
        ("mps", a_torch(mps=True), "mps"),
        ("cuda", a_torch(mps=True), ModelFailed),
        ("mps", a_torch(cuda=True), ModelFailed),
        ("cuda", None, PackageMissing),
    ],
)
def test_the_device_is_what_torch_sees(
    monkeypatch: pytest.MonkeyPatch,
    wanted: Literal["auto", "cpu", "cuda", "mps"],
    torch: Any,
    chosen: str | type[ModelError],
) -> None:
    monkeypatch.setattr(device, "_promising", lambda: True)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: torch)
    monkeypatch.setitem(sys.modules, "torch", torch)
    if isinstance(chosen, str):
        assert choose(wanted) == chosen
    else:
        with pytest.raises(chosen, match=f"MODEL_DEVICE={wanted}"):
            choose(wanted)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere only torch knows")
def test_where_there_is_plainly_no_gpu_torch_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "NODES", ("no such device",))
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it raises
    assert choose("auto") == "cpu"


def test_threads_are_restored_after_a_library_took_them(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = {"torch": 4, "cv2": 4}
    torch = SimpleNamespace(
        get_num_threads=lambda: threads["torch"], set_num_threads=lambda n: threads.update(torch=n)
    )
    cv2 = SimpleNamespace(getNumThreads=lambda: threads["cv2"], setNumThreads=lambda n: threads.update(cv2=n))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "cv2", cv2)
    with pytest.raises(ValueError, match="no"), keep_threads(4):  # noqa: PT012
        threads.update(torch=1, cv2=0)
        raise ValueError("no")
    assert threads == {"torch": 4, "cv2": 4}


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
