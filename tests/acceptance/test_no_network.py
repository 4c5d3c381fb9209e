"""A worker whose weights are at hand talks to Supabase and to nobody else, whatever its libraries would like:
no look-up of a name, no telemetry, no update check, no model hub."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.types.json import Jsonb

from models.weights.digests import trust
from scripts.chaos_lab.images.photos import draw_photo
from tests.acceptance.library import Library
from tests.paths import ROOT
from worker.handlers.image_ai import OPERATIONS
from worker.local.stack import StackInfo

pytestmark = [pytest.mark.stack, pytest.mark.slow]

WEIGHTS: Final = Path(os.environ.get("KIZU_TESTDATA") or ROOT.parent / "shared" / "testdata") / "weights"
PATIENCE: Final = 240
"""Seconds: a worker that is watched is slow."""
TALKATIVE: Final = {
    "CI": "",
    "DO_NOT_TRACK": "0",
    "HF_HUB_DISABLE_TELEMETRY": "0",
    "HF_HUB_OFFLINE": "0",
    "ORT_DISABLE_TELEMETRY": "0",
    "TRANSFORMERS_OFFLINE": "0",
    "YOLO_AUTOINSTALL": "true",
    "YOLO_OFFLINE": "false",
}
"""What libraries read; the worker is to overrule it."""

STARTING: Final = ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system")

# In every Python process of the worker: what its code asks of the network, and which programs it starts.
EAR: Final = """
import json, os, sys

