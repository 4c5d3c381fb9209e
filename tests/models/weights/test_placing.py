"""Fetched files put where they belong: on disks without room, and out of archives of every kind."""

from __future__ import annotations

import errno
import gzip
import shutil
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from pathlib import Path

import httpx
import pytest

from models.errors import BadWeights, WeightsMissing
from models.weights.download import Wanted, fetch
from tests.models.weights.fetching import CONTENT, get, left_over, packed, tarred, wanted
from tests.models.weights.shelf import serve


def test_disk_without_room_is_told_before(
    tmp_path: Path, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    with (
        serve(CONTENT) as shelf,
        pytest.raises(WeightsMissing, match=r"no room .* 1 MB are needed and 1 MB free"),
    ):
        get(shelf.url, wanted(tmp_path), client)
    assert left_over(tmp_path) == []


def test_disk_that_fills_up_is_left_as_it_was(tmp_path: Path) -> None:
    script = """
        import resource, sys
        from pathlib import Path
        from models.weights.download import Wanted, fetch, make_client
        from models.errors import WeightsMissing
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
        try:
            with make_client() as client:
                wanted = [Wanted(Path(sys.argv[2]), None, None, None)]
                fetch(sys.argv[1], wanted, lambda *_: None, client=client)
        except WeightsMissing as error:
            print(error)
    """
    with serve(CONTENT) as shelf:
        told = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script), shelf.url, str(tmp_path / "model.bin")],
            capture_output=True,
            text=True,
            check=True,
        )
    assert told.stdout.startswith("there is no room for weights in")
    assert left_over(tmp_path) == []


def test_folder_that_cannot_be_written_is_told(tmp_path: Path, client: httpx.Client) -> None:
    (tmp_path / "weights").write_text("not a folder")
    with serve(CONTENT) as shelf, pytest.raises(WeightsMissing, match="cannot be kept"):
        get(shelf.url, wanted(tmp_path), client)


# Archives


def test_two_members_come_of_one_download(tmp_path: Path, client: httpx.Client) -> None:
    archive = packed(
        ("pack/det.onnx", b"detector"), ("pack/rec.onnx", b"recogniser"), ("pack/age.onnx", b"no")
    )
    files = [Wanted(tmp_path / name, name, None, None) for name in ("det.onnx", "rec.onnx")]
    with serve(archive, "pack.zip", cuts=[50]) as shelf:
        fetch(shelf.url, files, lambda *_: None, client=client, pause=0.001)
    assert len(shelf.asked) == 2
    assert [file.target.read_bytes() for file in files] == [b"detector", b"recogniser"]
    assert left_over(tmp_path) == ["det.onnx", "rec.onnx"]


def test_member_is_written_to_its_target_whatever_it_calls_itself(
    tmp_path: Path, client: httpx.Client
) -> None:
    archive = packed(("../../../model.bin", CONTENT), ("/etc/other", b"x"))
    with serve(archive, "pack.zip") as shelf:
        get(shelf.url, wanted(tmp_path, member="model.bin"), client)
    assert left_over(tmp_path) == ["model.bin"]
    assert not (tmp_path.parent / "model.bin").exists()


BOMB = packed(("model.bin", bytes(5_000_000)))
LOCKED = bytearray(packed(("model.bin", CONTENT)))
LOCKED[6] |= 1
LOCKED[LOCKED.rindex(b"PK\1\2") + 8] |= 1
DAMAGED = bytearray(packed(("model.bin", CONTENT)))
DAMAGED[200:260] = bytes(60)
NAMELESS = packed(("model.bin", CONTENT)).replace(b"model.bin", b"\0odel.bin")
NONSENSE = bytearray(packed(("model.bin", CONTENT), way=zipfile.ZIP_BZIP2))
NONSENSE[60:80] = bytes(20)


@pytest.mark.parametrize(
    ("archive", "match"),
    [
        (packed(("other.bin", b"x")), "holds 0 files called model.bin"),
        (packed(("a/model.bin", b"x"), ("b/model.bin", b"y")), "holds 2 files called model.bin"),
        (packed(("model.bin", b"x")), "has 1 bytes, expected 1048576"),
        (BOMB, "has 5000000 bytes, expected 1048576"),
        (packed(("model.bin", bytes(len(CONTENT)))), "has SHA-256"),
        (b"no archive at all", "cannot be unpacked"),
        (packed(("model.bin", CONTENT))[:-10], "cannot be unpacked"),
        (bytes(LOCKED), "cannot be unpacked"),
        (bytes(DAMAGED), "cannot be unpacked|another number"),
        (NAMELESS, "cannot be unpacked"),
        (bytes(NONSENSE), "cannot be unpacked"),
    ],
)
def test_wrong_archive_leaves_nothing(
    tmp_path: Path, client: httpx.Client, archive: bytes, match: str
) -> None:
    with serve(archive, "pack.zip") as shelf, pytest.raises(BadWeights, match=match):
        get(shelf.url, wanted(tmp_path, member="model.bin", size=len(CONTENT)), client)
    assert left_over(tmp_path) == []


