"""The models' libraries, told to be silent: they ask nobody anything, and leave the home folder alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

import pytest

from models.machine.quiet import FOLDERS, SWITCHES, silence
from tests.paths import ROOT

LIBRARIES = (
    "easyocr",
    "huggingface_hub",
    "insightface",
    "onnxruntime",
    "open_clip",
    "openvino",
    "rapidocr",
    "timm",
    "transformers",
    "ultralytics",
)

IMPORT_ALL = """
    import importlib, json, os, socket, sys, warnings
    from pathlib import Path
    asked = []

    def refuse(*address, **_):
        asked.append(repr(address[-2:]))
        raise OSError("no network here")

    for name in ("connect", "connect_ex", "sendto"):
        setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        setattr(socket, name, refuse)

    from models.machine.quiet import silence
    from models.machine.torch_cpu import make_torchvision_importable
    silence(Path(sys.argv[1]), threads=3)
    make_torchvision_importable()
    warnings.simplefilter("ignore")
    for library in sys.argv[2:]:
        importlib.import_module(library)
    run = Path(sys.argv[1], "run.py")
    if run.exists():
        exec(run.read_text())
    print(json.dumps({"asked": asked, "threads": os.environ["OMP_NUM_THREADS"]}))
"""

RUN_A_GRAPH = """
import numpy, onnx, onnxruntime
from onnx import TensorProto, helper
ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", "y")]
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", ports[:1], ports[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.save(model, sys.argv[1] + "/relu.onnx")
session = onnxruntime.InferenceSession(sys.argv[1] + "/relu.onnx", providers=["CPUExecutionProvider"])
session.run(None, {"x": numpy.zeros((1, 4), numpy.float32)})
if "openvino" in sys.modules:
    sys.modules["openvino"].Core().compile_model(sys.argv[1] + "/relu.onnx", "CPU")
"""


def installed() -> list[str]:
    found = [library for library in LIBRARIES if find_spec(library)]
    if "onnxruntime" not in found:
        pytest.skip("the models' libraries are not installed: scripts/install")
    return found


def run(folder: Path, *prefix: str) -> dict[str, object]:
    """Import all of them with a home of their own, then run a graph."""
    for name in ("home", "cache"):
        (folder / name).mkdir()
    (folder / "cache" / "run.py").write_text(RUN_A_GRAPH)
    ours = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    done = subprocess.run(
        [*prefix, sys.executable, "-c", textwrap.dedent(IMPORT_ALL), str(folder / "cache"), *installed()],
        cwd=ROOT,
        env={**ours, "HOME": str(folder / "home"), "HF_HUB_OFFLINE": "0", "YOLO_OFFLINE": "false"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.mark.slow
def test_importing_and_running_them_asks_nobody_and_leaves_the_home_alone(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    # With --seccomp-bpf only these calls are stopped at: importing makes a hundred thousand others.
    asking = "trace=connect,sendto,sendmmsg"
    watch = ("strace", "-f", "-qq", "--seccomp-bpf", "-e", asking, "-o", str(calls))
    watched = shutil.which("strace") is not None  # sees what native code asks, too
    assert run(tmp_path, *(watch if watched else ())) == {"asked": [], "threads": "3"}
    assert list((tmp_path / "home").rglob("*")) == []
    if watched:
        assert [call for call in calls.read_text().splitlines() if "AF_INET" in call] == []


def test_switches_win_over_the_environment(tmp_path: Path) -> None:
    script = f"""
        import os
        from pathlib import Path
        from models.machine.quiet import silence
        silence(Path({str(tmp_path)!r}))
        print({{name: os.environ[name] for name in {[*SWITCHES, *FOLDERS]!r}}})
    """
    loud = dict.fromkeys([*SWITCHES, *FOLDERS], "loud")
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=ROOT,
        env={**os.environ, **loud},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "loud" not in told.stdout
    assert told.stdout.count(str(tmp_path / "libraries")) == len(FOLDERS)


def test_library_that_was_imported_before_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ultralytics", sys)
    monkeypatch.delenv("YOLO_OFFLINE", raising=False)
    with pytest.raises(RuntimeError, match="ultralytics was imported before"):
        silence(tmp_path)