_ear = os.open(os.environ["EAR"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
_HEARD = {
    "socket.connect": slice(1, 2),
    "socket.sendto": slice(1, 2),
    "socket.sendmsg": slice(1, 2),
    "socket.getaddrinfo": slice(0, 2),
    "socket.gethostbyname": slice(0, 1),
    "socket.gethostbyaddr": slice(0, 1),
    "socket.getnameinfo": slice(0, 1),
    "subprocess.Popen": slice(0, 2),
    "os.exec": slice(0, 2),
    "os.posix_spawn": slice(0, 2),
    "os.system": slice(0, 1),
}

def _hear(event, arguments):
    if event in _HEARD:
        _note(event, arguments[_HEARD[event]])

def _note(event, said):
    os.write(_ear, json.dumps([os.getpid(), event, said], default=str).encode() + b"\\n")

sys.addaudithook(_hear)
_note("started", sys.orig_argv)
"""


@dataclass(frozen=True, slots=True)
class Heard:
    """One thing that a process did."""

    pid: int
    event: str
    said: list[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A folder of them, and what can be asked of a worker that has it."""

    settings: Mapping[str, str]
    operations: tuple[str, ...]


@pytest.fixture
def weights(request: pytest.FixtureRequest, tmp_path: Path) -> Weights:
    """The tiny ones of every model; and real ones, of which the catalog knows where they could be had."""
    if request.param == "tiny":
        folder = request.getfixturevalue("tiny_models")
        return Weights(
            settings={"MODEL_PROFILE": "tiny", "MODEL_CACHE_DIR": str(folder), "OCR_MODEL": "easyocr"},
            operations=tuple(OPERATIONS),
        )
    if not WEIGHTS.is_dir():
        pytest.skip(f"no real weights in {WEIGHTS}; KIZU_TESTDATA names the folder above")
    request.getfixturevalue("tiny_models")  # the same packages
    folder = tmp_path / "weights"
    shutil.copytree(WEIGHTS, folder)
    trust(folder, folder / "yolo" / "yolov8n.pt")  # not the very file that the catalog knows
    return Weights(
        settings={
            # With `auto` a worker asks at its start whether the hub has what other operations would need.
            "MODEL_PROFILE": "best",
            "MODEL_CACHE_DIR": str(folder),
            "YOLO_SIZE": "n",
            "FACE_PACK": "mini_sc",
            "OCR_MODEL": "rapidocr",
        },
        operations=("faces", "hashes", "objects", "ocr"),
    )


@pytest.fixture
def work(
    library: Library,
    db: psycopg.Connection[Any],
    start_worker: Callable[..., subprocess.Popen[bytes]],
    weights: Weights,
    tmp_path: Path,
) -> Callable[..., None]:
    """Have one photo looked at by a worker of its own, with a home of its own."""

    def run(**surroundings: Any) -> None:
        asset = library.add(draw_photo(3, random.Random(1)).data)
        db.execute("delete from jobs")
        asked = [asset, Jsonb({"operations": weights.operations})]
        db.execute("select enqueue_job('image_ai', %s, %s)", asked)
        (tmp_path / "home").mkdir()
        settings = {**TALKATIVE, "HOME": str(tmp_path / "home"), "LANES": "ai=2", **weights.settings}
        worker = start_worker("--drain", **settings, **surroundings)
        log = (tmp_path / "worker-0.log").read_text
        assert worker.wait(PATIENCE) == 0, log()
        assert set(library.asset(asset)["ai_operations"]) == set(weights.operations), log()

    return run


@pytest.mark.parametrize("weights", ["tiny", "real"], indirect=True)
def test_no_process_of_a_worker_asks_for_anybody_but_supabase(
    work: Callable[..., None], stack: StackInfo, tmp_path: Path
) -> None:
    work(**with_an_ear(tmp_path))

    heard = all_heard(tmp_path)
    programs = [" ".join(one.said) for one in heard if one.event == "started"]
    assert any("-m worker" in program for program in programs)
    assert any("-m models.serving.host" in program for program in programs), (
        "the host's environment lets us in"
    )
    home = (urlsplit(stack.url).hostname, urlsplit(stack.url).port)
    elsewhere = [one for one in heard if not is_at_home(one, home)]
    assert elsewhere == []
    assert any(one.event == "socket.connect" for one in heard)
    installed = [one for one in heard if one.event in STARTING and re.search(r"\b(pip|uv)\b", str(one.said))]
    assert installed == []
    assert list((tmp_path / "home").rglob("*")) == []


def test_what_talks_to_others_would_be_heard(stack: StackInfo, tmp_path: Path) -> None:
    talk = """
        import socket, subprocess, sys
        socket.getaddrinfo("localhost", 80)
        socket.socket().connect_ex(("127.0.0.2", 9))
        socket.socket(type=socket.SOCK_DGRAM).sendto(b"", ("127.0.0.2", 53))
        subprocess.run([sys.executable, "-c", "import socket; socket.gethostbyname('localhost')"])
    """
    ear = {**os.environ, **with_an_ear(tmp_path)}
    subprocess.run([sys.executable, "-c", textwrap.dedent(talk)], env=ear, check=True, timeout=60)

    home = (urlsplit(stack.url).hostname, urlsplit(stack.url).port)
    elsewhere = [one.event for one in all_heard(tmp_path) if not is_at_home(one, home)]
    assert elsewhere == ["socket.getaddrinfo", "socket.connect", "socket.sendto", "socket.gethostbyname"]


def with_an_ear(folder: Path) -> dict[str, str]:
    """The environment of a process that is to be heard, and its children."""
    (folder / "ear").mkdir()
    (folder / "ear" / "sitecustomize.py").write_text(EAR)
    return {"PYTHONPATH": str(folder / "ear"), "EAR": str(folder / "heard")}


def all_heard(folder: Path) -> list[Heard]:
    return [Heard(*json.loads(line)) for line in (folder / "heard").read_text().splitlines()]


def is_at_home(heard: Heard, home: tuple[str | None, int | None]) -> bool:
    """Whether it is no use of the network, or of our Supabase only, by its address."""
    match heard:
        case Heard(event="socket.connect" | "socket.sendto" | "socket.sendmsg", said=[[host, port, *_]]):
            return (host, port) == home
        case Heard(event="socket.connect" | "socket.sendto" | "socket.sendmsg"):
            return True  # a file, or whom a socket was connected to before
        case Heard(event="socket.getaddrinfo", said=[host, _]):
            return bool(host == home[0])  # a number: nobody is asked for it
    return not heard.event.startswith("socket.")


@pytest.mark.parametrize("weights", ["tiny"], indirect=True)
def test_no_library_reaches_out_from_native_code(
    work: Callable[..., None], stack: StackInfo, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    asking = "trace=connect,sendto,sendmsg,sendmmsg"
    watch = ("strace", "-f", "-qq", "--seccomp-bpf", "-e", asking, "-o", str(calls))
    if shutil.which("strace") is None or subprocess.run([*watch, "true"], check=False).returncode:
        pytest.skip("strace is not installed, or may not watch here")
    work(watch=watch)

    lines = calls.read_text().splitlines()
    addressed = [line for line in lines if "sa_family=" in line and "sa_family=AF_UNIX" not in line]
    port = urlsplit(stack.url).port
    ours = f'sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr("127.0.0.1")'
    assert [line for line in addressed if ours not in line] == []
    assert addressed != []
