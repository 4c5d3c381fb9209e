from __future__ import annotations

import importlib.util
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from models.errors import DeviceUnavailable
from models.machine import device as device_module
from models.machine import report
from models.spec import Device

LISTED = (
    "TensorrtExecutionProvider",
    "CUDAExecutionProvider",
    "AzureExecutionProvider",
    "CPUExecutionProvider",
)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes it look as if these packages were installed, and no others, on a machine with such a device."""

    def install(*packages: str, device: Device | DeviceUnavailable = "cpu") -> None:
        def choose(_wanted: str) -> Device:
            if isinstance(device, DeviceUnavailable):
                raise device
            return device

        monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name in packages else None)
        monkeypatch.setattr(device_module, "choose", choose)
        runtime = SimpleNamespace(get_available_providers=lambda: list(LISTED))
        monkeypatch.setitem(sys.modules, "onnxruntime", runtime)

    return install


@pytest.mark.parametrize(
    ("device", "usable"),
    [
        ("cpu", ("CPUExecutionProvider",)),
        ("mps", ("CPUExecutionProvider",)),
        ("cuda", ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")),
    ],
)
def test_only_providers_that_run_something_here_are_told(
    install: Any, device: Device, usable: tuple[str, ...]
) -> None:
    install("onnxruntime", device=device)
    machine = report.look("auto")
    assert (machine.device, machine.problem, machine.providers) == (device, "", usable)
    assert machine.backends == ("onnxruntime",)
    assert machine.cores >= 1


def test_a_bare_installation_has_nothing_to_run_models_with(install: Any) -> None:
    install()
    machine = report.look("auto")
    assert (machine.backends, machine.providers) == ((), ())


def test_a_device_that_is_not_there_is_a_problem_and_the_rest_is_told(install: Any) -> None:
    install("torch", "onnxruntime", device=DeviceUnavailable("torch sees no such device"))
    machine = report.look("cuda")
    assert (machine.device, machine.problem) == (None, "torch sees no such device")
    assert machine.backends == ("torch", "onnxruntime")
    assert machine.providers == ("CPUExecutionProvider",)


def test_a_backend_that_is_asked_for_and_not_there_is_a_problem(install: Any) -> None:
    install("onnxruntime")
    assert report.look("auto", "onnxruntime").problem == ""
    machine = report.look("auto", "no_such_backend")
    assert machine.problem.startswith("MODEL_BACKEND=no_such_backend cannot be used here: No module named")
