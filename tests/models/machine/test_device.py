"""Where models run, and on how many threads."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any, Literal

import pytest

from models.errors import DeviceUnavailable, ModelError, OutOfMemory, PackageMissing
from models.machine import device
from models.machine.device import choose, is_device_failure, keep_threads


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
        ("cuda", a_torch(mps=True), DeviceUnavailable),
        ("mps", a_torch(cuda=True), DeviceUnavailable),
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


@pytest.mark.parametrize(
    ("said", "devices"),
    [
        ("CUDA error: no kernel image is available for execution on the device", True),
        ("Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU", True),
        ("No CUDA GPUs are available", True),
        ("CUDA error: unspecified launch failure", True),
        ("CUDA failure 100: no CUDA-capable device is detected ; GPU=0", True),
        ("CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version", True),
        ("mat1 and mat2 shapes cannot be multiplied (1x2 and 3x4)", False),
        ("Got invalid dimensions for input: input.1", False),
        ("", False),
    ],
)
def test_a_devices_failure_is_told_from_a_models(said: str, devices: bool) -> None:
    assert is_device_failure(RuntimeError(said)) is devices


def test_memory_that_ran_out_is_no_failure_of_the_device() -> None:
    assert not is_device_failure(OutOfMemory("CUDA out of memory. Tried to allocate 2.00 GiB"))
