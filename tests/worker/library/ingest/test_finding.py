"""What is found below folders, by content, and what is left out with its reason."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.acceptance.library import jpeg
from tests.models.pictures.siblings import apple_exif, jpeg_with, mov
from worker.library.ingest import looking
from worker.library.ingest.finding import Found, Unused, find
from worker.library.ingest.looking import RAW_TYPES

JPEG = jpeg(8, 8)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
HEIC = b"\0\0\0\x18ftypheic" + bytes(12)


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def photos(*paths: Path) -> list[str]:
    return [f"{one.folder}:{one.photo.main.name}" for one in find(paths) if isinstance(one, Found)]


def left_out(*paths: Path) -> dict[str, str]:
    return {one.left.path.name: one.left.code for one in find(paths) if isinstance(one, Unused)}


# By content


@pytest.mark.parametrize(
    ("name", "data", "mime_type", "ending"),
    [
        ("a.jpg", JPEG, "image/jpeg", ".jpg"),
        ("a.JPEG", JPEG, "image/jpeg", ".jpg"),
        ("a.jpe", JPEG, "image/jpeg", ".jpg"),
        ("a.jfif", JPEG, "image/jpeg", ".jpg"),
        ("a.mpo", JPEG, "image/jpeg", ".jpg"),
        ("a.hif", HEIC, "image/heic", ".heic"),
        ("a.psd", b"8BPS" + bytes(40), "image/vnd.adobe.photoshop", ".psd"),
        ("a.jxl", b"\xff\x0a" + bytes(40), "image/jxl", ".jxl"),
        ("a.jpf", b"\0\0\0\x0cjP  " + bytes(40), "image/jp2", ".jp2"),
        ("a.png", JPEG, "image/jpeg", ".jpg"),
        ("a.jpg", PNG, "image/png", ".png"),
        ("IMG_0001", JPEG, "image/jpeg", ".jpg"),
        ("a.txt", JPEG, "image/jpeg", ".jpg"),
        ("a.mp4", HEIC, "image/heic", ".heic"),
        ("a.dng", JPEG, "image/jpeg", ".jpg"),
        ("a.dng", b"II*\0" + bytes(40), RAW_TYPES[".dng"], ".dng"),
        ("a.CR2", b"II*\0" + bytes(40), RAW_TYPES[".cr2"], ".cr2"),
        ("a.tif", b"II*\0" + bytes(40), "image/tiff", ".tiff"),
    ],
)
def test_content_decides_what_is_a_picture(
    tmp_path: Path, name: str, data: bytes, mime_type: str, ending: str
) -> None:
    write(tmp_path, {name: data})
    [found] = find([tmp_path])
    assert isinstance(found, Found)
    main = found.photo.main
    assert (main.name, main.mime_type, main.ending, main.size) == (name, mime_type, ending, len(data))


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("letter.jpg", b"Dear Sir or Madam", "not_an_image"),
        ("page.jpg", b"<!doctype html><html>", "not_an_image"),
        ("empty.jpg", b"", "empty"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_format"),
        ("film.mp4", mov(made=None, seconds=60, brand=b"isom"), "video"),
        ("film.jpg", mov(made=None, seconds=60), "video"),
        ("film.mkv", b"\x1a\x45\xdf\xa3" + bytes(40), "video"),
        ("film.avi", b"RIFF\0\0\0\0AVI LIST", "video"),
        ("lonely.xmp", b"<x:xmpmeta><rdf:RDF/></x:xmpmeta>", "sidecar"),
        ("lonely.jpg.json", b'{"title": "lonely.jpg", "photoTakenTime": {}}', "sidecar"),
        ("package.json", b'{"name": "left-pad"}', "not_an_image"),
        ("notes.xmp", b"not XML at all", "not_an_image"),
        ("cut.bmp", b"BM\0\0", "unreadable"),
        (".hidden.jpg", JPEG, "hidden"),
        ("._a.jpg", JPEG, "hidden"),
    ],
)
def test_what_is_no_picture_is_left_out_with_its_reason(
    tmp_path: Path, name: str, data: bytes, code: str
) -> None:
    write(tmp_path, {name: data, "a.jpg": JPEG})
    assert left_out(tmp_path) == {name: code}
    assert photos(tmp_path) == [":a.jpg"]


def test_a_file_keeps_when_it_was_written(tmp_path: Path) -> None:
    write(tmp_path, {"a.jpg": JPEG, "b.jpg": JPEG})
    os.utime(tmp_path / "a.jpg", (0, 1_700_000_000))
    times = [one.photo.main.modified for one in find([tmp_path]) if isinstance(one, Found)]
    assert times[0] == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


# Folders


def test_folders_are_told_below_what_was_named(tmp_path: Path) -> None:
    write(tmp_path, {"b.jpg": JPEG, "2024/Rome/x.jpg": JPEG, "2024/a.jpg": JPEG})
    assert photos(tmp_path) == [":b.jpg", "2024:a.jpg", "2024/Rome:x.jpg"]
    assert photos(tmp_path / "2024") == [":a.jpg", "Rome:x.jpg"]
    assert photos(tmp_path / "2024" / "a.jpg") == [":a.jpg"]


def test_hidden_folders_and_those_of_disk_stations_are_not_entered(tmp_path: Path) -> None:
    write(
        tmp_path,
        {".trash/a.jpg": JPEG, "@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg": JPEG, "folder.jpg/in.jpg": JPEG},
    )
    assert photos(tmp_path) == ["folder.jpg:in.jpg"]
    assert left_out(tmp_path) == {".trash": "hidden", "@eaDir": "hidden"}


def test_who_names_a_hidden_folder_or_a_link_means_it(tmp_path: Path) -> None:
    write(tmp_path, {".hidden/photo.jpg": JPEG, ".hidden/.thumbnails/photo.jpg": JPEG})
    (tmp_path / "link.jpg").symlink_to(tmp_path / ".hidden" / "photo.jpg")
    (tmp_path / "link").symlink_to(tmp_path / ".hidden")
    for named in (".hidden", "link"):
        assert photos(tmp_path / named) == [":photo.jpg"]
    assert photos(tmp_path / "link.jpg") == [":link.jpg"]


def test_named_files_of_a_folder_are_put_together(tmp_path: Path) -> None:
    """What a shell makes of `*` is a folder, too."""
    exif = apple_exif("2024:06:01 12:00:00")
    write(tmp_path, {"IMG_1.JPG": jpeg_with(exif), "IMG_1.DNG": exif, "letter.txt": b"Dear all"})
    found = list(find(sorted(tmp_path.iterdir())))
    assert [part.file.name for one in found if isinstance(one, Found) for part in one.photo.parts] == [
        "IMG_1.DNG"
    ]
    assert [(one.left.code, one.is_named) for one in found if isinstance(one, Unused)] == [
        ("not_an_image", True)
    ]


# What is no file, or cannot be read


def test_pipes_sockets_and_links_are_named_and_nobody_waits_for_them(tmp_path: Path) -> None:
    write(tmp_path, {"a.jpg": JPEG})
    os.mkfifo(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket.jpg"))
        (tmp_path / "link.jpg").symlink_to("a.jpg")
        (tmp_path / "broken.jpg").symlink_to("gone.jpg")
        (tmp_path / "loop").symlink_to("loop")
        expected = {
            "pipe.jpg": "special",
            "socket.jpg": "special",
            "link.jpg": "link",
            "broken.jpg": "link",
            "loop": "link",
        }
        assert left_out(tmp_path) == expected
        assert photos(tmp_path) == [":a.jpg"]
        assert left_out(tmp_path / "pipe.jpg", tmp_path / "socket.jpg") == {
            "pipe.jpg": "special",
            "socket.jpg": "special",
        }
        assert left_out(tmp_path / "broken.jpg", tmp_path / "gone.jpg") == {
            "broken.jpg": "not_found",
            "gone.jpg": "not_found",
        }


def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    """Between listing and opening; and likewise a link, which may lead anywhere."""
    os.mkfifo(tmp_path / "a.jpg")
    assert getattr(looking.look(tmp_path / "a.jpg"), "code", None) == "special"
    (tmp_path / "b.jpg").symlink_to("a.jpg")
    assert getattr(looking.look(tmp_path / "b.jpg"), "code", None) == "link"
    assert getattr(looking.look(tmp_path / "gone.jpg"), "code", None) == "not_found"


def test_a_name_that_is_no_text_is_a_name(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    write(tmp_path, {name: JPEG})
    assert photos(tmp_path) == [f":{name}"]


def test_what_cannot_be_opened_is_named_and_the_rest_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Permissions do not bind root, who may run this: the system's answers are played."""
    write(
        tmp_path, {"a.jpg": JPEG, "locked.jpg": JPEG, "torn.jpg": JPEG, "shut/x.jpg": JPEG, "z/y.jpg": JPEG}
    )
    really_open, really_scan = os.open, os.scandir

    def open_(path: Path, *rest: int) -> int:
        if Path(path).name == "locked.jpg":
            raise PermissionError(errno.EACCES, "Permission denied")
        if Path(path).name == "torn.jpg":
            raise OSError(errno.EIO, "Input/output error")
        return really_open(path, *rest)

    def scandir(path: Path) -> Iterator[os.DirEntry[str]]:
        if Path(path).name == "shut":
            raise PermissionError(errno.EACCES, "Permission denied")
        return really_scan(path)

    monkeypatch.setattr(os, "open", open_)
    monkeypatch.setattr(os, "scandir", scandir)
    assert photos(tmp_path) == [":a.jpg", "z:y.jpg"]
    assert left_out(tmp_path) == dict.fromkeys(("locked.jpg", "torn.jpg", "shut"), "unreadable")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_told_what_is_shut() -> None:
    """The same by the system itself, as a user whom permissions bind."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, {"a.jpg": JPEG, "locked.jpg": JPEG, "shut/x.jpg": JPEG})
        folder.chmod(0o755)
        (folder / "locked.jpg").chmod(0)
        (folder / "shut").chmod(0)
        os.seteuid(65534)
        try:
            found, left = photos(folder), left_out(folder)
        finally:
            os.seteuid(0)
    assert found == [":a.jpg"]
    assert left == {"locked.jpg": "unreadable", "shut": "unreadable"}


def test_a_folder_that_vanishes_meanwhile_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"a.jpg": JPEG, "b/x.jpg": JPEG, "c/y.jpg": JPEG})
    found = find([tmp_path])
    next(found)
    (tmp_path / "b" / "x.jpg").unlink()
    (tmp_path / "b").rmdir()
    rest = list(found)
    assert [(one.left.path.name, one.left.code) for one in rest if isinstance(one, Unused)] == [
        ("b", "not_found")
    ]
    assert [one.photo.main.name for one in rest if isinstance(one, Found)] == ["y.jpg"]


def test_folders_are_listed_as_they_are_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library of a million files is not listed before its first photo comes in."""
    write(tmp_path, {f"{number:02}/a.jpg": JPEG for number in range(20)})
    listed: list[str] = []
    really_scan = os.scandir

    def scandir(path: Path) -> Iterator[os.DirEntry[str]]:
        listed.append(Path(path).name)
        return really_scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert isinstance(next(find([tmp_path])), Found)
    assert listed == [tmp_path.name, "00"]
