"""JPEG 2000 and JPEG XL are decoded by another process, which is held to an amount of memory."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from datetime import datetime
from importlib import util
from typing import Any

import pytest
from PIL import Image

from models.errors import TooLarge, Unreadable, UnsupportedFormat
from models.pictures import apart, apart_process
from models.pictures.capture import read_capture
from models.pictures.demand import Header, read_header
from models.pictures.picture import open_picture
from models.pictures.sniff import Format
from tests.models.pictures.boxes import box
from tests.models.pictures.documents import EXIF_IN_JP2, XMP_IN_JP2, jpeg2000
from tests.models.pictures.mutations import drawing, encoded, exif_of, profile_of, samples
from tests.paths import ROOT

pylibjxl = pytest.importorskip("pylibjxl")
numpy = pytest.importorskip("numpy")

PHOTO = drawing(161, 121)
DATED = exif_of([(0x0112, 3, 1, 6)], [(0x9003, 2, 20, b"2024:06:01 12:00:00\0")])[6:]


def jpeg_xl(image: Image.Image, **options: Any) -> bytes:
    data: bytes = pylibjxl.encode(numpy.asarray(image), lossless=True, effort=1, **options)
    return data


FILES = {
    "JPEG XL": (jpeg_xl(PHOTO), Format.JPEG_XL, PHOTO),
    "JPEG XL in boxes": (jpeg_xl(PHOTO, exif=DATED), Format.JPEG_XL, PHOTO),
    "JPEG 2000": (jpeg2000(PHOTO), Format.JPEG2000, PHOTO),
    "JPEG 2000 without boxes": (encoded(PHOTO, "JPEG2000", no_jp2=True), Format.JPEG2000, PHOTO),
    "JPEG 2000 in grey": (jpeg2000(PHOTO.convert("L")), Format.JPEG2000, PHOTO.convert("L")),
}


@pytest.mark.parametrize("name", FILES)
def test_every_pixel_is_that_of_the_file(name: str) -> None:
    data, kind, image = FILES[name]
    picture = open_picture(data)
    assert (picture.format, picture.width, picture.height) == (kind, 161, 121)
    assert picture.upright().tobytes() == image.convert("RGB").tobytes()


@pytest.mark.parametrize("kind", ["JPEG XL", "JPEG 2000"])
def test_what_is_transparent_is_white(kind: str) -> None:
    clear = PHOTO.convert("RGBA")
    clear.putalpha(0)
    data = jpeg_xl(clear) if kind == "JPEG XL" else jpeg2000(clear)
    assert open_picture(data).upright().getextrema() == ((255, 255),) * 3


def test_what_a_jpeg_said_its_jpeg_xl_says() -> None:
    """Transcoded, it keeps EXIF in a packed box, and its orientation in the codestream, which is applied."""
    data = samples()["jpeg"]
    picture, jpeg = open_picture(pylibjxl.jpeg_to_jxl(data)), open_picture(data)
    assert (picture.width, picture.height) == (jpeg.width, jpeg.height) == (120, 160)
    assert read_capture(picture.metadata) == read_capture(jpeg.metadata)
    assert read_capture(picture.metadata).times
    assert picture.profile is not None
    again = open_picture(pylibjxl.jpeg_to_jxl(data), orientation=6)
    assert (again.width, again.height) == (120, 160)


def test_exif_does_not_turn_a_jpeg_xl() -> None:
    picture = open_picture(jpeg_xl(PHOTO, exif=DATED))
    assert (picture.width, picture.height) == (161, 121)
    assert read_capture(picture.metadata).times


def test_boxes_of_a_jpeg_2000_tell_time_and_way_up_and_colours() -> None:
    beside = box(b"uuid", EXIF_IN_JP2 + DATED), box(b"uuid", XMP_IN_JP2 + b"<x:xmpmeta/>")
    picture = open_picture(jpeg2000(PHOTO, *beside, profile=profile_of("sRGB")))
    assert (picture.width, picture.height) == (121, 161)
    assert read_capture(picture.metadata).times[0].moment.at == datetime(2024, 6, 1, 12)  # noqa: DTZ001
    assert (picture.metadata.xmp, picture.profile) == (b"<x:xmpmeta/>", profile_of("sRGB"))


def test_a_jpeg_2000_is_decoded_no_larger_than_needed() -> None:
    large = Image.linear_gradient("L").resize((1600, 1200)).convert("RGB")
    picture = open_picture(jpeg2000(large), short_side=100)
    assert (picture.width, picture.height, picture.pixels.size) == (1600, 1200, (200, 150))
    seen = picture.upright(long_side=100)
    assert [seen.getpixel((50, y))[0] for y in (0, 37, 74)] == pytest.approx([2, 128, 253], abs=4)  # type: ignore[index]
    odd = open_picture(jpeg2000(large.resize((1601, 1201))), short_side=100)
    assert (odd.width, odd.height, odd.upright(long_side=100).size) == (1601, 1201, (100, 75))


@pytest.mark.parametrize("name", FILES)
def test_header_is_read_and_limited_before_pixels(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data, kind, _ = FILES[name]
    assert read_header(io.BytesIO(data)) == Header(format=kind, width=161, height=121)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("it was about to be decoded"))
    with pytest.raises(TooLarge, match="161 x 121"):
        open_picture(data, max_pixels=161 * 121 - 1)


@pytest.mark.parametrize("size", [(8, 8), (256, 8), (40, 30), (1024, 512), (1000, 7), (9, 5000), (640, 360)])
def test_every_way_to_write_a_size_is_read(size: tuple[int, int]) -> None:
    data = jpeg_xl(Image.new("RGB", size))
    assert read_header(io.BytesIO(data)) == Header(format=Format.JPEG_XL, width=size[0], height=size[1])


def test_the_codestream_of_a_jpeg_2000_says_how_large_it_is() -> None:
    """Its container may say less, for the memory of both to be asked for."""
    data = bytearray(jpeg2000(PHOTO))
    at = data.index(b"\xff\x4f\xff\x51") + 8
    data[at : at + 8] = (30_000).to_bytes(4, "big") * 2
    with pytest.raises(TooLarge, match="30000 x 30000"):
        open_picture(bytes(data))


def test_many_channels_are_no_photo() -> None:
    data = bytearray(jpeg2000(PHOTO))
    at = data.index(b"\xff\x4f\xff\x51") + 40
    data[at : at + 2] = (200).to_bytes(2, "big")
    with pytest.raises(UnsupportedFormat, match="200 channels"):
        open_picture(bytes(data))


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_are_unreadable(name: str) -> None:
    data, _, _ = FILES[name]
    for cut in (12, len(data) // 3):
        with pytest.raises(Unreadable):
            open_picture(data[:cut])


def test_a_file_that_takes_more_memory_than_its_size_tells_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    large = jpeg_xl(Image.new("RGB", (4000, 4000)))
    assert open_picture(large).width == 4000
    monkeypatch.setattr(apart, "BYTES_PER_PIXEL", 0)
    monkeypatch.setattr(apart, "_BYTES_FOR_ANY", 24 << 20)
    with pytest.raises(Unreadable):
        open_picture(large)


@pytest.mark.parametrize("number", ["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"])
def test_of_a_process_that_is_ended_from_outside_nothing_is_known(
    number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the system, short of memory, or by who stops the service with all that belongs to it."""
    killed = [sys.executable, "-c", f"import os, signal; os.kill(os.getpid(), signal.{number})"]
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda _, **options: run(killed, **options))
    with pytest.raises(MemoryError):
        open_picture(FILES["JPEG XL"][0])


