"""Where models run, and on how many threads."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any, Literal

import pytest

from models.errors import DeviceFailed, ModelError, PackageMissing
from models.machine import device
from models.machine.device import choose, keep_threads
from models.serving.slots import Failure


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
        ("cuda", a_torch(mps=True), DeviceFailed),
        ("mps", a_torch(cuda=True), DeviceFailed),
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


@pytest.mark.parametrize(
    ("said", "gone"),
    [
        ("CUDA driver version is insufficient for CUDA runtime version", True),
        ("CUDA unknown error - this may be due to an incorrectly set up environment", True),
        ("CUDA failure 999: unknown error ; GPU=0", True),
        ("CUDA-capable device(s) is/are busy or unavailable", True),
        ("CUDA error: device-side assert triggered", False),
        ("shapes do not match", False),
    ],
)
def test_a_device_that_is_gone_is_told_from_a_picture_that_fails(said: str, gone: bool) -> None:
    failure = Failure.of(RuntimeError(said))
    assert failure.error.code == ("device_failed" if gone else "model_failed")


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