def test_archive_that_lies_about_a_size_is_not_unpacked_beyond_it(
    tmp_path: Path, client: httpx.Client
) -> None:
    archive = bytearray(packed(("model.bin", CONTENT)))
    for at in (archive.index(b"PK\3\4") + 22, archive.rindex(b"PK\1\2") + 24):
        archive[at : at + 4] = (1000).to_bytes(4, "little")
    with serve(bytes(archive), "pack.zip") as shelf, pytest.raises(BadWeights):
        get(shelf.url, wanted(tmp_path, member="model.bin", size=1000, sha256=None), client)
    assert left_over(tmp_path) == []


def test_member_of_a_tar_is_written_to_its_target_whatever_it_calls_itself(
    tmp_path: Path, client: httpx.Client
) -> None:
    archive = tarred(("../../../model.bin", CONTENT), ("/etc/other", b"x"), ("folder-" * 40 + "/long", b"y"))
    with serve(archive, "pack.tgz") as shelf:
        get(shelf.url, wanted(tmp_path, member="model.bin"), client)
    assert left_over(tmp_path) == ["model.bin"]
    assert not (tmp_path.parent / "model.bin").exists()
    assert (tmp_path / "weights" / "model.bin").stat().st_mode & 0o111 == 0


def header(kind: bytes, **about: object) -> tarfile.TarInfo:
    found = tarfile.TarInfo("model.bin")
    found.type = kind
    for name, value in about.items():
        setattr(found, name, value)
    return found


def with_size(size: bytes) -> bytes:
    """A gzipped tar whose one header announces another size than it has content."""
    plain = bytearray(header(tarfile.REGTYPE).tobuf(tarfile.USTAR_FORMAT))
    plain[124:136] = size
    plain[148:156] = b"%06o\0 " % (256 + sum(plain[:148]) + sum(plain[156:512]))
    return gzip.compress(bytes(plain) + CONTENT)


LONG = header(tarfile.GNUTYPE_LONGNAME, size=5_000_000)


@pytest.mark.parametrize(
    ("archive", "match"),
    [
        (tarred(("other.bin", b"x")), "holds 0 files called model.bin"),
        (tarred(("a/model.bin", b"x"), ("b/model.bin", b"y")), "holds 2 files called model.bin"),
        (tarred((header(tarfile.SYMTYPE, linkname="/etc/hostname"), b"")), "holds 0 files"),
        (tarred(("x", CONTENT), (header(tarfile.LNKTYPE, linkname="x"), b"")), "holds 0 files"),
        (tarred((header(tarfile.DIRTYPE), b"")), "holds 0 files"),
        (tarred((header(tarfile.CHRTYPE, devmajor=1, devminor=5), b"")), "holds 0 files"),
        (tarred((header(tarfile.FIFOTYPE), b"")), "holds 0 files"),
        (tarred(("model.bin", b"x")), "has 1 bytes, expected 1048576"),
        (tarred(("model.bin", bytes(5_000_000))), "has 5000000 bytes, expected 1048576"),
        (tarred(("model.bin", bytes(len(CONTENT)))), "has SHA-256"),
        (tarred((LONG, bytes(5_000_000)), ("x", b"")), "not of any size that headers have"),
        (tarred(("zeros", bytes(70 * 1024**2)), ("model.bin", CONTENT)), "unpacks to more than"),
        (with_size(b"\xff" * 12), "without end|cannot be unpacked|holds 0"),
        (with_size(b"77777777777\0"), "unpacks to more than"),
        (tarred(("model.bin", CONTENT))[:-2000], "cannot be unpacked"),
        (gzip.compress(b"no tar at all", mtime=0), "cannot be unpacked"),
        (b"\x1f\x8b no gzip at all", "cannot be unpacked"),
    ],
    ids=lambda value: value if type(value) is str else "",  # archives hold the time
)
def test_wrong_tar_leaves_nothing(tmp_path: Path, client: httpx.Client, archive: bytes, match: str) -> None:
    with serve(archive, "pack.tgz") as shelf, pytest.raises(BadWeights, match=match):
        get(shelf.url, wanted(tmp_path, member="model.bin", size=len(CONTENT)), client)
    assert left_over(tmp_path) == []


def test_no_room_to_unpack_leaves_nothing(
    tmp_path: Path, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("models.weights.placing._copy", full)
    with (
        serve(packed(("model.bin", CONTENT)), "pack.zip") as shelf,
        pytest.raises(WeightsMissing, match="no room"),
    ):
        get(shelf.url, wanted(tmp_path, member="model.bin"), client)
    assert left_over(tmp_path) == []