def test_who_interrupts_the_worker_does_not_interrupt_what_it_decodes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = "import os, sys; print(os.getpgid(0), file=sys.stderr); sys.exit(1)"
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda _, **options: run([sys.executable, "-c", told], **options))
    with pytest.raises(Unreadable) as raised:
        open_picture(FILES["JPEG XL"][0])
    assert str(raised.value).split()[-1] != str(os.getpgid(0))


def test_a_process_that_nobody_waits_for_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setattr(apart_process.resource, "setrlimit", lambda *limit: limits.append(limit))
    monkeypatch.setattr(sys, "argv", ["", "jxl", "1", str(1 << 28)])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"no picture")))
    with pytest.raises(SystemExit):
        apart_process.main()
    seconds = dict(limits)[apart_process.resource.RLIMIT_CPU][1]
    assert apart._SECONDS < seconds < 600


def test_where_there_is_no_decoder_the_format_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "find_spec", lambda name: None)
    with pytest.raises(UnsupportedFormat, match="pylibjxl"):
        open_picture(FILES["JPEG XL"][0])
    assert util.find_spec("pylibjxl") is not None


def test_other_threads_run_while_a_jpeg_2000_is_decoded() -> None:
    data = jpeg2000(Image.effect_noise((1500, 1000), 60).convert("RGB"))
    longest, stopped = 0.0, threading.Event()

    def tick() -> None:
        nonlocal longest
        last = time.monotonic()
        while not stopped.is_set():
            time.sleep(0.001)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()

    ticking = threading.Thread(target=tick)
    ticking.start()
    try:
        began = time.monotonic()
        open_picture(data)
        took = time.monotonic() - began
    finally:
        stopped.set()
        ticking.join()
    assert longest < took / 2


def test_the_process_is_told_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []
    run = subprocess.run

    def noted(command: list[str], **options: Any) -> Any:
        seen.append(options["env"])
        return run(command, **options)

    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", "secret")
    monkeypatch.setattr(subprocess, "run", noted)
    open_picture(FILES["JPEG XL"][0])
    assert "secret" not in seen[0].values()


def test_the_module_says_what_it_takes() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "models.pictures.apart_process", "jxl", "1", str(1 << 28)],
        input=b"no picture",
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (1, b"")
    assert len(run.stderr.splitlines()) == 1
