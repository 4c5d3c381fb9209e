"""`kizu ingest` of a hostile folder on a real stack: what can come in does, and the rest is named."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.acceptance.library import Library, drain, jpeg, personal
from tests.models.pictures.siblings import apple_exif, jpeg_with, mov

pytestmark = [pytest.mark.stack, pytest.mark.slow]

BUCKET_LIMIT = 300_000


@pytest.fixture
def small_bucket(library: Library) -> Iterator[None]:
    """A bucket that takes no large file, as hosted projects have."""
    library.db.execute("update storage.buckets set file_size_limit = %s where id = 'assets'", [BUCKET_LIMIT])
    yield
    library.db.execute("update storage.buckets set file_size_limit = null where id = 'assets'")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Everything that a folder of photos may hold."""
    folder = tmp_path / "photos"
    exif = apple_exif("2024:06:01 12:00:00", content_id="A")
    files = {
        "a.jpg": jpeg(640, 480),
        "Rome/b.jpg": jpeg(641, 480),
        "Rome/copy of b.jpg": jpeg(641, 480),
        "no ending": jpeg(642, 480),
        "really.png": jpeg(645, 480),
        "camera.hif": _heic(),
        "IMG_1.JPG": jpeg_with(exif),
        "IMG_1.MOV": mov(made=None, seconds=3, content_id="A"),
        "IMG_1.DNG": apple_exif("2024:06:01 12:00:00"),
        "IMG_1.JPG.supplemental-metadata.json": b'{"photoTakenTime": {"timestamp": "1"}}',
        "huge.jpg": jpeg(643, 480) + bytes(BUCKET_LIMIT),
        "letter.jpg": b"Dear Sir or Madam",
        "empty.jpg": b"",
        "holiday.mp4": mov(made=None, seconds=90, brand=b"isom"),
        ".thumbs/x.jpg": jpeg(),
    }
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / os.fsdecode(b"caf\xe9.jpg")).write_bytes(jpeg(644, 480))
    (folder / "broken.jpg").symlink_to("gone.jpg")
    os.mkfifo(folder / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listening, contextlib.chdir(folder):
        listening.bind("socket.jpg")  # by a short name, as sockets need one
    return folder


def _heic() -> bytes:
    import pillow_heif

    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (64, 64), "teal")).save(buffer)
    return buffer.getvalue()


def kizu_ingest(library: Library, *arguments: str) -> tuple[int, str, str]:
    """The command as its user runs it, in a process of its own: exit code and what it says."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SUPABASE", "KIZU"))}
    run = subprocess.run(
        [sys.executable, "-m", "worker", "ingest", *arguments],
        env={
            **clean,
            "SUPABASE_URL": library.stack.url,
            "SUPABASE_PUBLISHABLE_KEY": library.stack.publishable_key,
            "KIZU_EMAIL": library.email,
            "KIZU_PASSWORD": library.password,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return run.returncode, run.stdout, run.stderr


def rows(library: Library, query: str) -> list[Any]:
    return library.db.execute(query, [library.user_id]).fetchall()


def test_a_hostile_folder_comes_in_as_far_as_it_can(
    library: Library, folder: Path, small_bucket: None
) -> None:
    code, out, _ = kizu_ingest(library, str(folder), "--json")
    said = json.loads(out)
    assert code == 1
    assert {Path(one["path"]).name: one["code"] for one in said["failures"]} == {"huge.jpg": "too_large"}
    assert {Path(one["path"]).name: one["code"] for one in said["left_out"]} == {
        "letter.jpg": "not_an_image",
        "empty.jpg": "empty",
        "holiday.mp4": "video",
        ".thumbs": "hidden",
        "broken.jpg": "link",
        "pipe.jpg": "special",
        "socket.jpg": "special",
    }
    assert (said["files"], said["uploaded"], said["already_there"], said["parts"]) == (9, 7, 1, 3)
    assert said["stopped"] is None

    assets = rows(library, "select file_name, folder, path from assets where user_id = %s order by file_name")
    assert {(name, where) for name, where, _ in assets} == {
        ("a.jpg", ""),
        ("b.jpg", "Rome"),
        ("no ending", ""),
        ("really.png", ""),
        ("camera.hif", ""),
        ("IMG_1.JPG", ""),
        ("caf\ufffd.jpg", ""),
    }
    assert {path.rpartition(".")[2] for _, _, path in assets} == {"jpg", "heic"}
    parts = rows(library, "select kind, file_name, path from asset_parts where user_id = %s order by kind")
    assert [(kind, name) for kind, name, _ in parts] == [
        ("live", "IMG_1.MOV"),
        ("raw", "IMG_1.DNG"),
        ("sidecar", "IMG_1.JPG.supplemental-metadata.json"),
    ]
    stored = rows(library, "select name from storage.objects where name like %s || '/%%'")
    assert {name for (name,) in stored} == {path for *_, path in [*assets, *parts]}, "no file without its row"


async def test_run_again_it_goes_on(library: Library, folder: Path, small_bucket: None) -> None:
    assert kizu_ingest(library, str(folder))[0] == 1
    await drain(personal(library))
    library.db.execute("update storage.buckets set file_size_limit = null where id = 'assets'")
    code, out, err = kizu_ingest(library, str(folder))
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "9 pictures: 1 uploaded, 8 already there, 7 already done, 1 already queued"
    assert len(rows(library, "select from assets where user_id = %s")) == 8
    again = kizu_ingest(library, str(folder), "--json")
    assert json.loads(again[1])["already_there"] == 9
    assert len(rows(library, "select from assets where user_id = %s")) == 8
    assert len(rows(library, "select from asset_parts where user_id = %s")) == 3


def test_what_was_named_and_is_of_no_use_is_named(library: Library, folder: Path) -> None:
    code, out, err = kizu_ingest(library, str(folder / "letter.jpg"), str(folder / "gone.jpg"))
    assert code == 1
    assert "letter.jpg: expected an image, found text" in out
    assert "gone.jpg: it is not there, or not any more" in err
    assert "Traceback" not in out + err


async def test_a_sidecar_that_comes_later_dates_its_photo(library: Library, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    os.utime(tmp_path / "a.jpg", (0, 1_700_000_000))
    assert kizu_ingest(library, str(tmp_path))[0] == 0
    await drain(personal(library))
    query = "select taken_at_source, extract(epoch from taken_at)::int from assets where user_id = %s"
    assert rows(library, query) == [("file_time", 1_700_000_000)]

    (tmp_path / "a.jpg.json").write_bytes(b'{"photoTakenTime": {"timestamp": "1500000000"}}')
    code, out, _ = kizu_ingest(library, str(tmp_path))
    assert (code, out) == (0, "1 picture: 1 already there, 1 part, 1 enqueued\n")
    await drain(personal(library))
    assert rows(library, query) == [("sidecar", 1_500_000_000)]
