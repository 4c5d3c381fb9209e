"""`scripts/run`, after the installing: a folder goes in, and what is there is counted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.library import jpeg
from worker.local.stack import LocalStack

pytestmark = [pytest.mark.stack, pytest.mark.slow]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "kizu"
    yield home
    LocalStack(home).down()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight photos, one that ends early, and one file that only says it is one."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number:02d}.jpg").write_bytes(jpeg(1200 + number, 800))
    (folder / "cut.jpg").write_bytes(jpeg()[:300])
    (folder / "letter.jpg").write_text("Dear Sir or Madam")
    return folder


def demo(home: Path, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SUPABASE")}
    return subprocess.Popen(
        [sys.executable, "-m", "worker.demo", *arguments, "--no-open"],
        env={
            **environment,
            "KIZU_HOME": str(home),
            "MODEL_CACHE_DIR": str(home / "models"),
            "MODEL_DOWNLOADS": "false",
            **variables,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def summary(home: Path, *arguments: str, **variables: str) -> dict[str, Any]:
    run = demo(home, *arguments, "--json", **variables)
    out, _ = run.communicate(timeout=300)
    assert run.returncode == 0
    (line,) = out.decode().splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_folder_is_taken_through_once(home: Path, folder: Path) -> None:
    first = summary(home, str(folder))
    assert first.pop("seconds") > 0
    assert first.pop("url").startswith("http://127.0.0.1:")
    assert first == {
        "assets": 9,
        "jobs": {"completed": 16, "failed": 2},
        "errors": {"unreadable": 2},
        "import": {
            "files": 9,
            "uploaded": 9,
            "already_queued": 9,
            "failures": [],
            "left_out": [
                {
                    "path": str(folder / "letter.jpg"),
                    "code": "not_an_image",
                    "reason": "expected an image, found text",
                }
            ],
            "reasons": {"not_an_image": 1},
            "stopped": None,
        },
        "operations": {
            **{
                name: {"done": 0, "missing": 8, "why": "weights_missing"}
                for name in ("describe", "embedding", "faces", "objects")
            },
            **{name: {"done": 8, "missing": 0, "why": None} for name in ("hashes", "ocr", "quality")},
        },
        "suggestion": None,
    }
    assert len(list((home / "contact-sheet").glob("*.jpg"))) == 8
    again = summary(home, str(folder))
    assert again["import"]["already_there"] == 9
    assert {name: again[name] for name in first if name != "import"} == {
        name: first[name] for name in first if name != "import"
    }


def test_what_does_not_come_in_is_named_and_the_rest_goes_on(home: Path, folder: Path) -> None:
    os.mkfifo(folder / "pipe.jpg")
    (folder / "broken.jpg").symlink_to("gone.jpg")
    (folder / "long.jpg").write_bytes(jpeg() + bytes(300_000))
    run = demo(home, str(folder), MAX_DOWNLOAD_BYTES="250000")
    out, err = (said.decode() for said in run.communicate(timeout=300))
    assert run.returncode == 1
    assert "Traceback" not in out + err
    for line in (
        "10 pictures: 9 uploaded",
        "did not come in: 1 file (too_large: more than Storage or the worker takes)",
        f"  {folder / 'pipe.jpg'}: it is a pipe, a socket or a device",
        f"  {folder / 'broken.jpg'}: it is a symbolic link to nothing",
        f"  {folder / 'letter.jpg'}: expected an image, found text",
    ):
        assert line in err
        assert line.replace("'", "&#x27;") in (home / "contact-sheet" / "index.html").read_text()
    assert "unreadable" in out, "what a worker found of the photo that ends early"
    assert "kizu models pull" in out


def test_a_folder_without_pictures_says_what_is_in_it(home: Path, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.jpg").write_text("Dear Sir or Madam")
    run = demo(home, str(tmp_path / "letters"))
    _, err = run.communicate(timeout=300)
    assert run.returncode == 2
    assert "a.jpg: expected an image, found text" in err.decode()


def test_the_samples_show_every_format_and_a_failure(home: Path) -> None:
    found = summary(home)
    assert found["jobs"]["completed"] >= 22
    assert found["errors"] == {"unreadable": 2}
    assert list((home / "samples").glob("*.heic"))


def test_what_was_killed_goes_on(home: Path, folder: Path) -> None:
    run = demo(home, str(folder), "--json")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list((home / "storage").rglob("thumbnail.jpg*")):
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.communicate(timeout=60)
    found = summary(home, str(folder))
    assert found["jobs"] == {"completed": 16, "failed": 2}


def test_models_that_have_come_meanwhile_look_at_what_is_there(
    home: Path, tmp_path: Path, tiny_models: Path
) -> None:
    photos = tmp_path / "few"
    photos.mkdir()
    for number in range(2):
        (photos / f"{number}.jpg").write_bytes(jpeg(colour=("red", "blue")[number]))
    (photos / "cut.jpg").write_bytes(jpeg()[:300])
    first = summary(home, str(photos))
    assert first["operations"]["faces"] == {"done": 0, "missing": 2, "why": "weights_missing"}
    for _ in range(2):
        found = summary(home, str(photos), MODEL_PROFILE="tiny", MODEL_CACHE_DIR=str(tiny_models))
        assert {tuple(entry.values()) for entry in found["operations"].values()} == {(2, 0, None)}
        assert found["errors"] == {"unreadable": 2}
        assert found["jobs"] == {"completed": 6, "failed": 2}
