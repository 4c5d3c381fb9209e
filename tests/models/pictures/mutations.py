"""Hundreds of files as strangers and broken disks send them, the same ones every time.

Everything is made here from samples that Pillow draws; real photos are damaged as well if a folder is given.
Each mutation says which results are right: "ok" (a picture comes out) or a code of `models.errors`.
"""

import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pillow_heif
from PIL import Image, ImageCms, ImageDraw

Results = frozenset[str]

OK: Results = frozenset({"ok"})
NOT_AN_IMAGE: Results = frozenset({"not_an_image"})
UNREADABLE: Results = frozenset({"unreadable"})
UNSUPPORTED: Results = frozenset({"unsupported_format"})
TOO_LARGE: Results = frozenset({"too_large"})
SALVAGED: Results = OK | UNREADABLE
ANY: Results = OK | NOT_AN_IMAGE | UNREADABLE | UNSUPPORTED | TOO_LARGE


@dataclass(frozen=True, slots=True)
class Mutation:
    """One hostile file and the results that are right for it."""

    name: str
    data: bytes
    accepts: Results


def mutations(photos: Path | None = None) -> Iterator[Mutation]:
    """All of them; with `photos`, those files damaged too."""
    from tests.models.pictures.more_mutations import more_mutations  # which is made of what is here

    made = samples()
    yield from _truncated(made)
    yield from _flipped(made)
    yield from _not_images(made["jpeg"])
    yield from _foreign_images(made["tiff"])
    yield from _giants(made)
    yield from _polyglots(made)
    yield from _absurd_exif(made["jpeg"], made["png"])
    yield from _broken_profiles()
    yield from _broken_jpeg(made["jpeg"], made["jpeg progressive"])
    yield from _broken_png(made["png"], made["apng"])
    yield from _broken_gif()
    yield from _broken_webp(made["webp"])
    yield from _broken_tiff()
    yield from _broken_bmp(made["bmp"])
    yield from _broken_heif(made["heif"], made["avif"])
    yield from more_mutations()
    if photos:
        yield from _damaged_photos(photos)


# Samples


def drawing(width: int = 160, height: int = 120, mode: str = "RGB") -> Image.Image:
    """Colour ramps with shapes on them: no two corners are alike, so that every turn and mirroring shows."""
    ramp = Image.linear_gradient("L")
    image = Image.merge("RGB", [ramp.rotate(turn).resize((width, height)) for turn in (0, 90, 180)])
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, width // 3, height // 5), fill="red")
    pen.ellipse((width // 2, height // 2, width - 8, height - 8), fill="blue")
    pen.line((0, height, width, 0), fill="yellow", width=3)
    return image.convert(mode)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def profile_of(space: Literal["LAB", "sRGB"]) -> bytes:
    """A colour profile that was made at no particular time, so that it is the same every time."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()
    return profile[:24] + bytes(12) + profile[36:]


def samples() -> dict[str, bytes]:
    """A small valid file of every kind that is read."""
    pillow_heif.register_heif_opener()  # to write HEIF; reading needs no registration
    image, other = drawing(), drawing().rotate(90).resize((160, 120))
    see_through = drawing(mode="RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize(see_through.size))
    deep = drawing(mode="L").convert("I").point(lambda value: value * 257).convert("I;16")
    srgb = profile_of("sRGB")
    plain_exif = exif_of([(0x0112, 3, 1, 6), (0x0132, 2, 20, b"2024:06:01 12:00:00\0")])
    return {
        "jpeg": encoded(image, "JPEG", quality=90, exif=plain_exif, icc_profile=srgb),
        "jpeg progressive": encoded(image, "JPEG", progressive=True),
        "jpeg grey": encoded(image.convert("L"), "JPEG"),
        "jpeg cmyk": encoded(image.convert("CMYK"), "JPEG"),
        "mpo": encoded(image, "MPO", save_all=True, append_images=[other]),
        "png": encoded(image, "PNG", icc_profile=srgb),
        "png alpha": encoded(see_through, "PNG"),
        "png palette": encoded(image.quantize(32), "PNG", transparency=3),
        "png 16": encoded(deep, "PNG"),
        "apng": encoded(image, "PNG", save_all=True, append_images=[other], duration=50),
        "webp": encoded(image, "WEBP", exif=plain_exif),
        "webp lossless": encoded(see_through, "WEBP", lossless=True),
        "webp animated": encoded(image, "WEBP", save_all=True, append_images=[other], duration=50),
        "avif": encoded(image, "AVIF", speed=10),
        "heif": encoded(image, "HEIF", exif=plain_exif),
        "tiff": encoded(image, "TIFF"),
        "tiff lzw": encoded(see_through, "TIFF", compression="tiff_lzw"),
        "tiff jpeg": encoded(image, "TIFF", compression="jpeg"),
        "gif": encoded(image, "GIF"),
        "gif animated": encoded(image, "GIF", save_all=True, append_images=[other], duration=50),
        "bmp": encoded(image, "BMP"),
    }


Entry = tuple[int, int, int, int | bytes]  # tag, field type, count, the four bytes as a number, or the value


def exif_of(main: list[Entry], exif: list[Entry] = [], gps: list[Entry] = []) -> bytes:  # noqa: B006
    """A little-endian EXIF block of up to three directories, saying exactly what it is told, sense or not."""
    out = bytearray(b"II*\0\x08\0\0\0")
    pointers = ([(0x8769, exif)] if exif else []) + ([(0x8825, gps)] if gps else [])
    directories = [main + [(tag, 4, 1, 0) for tag, _ in pointers], *(entries for _, entries in pointers)]
    fixups: list[int] = []
    for number, entries in enumerate(directories):
        if number:
            struct.pack_into("<I", out, fixups[number - 1], len(out))
        start = len(out)
        out += struct.pack("<H", len(entries)) + bytes(12 * len(entries) + 4)
        for index, (tag, kind, count, value) in enumerate(entries):
            at = start + 2 + 12 * index
            if isinstance(value, bytes) and len(value) > 4:
                struct.pack_into("<HHII", out, at, tag, kind, count, len(out))
                out += value
            elif isinstance(value, bytes):
                struct.pack_into("<HHI4s", out, at, tag, kind, count, value)
            else:
                struct.pack_into("<HHII", out, at, tag, kind, count, value & 0xFFFFFFFF)
            if not number and tag in (0x8769, 0x8825) and value == 0:
                fixups.append(at + 8)
    return b"Exif\0\0" + bytes(out)


def with_exif(jpeg: bytes, exif: bytes) -> bytes:
    """`jpeg` with a first APP1 segment."""
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


# Damage


# Files of several pictures keep the first when they lose their end.
_SERIES = ("mpo", "apng", "webp animated", "gif animated")
_CUTS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def _truncated(made: dict[str, bytes]) -> Iterator[Mutation]:
    for name, data in made.items():
        for share in _CUTS:
            accepts = SALVAGED if name in _SERIES else UNREADABLE
            yield Mutation(f"{name} cut at {share:.0%}", data[: int(len(data) * share)], accepts)
        for length in (1, 2, 4, 8, 12, 20):
            yield Mutation(f"{name} cut to {length} bytes", data[:length], NOT_AN_IMAGE | UNREADABLE)
        yield Mutation(f"{name} without its last byte", data[:-1], SALVAGED)
        yield Mutation(f"{name} with junk behind it", data + b"\0junk\xff" * 50, OK)


def _flipped(made: dict[str, bytes]) -> Iterator[Mutation]:
    chance = random.Random(20240601)
    for name, data in made.items():
        for number in range(8):
            at = chance.randrange(min(64, len(data)))
            yield Mutation(f"{name} header flip {number}", _with_bit(data, at, chance), ANY)
        for number in range(8):
            at = chance.randrange(len(data) // 3, len(data))
            yield Mutation(f"{name} body flip {number}", _with_bit(data, at, chance), SALVAGED | TOO_LARGE)
        scrambled = bytearray(data)
        for at in range(len(data) // 2, len(data) // 2 + 200):
            scrambled[at % len(data)] = chance.randrange(256)
        yield Mutation(f"{name} scrambled", bytes(scrambled), SALVAGED | TOO_LARGE)
        yield Mutation(
            f"{name} zeroed from the middle", data[: len(data) // 2].ljust(len(data), b"\0"), SALVAGED
        )


def _with_bit(data: bytes, at: int, chance: random.Random) -> bytes:
    return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]


# Not images, and images of other kinds


def _not_images(jpeg: bytes) -> Iterator[Mutation]:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr(zipfile.ZipInfo("photo.jpg"), jpeg)

    def film(brand: bytes) -> bytes:
        return b"\0\0\0\x18ftyp" + brand + b"\0\0\x02\0isom" + brand + b"\0\0\x10\0mdat" + bytes(4096)

    contents: dict[str, bytes] = {
        "nothing": b"",
        "one byte": b"\xff",
        "zero bytes": bytes(10_000),
        "spaces": b" " * 1000,
        "text": b"This is my holiday photo. Really.\n" * 20,
        "text in UTF-16": "This is my holiday photo.".encode("utf-16"),
        "text that starts like a bitmap": b"BMW builds cars in Bavaria, and has done so for a long time.",
        "html": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "html with a drawing in it": b"<!doctype html><body><svg></svg>",
        "html after a blank line": b"\n\n  <html lang=en><title>Sign in</title>",
        "json": json.dumps({"error": "access denied"}).encode(),
        "xml": b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>',
        "base64 of a jpeg": b"/9j/4AAQSkZJRgABAQAAAQABAAD/2wBD" * 30,
        "data url": b"data:image/jpeg;base64,/9j/4AAQSkZJRg==",
        "script": b"#!/bin/sh\nrm -rf /\n",
        "javascript": b"alert(document.cookie)//",
        "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj<<>>endobj",
        "pdf with a jpeg in it": b"%PDF-1.7\nstream\n" + jpeg + b"\nendstream",
        "zip": archive.getvalue(),
        "gzip": b"\x1f\x8b\x08\0" + bytes(100),
        "program": b"\x7fELF\x02\x01\x01" + bytes(500),
        "windows program": b"MZ\x90\0" + bytes(500),
        "wav": b"RIFF\x24\x08\0\0WAVEfmt " + bytes(500),
        "avi": b"RIFF\x24\x08\0\0AVI LIST" + bytes(500),
        "mp3": b"ID3\x03\0\0\0\0\0\x21" + bytes(500),
        "matroska": b"\x1a\x45\xdf\xa3" + bytes(500),
        "random": random.Random(7).randbytes(5000),
        **{
            f"film {brand.decode()}": film(brand)
            for brand in (b"isom", b"mp42", b"M4V ", b"qt  ", b"3gp4", b"dash")
        },
        "film of no brand": film(b"\0\0\0\0"),
    }
    for name, data in contents.items():
        yield Mutation(name, data, NOT_AN_IMAGE)


def _foreign_images(tiff: bytes) -> Iterator[Mutation]:
    contents: dict[str, bytes] = {
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "svg behind an xml head": b'\xef\xbb\xbf<?xml version="1.0"?>\n<svg onload="x()"/>',
        "photoshop, large": b"8BPS\0\x02" + bytes(200),
        "icon": b"\0\0\x01\0\x01\0\x10\x10" + bytes(200),
        "cursor": b"\0\0\x02\0\x01\0\x10\x10" + bytes(200),
        "raw fujifilm": b"FUJIFILMCCD-RAW 0201" + bytes(200),
        "raw minolta": b"\0MRM" + bytes(200),
        "raw canon": b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom" + bytes(200),
        "raw canon, older": b"II*\0\x10\0\0\0CR\x02\0" + tiff[12:],
        "raw canon, oldest": b"II\x1a\0\0\0HEAPCCDR" + bytes(200),
        "exr": b"v/1\x01\x02\0\0\0" + bytes(200),
        "gimp": b"gimp xcf v011\0" + bytes(200),
        "direct draw": b"DDS \x7c\0\0\0" + bytes(200),
        "radiance": b"#?RADIANCE\n" + bytes(200),
        "qoi": b"qoif\0\0\0\x10" + bytes(200),
        "raw dng": tiff_of({0xC612: (1, [1, 4, 0, 0])}),
        "raw of one colour filter": tiff_of({0x0106: (3, [32803])}),
    }
    for name, data in contents.items():
        accepts = UNSUPPORTED | UNREADABLE if name == "raw canon, older" else UNSUPPORTED
        yield Mutation(name, data, accepts)
    heads = {
        "jpeg xl": b"\xff\x0a",
        "jpeg xl in a box": b"\0\0\0\x0cJXL \r\n\x87\n",
        "jpeg 2000": b"\0\0\0\x0cjP  \r\n\x87\n",
        "photoshop": b"8BPS\0\x01",
        "raw olympus": b"IIRO\x08\0\0\0",
        "raw panasonic": b"IIU\0\x08\0\0\0",
    }
    for name, head in heads.items():
        yield Mutation(f"{name} of a head only", head + bytes(200), UNREADABLE)
    yield Mutation("tiff that calls itself a preview", tiff_of({0x00FE: (4, [1])}), OK)


def tiff_of(
    changes: dict[int, tuple[int, list[int]]], *, following: int = 0, pixels: bytes = bytes(64)
) -> bytes:
    """An 8 x 8 grey TIFF with changed tags: tag -> field type, numbers. `following` is the next directory."""
    sizes = {1: 1, 3: 2, 4: 4}
    codes = {1: "B", 3: "H", 4: "I"}
    tags: dict[int, tuple[int, list[int]]] = {
        0x0100: (4, [8]),
        0x0101: (4, [8]),
        0x0102: (3, [8]),
        0x0103: (3, [1]),
        0x0106: (3, [1]),
        0x0111: (4, [8]),
        0x0115: (3, [1]),
        0x0116: (4, [8]),
        0x0117: (4, [64]),
    } | changes
    body = bytearray(pixels)
    directory = struct.pack("<H", len(tags))
    for tag in sorted(tags):
        kind, numbers = tags[tag]
        value = struct.pack(f"<{len(numbers)}{codes[kind]}", *numbers)
        if len(numbers) * sizes[kind] > 4:
            value, at = struct.pack("<I", 8 + len(body)), value
            body += at
        directory += struct.pack("<HHI4s", tag, kind, len(numbers), value.ljust(4, b"\0"))
    return (
        b"II*\0" + struct.pack("<I", 8 + len(body)) + bytes(body) + directory + struct.pack("<I", following)
    )


# Size


def _giants(made: dict[str, bytes]) -> Iterator[Mutation]:
    """Headers that promise 900 megapixels, and small files that hold as many as they say."""
    for side in (30_000, 60_000):
        yield Mutation(f"jpeg of {side} squared", _resized_jpeg(made["jpeg"], side, side), TOO_LARGE)
        yield Mutation(
            f"progressive of {side} squared", _resized_jpeg(made["jpeg progressive"], side, side), TOO_LARGE
        )
        yield Mutation(f"png of {side} squared", png_of(side, side, b""), TOO_LARGE)
        yield Mutation(f"gif of {side} squared", _gif_of(side, side), TOO_LARGE)
        yield Mutation(
            f"bmp of {side} squared", _patched(made["bmp"], 18, struct.pack("<ii", side, side)), TOO_LARGE
        )
        yield Mutation(
            f"tiff of {side} squared", tiff_of({0x100: (4, [side]), 0x101: (4, [side])}), TOO_LARGE
        )
    side = 30_000
    canvas = struct.pack("<I", side - 1)[:3] * 2
    webp = made["webp animated"]
    yield Mutation("webp of 30000 squared", _patched(webp, webp.index(b"VP8X") + 12, canvas), TOO_LARGE)
    for kind in ("avif", "heif"):
        data = made[kind]
        at = data.index(b"ispe") + 8
        # The decoder may notice first that the pixels disagree with the header.
        yield Mutation(
            f"{kind} of 30000 squared",
            _patched(data, at, struct.pack(">II", side, side)),
            TOO_LARGE | UNREADABLE,
        )
    yield Mutation(
        "png of 400 megapixels that exist",
        png_of(20_000, 20_000, _black_rows(20_000, 20_000), bits=1),
        TOO_LARGE,
    )
    yield Mutation("png of 36 megapixels in 36 kB", png_of(6000, 6000, _black_rows(6000, 6000), bits=8), OK)
    yield Mutation(
        "gif whose frame outgrows its screen", _gif_of(10, 10, frame=(30_000, 30_000)), TOO_LARGE | UNREADABLE
    )
    yield Mutation("png one pixel high", png_of(60_000, 1, _black_rows(60_000, 1)), OK)
    yield Mutation("png one pixel wide", png_of(1, 60_000, _black_rows(1, 60_000)), OK)
    yield Mutation("jpeg of one pixel", encoded(Image.new("RGB", (1, 1)), "JPEG"), OK)
    yield Mutation("jpeg as wide as JPEG allows", encoded(Image.new("RGB", (65_500, 2)), "JPEG"), OK)


def _patched(data: bytes, at: int, patch: bytes) -> bytes:
    return data[:at] + patch + data[at + len(patch) :]


def _resized_jpeg(data: bytes, width: int, height: int) -> bytes:
    at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    return _patched(data, at + 5, struct.pack(">HH", height, width))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(
    width: int,
    height: int,
    idat: bytes,
    *,
    bits: int = 8,
    colour: int = 0,
    before: bytes = b"",
    after: bytes = b"",
) -> bytes:
    """A PNG of exactly these parts, valid or not; `before` and `after` are chunks around the pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + before + chunk(b"IDAT", idat) + after + chunk(b"IEND", b"")


def _black_rows(width: int, height: int) -> bytes:
    packer = zlib.compressobj(9)
    row = bytes(1 + width)
    return b"".join(packer.compress(row) for _ in range(height)) + packer.flush()


def _gif_of(
    width: int,
    height: int,
    frame: tuple[int, int] | None = None,
) -> bytes:
    pixels = (
        b"\x02\x16\x8c\x2d\x99\x87\x2a\x1c\xdc\x33\xa0\x02\x75\xec\x95\xfa\xa8\xde\x60\x8c\x04\x91\x4c\x01\0"
    )
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x91, 0, 0) + bytes(range(12))
    return screen + b"," + struct.pack("<HHHHB", 0, 0, *(frame or (width, height)), 0) + pixels + b";"


# Two things at once


def _polyglots(made: dict[str, bytes]) -> Iterator[Mutation]:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr(zipfile.ZipInfo("index.html"), "<script>alert(1)</script>")
    page = b"<html><script>alert(1)</script></html>"
    for kind in ("jpeg", "png", "gif", "webp", "bmp", "heif", "avif", "tiff"):
        yield Mutation(f"{kind} and zip", made[kind] + archive.getvalue(), OK)
        yield Mutation(f"{kind} and web page", made[kind] + page, OK)
        yield Mutation(f"zip and {kind}", archive.getvalue() + made[kind], NOT_AN_IMAGE)
        yield Mutation(f"web page and {kind}", page + made[kind], NOT_AN_IMAGE)
    yield Mutation("gif and javascript", b"GIF89a/*" + made["gif"][8:] + b"*/=1;alert(1)", SALVAGED)
    yield Mutation(
        "jpeg with php in its comment", _segment(made["jpeg"], 0xFE, b"<?php system($_GET[0]); ?>"), OK
    )
    yield Mutation("jpeg and film", made["jpeg"] + b"\0\0\0\x18ftypmp42" + bytes(2000), OK)
    yield Mutation("png signature and jpeg", made["png"][:8] + made["jpeg"], UNREADABLE)
    yield Mutation("jpeg signature and png", b"\xff\xd8\xff" + made["png"], UNREADABLE)
    yield Mutation("heif brand and avif", made["avif"].replace(b"ftypavif", b"ftypheic", 1), SALVAGED)
    yield Mutation("avif brand and heif", made["heif"].replace(b"ftypheic", b"ftypavif", 1), SALVAGED)


def _segment(jpeg: bytes, marker: int, content: bytes) -> bytes:
    return jpeg[:2] + bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content + jpeg[2:]


# Metadata


def _absurd_exif(jpeg: bytes, png: bytes) -> Iterator[Mutation]:
    def date(text: bytes) -> bytes:
        return exif_of([], [(0x9003, 2, len(text) + 1, text + b"\0")])

    def position(latitude: bytes, reference: bytes = b"N\0", kind: int = 5, count: int = 3) -> bytes:
        fine = struct.pack("<6I", 8, 1, 30, 1, 0, 1)
        return exif_of(
            [], [], [(1, 2, 2, reference), (2, kind, count, latitude), (3, 2, 2, b"E\0"), (4, 5, 3, fine)]
        )

    blocks: dict[str, bytes] = {
        "of orientation 0": exif_of([(0x0112, 3, 1, 0)]),
        "of orientation 9": exif_of([(0x0112, 3, 1, 9)]),
        "of orientation 99": exif_of([(0x0112, 3, 1, 99)]),
        "of orientation 65535": exif_of([(0x0112, 3, 1, 65535)]),
        "of orientation -1": exif_of([(0x0112, 9, 1, -1)]),
        "of orientation as text": exif_of([(0x0112, 2, 2, b"6\0")]),
        "of orientation as long": exif_of([(0x0112, 4, 1, 6)]),
        "of orientation as fraction": exif_of([(0x0112, 5, 1, struct.pack("<II", 6, 1))]),
        "of orientation as double": exif_of([(0x0112, 12, 1, struct.pack("<d", float("nan")))]),
        "of three orientations": exif_of([(0x0112, 3, 3, b"\x06\0\x03\0\x08\0")]),
        "of no orientations": exif_of([(0x0112, 3, 0, 0)]),
        "of four billion orientations": exif_of([(0x0112, 3, 0xFFFFFFFF, 8)]),
        "of unknown type": exif_of([(0x0112, 99, 1, 6)]),
        "of type 0": exif_of([(0x0112, 0, 1, 6)]),
        "repeating itself": exif_of([(0x0112, 3, 1, 6), (0x0112, 3, 1, 3)]),
        "pointing at itself": exif_of([(0x8769, 4, 1, 8), (0x8825, 4, 1, 8)]),
        "pointing beyond the end": exif_of([(0x8769, 4, 1, 0x7FFFFFFF), (0x8825, 4, 1, 0xFFFFFFFF)]),
        "pointing with text": exif_of([(0x8769, 2, 4, b"oops"), (0x8825, 2, 4, b"oops")]),
        "pointing at odd places": exif_of([(0x8769, 4, 1, 1), (0x8825, 4, 1, 9)]),
        "with a value beyond the end": exif_of([(0x0132, 2, 20, 0x7FFFFFF0)]),
        "with a huge count": exif_of([(0x0132, 2, 0xFFFFFFFF, 8)]),
        "with a cyclic chain": exif_of([(0x0112, 3, 1, 1)])[:-4] + struct.pack("<I", 8),
        "with 60000 entries announced": b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 60_000) + bytes(2000),
        "with 3000 entries": exif_of([(tag, 3, 1, 1) for tag in range(3000)]),
        "empty": b"Exif\0\0",
        "half a header": b"Exif\0\0II",
        "of another byte order": b"Exif\0\0XX*\0\x08\0\0\0",
        "in BigTIFF": b"Exif\0\0II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0" + bytes(64),
        "with its name twice": b"Exif\0\0" + exif_of([(0x0112, 3, 1, 6)]),
        "cut": exif_of([(0x0132, 2, 20, b"2024:06:01 12:00:00\0")])[:-10],
        "random": b"Exif\0\0II*\0" + random.Random(3).randbytes(3000),
        "of year 0": date(b"0000:00:00 00:00:00"),
        "of year 1": date(b"0001:01:01 00:00:00"),
        "of year 9999": date(b"9999:12:31 23:59:59"),
        "of month 13": date(b"2024:13:01 00:00:00"),
        "of 30 February": date(b"2024:02:30 00:00:00"),
        "of hour 24": date(b"2024:02:03 24:00:00"),
        "of blanks for a date": date(b"    :  :     :  :  "),
        "of arabic digits": date(
            "2024:06:01 12:00:00".translate({48 + n: 0x660 + n for n in range(10)}).encode()
        ),
        "of a very long date": date(b"2024:06:01 12:00:00." + b"9" * 200),
        "of an absurd offset": exif_of(
            [], [(0x9003, 2, 20, b"2024:06:01 12:00:00\0"), (0x9011, 2, 7, b"+99:99\0")]
        ),
        "of year 1 in the far east": exif_of(
            [], [(0x9003, 2, 20, b"0001:01:01 00:00:00\0"), (0x9011, 2, 7, b"+14:00\0")]
        ),
        "at 0/0 degrees": position(struct.pack("<6I", 0, 0, 0, 0, 0, 0)),
        "at 1/0 degrees": position(struct.pack("<6I", 1, 0, 0, 1, 0, 1)),
        "at 91 degrees": position(struct.pack("<6I", 91, 1, 0, 1, 0, 1)),
        "at 4294967295 degrees": position(struct.pack("<6I", 0xFFFFFFFF, 1, 0, 1, 0, 1)),
        "at NaN degrees": position(struct.pack("<3d", *[float("nan")] * 3), kind=12),
        "at infinity": position(struct.pack("<3d", *[float("inf")] * 3), kind=12),
        "at negative degrees": position(struct.pack("<6i", -8, 1, 0, 1, 0, 1), kind=10),
        "at a text": position(b"48 degrees\0\0\0\0\0\0", kind=2, count=16),
        "in hemisphere X": position(struct.pack("<6I", 8, 1, 0, 1, 0, 1), b"X\0"),
        "in no hemisphere": position(struct.pack("<6I", 8, 1, 0, 1, 0, 1), b"\0\0"),
    }
    for name, block in blocks.items():
        yield Mutation(f"exif {name}", with_exif(jpeg, block), OK)
    ihdr_end = 8 + 25
    for name in (
        "of orientation 99",
        "pointing at itself",
        "with a huge count",
        "random",
        "cut",
        "at 0/0 degrees",
    ):
        inside = chunk(b"eXIf", blocks[name][6:])
        yield Mutation(f"png exif {name}", png[:ihdr_end] + inside + png[ihdr_end:], OK)
    yield Mutation("a hundred exif blocks", _repeated(with_exif, jpeg, blocks["of month 13"], 100), OK)
    packet = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>" + b"<rdf:li>" * 7000
    yield Mutation("xmp that never ends", _segment(jpeg, 0xE1, packet), OK)
    angry = (
        b'http://ns.adobe.com/xap/1.0/\0<rdf:Description exif:GPSLatitude="99,99,99N" '
        b'tiff:Orientation="77" xmp:CreateDate="never"/>'
    )
    yield Mutation("xmp of nonsense", _segment(encoded(drawing(), "JPEG"), 0xE1, angry), OK)
    photoshop = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\xff\xff\x1c\x02\x37\xff\xff"
    yield Mutation("iptc of lies", _segment(jpeg, 0xED, photoshop), OK)


def _repeated(change: Callable[[bytes, bytes], bytes], data: bytes, block: bytes, times: int) -> bytes:
    for _ in range(times):
        data = change(data, block)
    return data


def _broken_profiles() -> Iterator[Mutation]:
    srgb = profile_of("sRGB")
    lab = profile_of("LAB")
    profiles = {
        "of random bytes": random.Random(5).randbytes(3000),
        "of zeros": bytes(3000),
        "cut in its table": srgb[:140],
        "cut in its header": srgb[:60],
        "without tags": srgb[:128] + struct.pack(">I", 0),
        "with a billion tags": _patched(srgb, 128, struct.pack(">I", 0x3FFFFFFF)),
        "claiming 4 GB": _patched(srgb, 0, b"\xff\xff\xff\xff"),
        "of another space": _patched(srgb, 16, b"CMYK"),
        "of grey": _patched(srgb, 16, b"GRAY"),
        "of no known space": _patched(srgb, 16, b"????"),
        "of Lab": lab,
        "scrambled": srgb[:200] + random.Random(6).randbytes(len(srgb) - 200),
    }
    for name, profile in profiles.items():
        for mode in ("RGB", "L", "CMYK"):
            data = encoded(drawing(mode=mode), "JPEG", icc_profile=profile)
            yield Mutation(f"{mode} jpeg with a profile {name}", data, OK)


# One kind at a time


def _broken_jpeg(jpeg: bytes, progressive: bytes) -> Iterator[Mutation]:
    frame = jpeg.index(b"\xff\xc0")
    scan = progressive.rindex(b"\xff\xda")
    empty_scan = progressive[scan : scan + 10 + 4]
    without = {"quantisation": b"\xff\xdb", "Huffman": b"\xff\xc4"}
    yield Mutation("jpeg of no width", _resized_jpeg(jpeg, 0, 120), UNREADABLE)
    yield Mutation("jpeg of no height", _resized_jpeg(jpeg, 160, 0), UNREADABLE)
    yield Mutation("jpeg twice as high as its data", _resized_jpeg(jpeg, 160, 240), SALVAGED)
    yield Mutation("jpeg half as high as its data", _resized_jpeg(jpeg, 160, 60), OK)
    yield Mutation("jpeg of 12 bits", _patched(jpeg, frame + 4, b"\x0c"), UNREADABLE)
    yield Mutation("jpeg of 255 components", _patched(jpeg, frame + 9, b"\xff"), UNREADABLE)
    yield Mutation("jpeg of no components", _patched(jpeg, frame + 9, b"\0"), UNREADABLE)
    yield Mutation("jpeg of absurd sampling", _patched(jpeg, frame + 11, b"\xff"), UNREADABLE)
    yield Mutation("jpeg, arithmetic by name", _patched(jpeg, frame + 1, b"\xc9"), SALVAGED)
    yield Mutation("jpeg, lossless by name", _patched(jpeg, frame + 1, b"\xc3"), UNREADABLE)
    for name, marker in without.items():
        yield Mutation(f"jpeg without {name} tables", jpeg.replace(marker, b"\xff\xef"), SALVAGED)
    yield Mutation("jpeg that ends at once", b"\xff\xd8\xff\xd9", UNREADABLE)
    yield Mutation("jpeg of markers", b"\xff\xd8" + b"\xff\xe0\0\x02" * 5000, UNREADABLE)
    yield Mutation("jpeg of padding", b"\xff\xd8" + b"\xff" * 50_000, UNREADABLE)
    yield Mutation("jpeg with a segment of no length", _patched(jpeg, 4, b"\0\0"), SALVAGED)
    yield Mutation("jpeg with a segment too long", _patched(jpeg, 4, b"\xff\xff"), SALVAGED)
    yield Mutation(
        "jpeg with restart markers gone wild", jpeg[:-400] + b"\xff\xd3\xff\xd7" * 100 + b"\xff\xd9", SALVAGED
    )
    yield Mutation("jpeg of a thousand scans", progressive[:-2] + empty_scan * 1000 + b"\xff\xd9", UNREADABLE)
    yield Mutation("jpeg without its end marker", jpeg[:-2], OK)
    yield Mutation("jpeg in a jpeg", jpeg[:-2] + jpeg, SALVAGED)


def _broken_png(png: bytes, apng: bytes) -> Iterator[Mutation]:
    rows = zlib.compress(bytes(9 * 8))
    bomb = zlib.compress(bytes(100_000_000), 9)
    head = png[: 8 + 25]
    unlimited = {
        "text": chunk(b"zTXt", b"Comment\0\0" + bomb),
        "international text": chunk(b"iTXt", b"Comment\0\x01\0\0\0" + bomb),
        "profile": chunk(b"iCCP", b"icc\0\0" + bomb),
        "raw exif": chunk(b"zTXt", b"Raw profile type exif\0\0" + bomb),
    }
    for name, packed in unlimited.items():
        yield Mutation(f"png with 100 MB of {name}", head + packed + png[8 + 25 :], SALVAGED)
    parts = {
        "with a wrong header checksum": _patched(png, 29, b"\0\0\0\0"),
        "without pixels": head + chunk(b"IEND", b""),
        "of empty pixels": png_of(8, 8, b""),
        "of pixels that are not packed": png_of(8, 8, bytes(100)),
        "of no width": png_of(0, 8, rows),
        "of 3 bits": png_of(8, 8, rows, bits=3),
        "of colour type 5": png_of(8, 8, rows, colour=5),
        "with a chunk of 2 GB": head + b"\x7f\xff\xff\xffIDAT" + rows,
        "with a chunk of negative length": head + b"\xff\xff\xff\xffIDAT" + rows,
    }
    for name, data in parts.items():
        yield Mutation(f"png {name}", data, UNREADABLE)
    loose = {
        "of too few rows": png_of(8, 8, zlib.compress(bytes(9 * 3))),
        "of too many rows": png_of(8, 8, zlib.compress(bytes(9 * 800))),
        "of unknown filters": png_of(8, 8, zlib.compress(b"\x09" * 72)),
        "of palette without palette": png_of(8, 8, rows, colour=3),
        "with a palette too long": png_of(8, 8, rows, colour=3, before=chunk(b"PLTE", bytes(3 * 300))),
        "with transparency too long": png_of(
            8, 8, rows, colour=3, before=chunk(b"PLTE", bytes(6)) + chunk(b"tRNS", bytes(999))
        ),
        "with transparency too short": png_of(8, 8, rows, before=chunk(b"tRNS", b"\0")),
        "with two headers": head + png[8:],
        "with 5000 texts": png_of(8, 8, rows, before=chunk(b"tEXt", b"key\0value") * 5000),
        "with gamma of nothing": png_of(8, 8, rows, before=chunk(b"gAMA", b"")),
        "with a density of nothing": png_of(8, 8, rows, before=chunk(b"pHYs", bytes(9))),
        "with an unknown critical chunk": png_of(8, 8, rows, before=chunk(b"ABCD", b"?")),
        "with a wrong text checksum": png_of(8, 8, rows, before=chunk(b"tEXt", b"a\0b")[:-4] + b"oops"),
        "with exif that is text": png_of(8, 8, rows, before=chunk(b"eXIf", b"hello")),
        "with exif behind the pixels": png_of(8, 8, rows, after=chunk(b"eXIf", b"II*\0\xff\xff\xff\xff")),
        "with raw exif that is not hexadecimal": png_of(
            8, 8, rows, before=chunk(b"tEXt", b"Raw profile type exif\0\nexif\n 4\nzz")
        ),
        "animated with no frames": png_of(8, 8, rows, before=chunk(b"acTL", struct.pack(">II", 0, 0))),
        "animated with four billion frames": png_of(8, 8, rows, before=chunk(b"acTL", b"\xff" * 8)),
        "animated twice": png_of(8, 8, rows, before=chunk(b"acTL", struct.pack(">II", 2, 0)) * 2),
        "animated by half": png_of(8, 8, rows, before=chunk(b"acTL", b"\0\0")),
        "with a frame off its canvas": apng.replace(b"fcTL", b"fcTL", 1).replace(
            struct.pack(">II", 160, 120), struct.pack(">II", 160, 1200)
        ),
        "without an end": png_of(8, 8, rows)[:-12],
    }
    for name, data in loose.items():
        yield Mutation(f"png {name}", data, SALVAGED)


def _broken_gif() -> Iterator[Mutation]:
    screen = b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0x91, 0, 0) + bytes(range(12))
    frame = b"," + struct.pack("<HHHHB", 0, 0, 8, 8, 0)
    yield Mutation("gif with no frames", screen + b";", UNREADABLE)
    yield Mutation("gif of a screen only", screen, UNREADABLE)
    yield Mutation("gif of extensions only", screen + b"!\xfe\x05hello\0" * 2000 + b";", UNREADABLE)
    yield Mutation("gif of no size", _gif_of(0, 0), UNREADABLE)
    yield Mutation("gif of code size 0", screen + frame + b"\0\x01\0\0;", SALVAGED)
    yield Mutation("gif of code size 255", screen + frame + b"\xff\x01\0\0;", SALVAGED)
    yield Mutation("gif of codes out of range", screen + frame + b"\x02\x08" + b"\xff" * 8 + b"\0;", SALVAGED)
    yield Mutation("gif of an empty frame", screen + frame + b"\x02\0;", SALVAGED)
    yield Mutation("gif with a frame beside its screen", _gif_of(8, 8, frame=(65_535, 1)), SALVAGED)
    yield Mutation(
        "gif with a transparent colour out of range",
        screen + b"!\xf9\x04\x01\0\0\xff\0" + _gif_of(8, 8)[25:],
        SALVAGED,
    )
    yield Mutation("gif without colours", b"GIF89a\x08\0\x08\0\0\0\0" + _gif_of(8, 8)[25:], SALVAGED)


def _broken_webp(webp: bytes) -> Iterator[Mutation]:
    canvas = struct.pack("<I", 99)[:3] * 2
    extended = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + canvas
    animation = b"ANIM" + struct.pack("<I", 6) + bytes(6)

    def riff(content: bytes) -> bytes:
        return b"RIFF" + struct.pack("<I", len(content) + 4) + b"WEBP" + content

    yield Mutation("webp animated with no frames", riff(extended + animation), UNREADABLE)
    yield Mutation("webp of a header only", riff(extended), UNREADABLE)
    yield Mutation("webp of nothing", riff(b""), UNREADABLE)
    yield Mutation("webp of an unknown chunk", riff(b"ABCD\x04\0\0\0oops"), UNREADABLE)
    yield Mutation("webp claiming 4 GB", _patched(webp, 4, b"\xfe\xff\xff\xff"), SALVAGED)
    yield Mutation("webp claiming nothing", _patched(webp, 4, bytes(4)), SALVAGED)


def _broken_tiff() -> Iterator[Mutation]:
    broken: dict[str, dict[int, tuple[int, list[int]]]] = {
        "of no width": {0x100: (4, [0])},
        "of two widths": {0x100: (4, [8, 8])},
        "of pixels beyond the end": {0x111: (4, [0x7FFFFFFF])},
        "of strips of 4 GB": {0x117: (4, [0xFFFFFFFF])},
        "of unknown compression": {0x103: (3, [9999])},
        "of LZW that is not": {0x103: (3, [5])},
        "of deflate that is not": {0x103: (3, [8])},
        "of JPEG that is not": {0x103: (3, [7])},
        "of fax that is not": {0x103: (3, [4])},
        "of zstd that is not": {0x103: (3, [50000])},
        "of unknown colours": {0x106: (3, [999])},
        "of palette without palette": {0x106: (3, [3])},
        "of 255 samples": {0x115: (3, [255])},
        "of no samples": {0x115: (3, [0])},
        "of 99 bits": {0x102: (3, [99])},
        "of 5000 depths": {0x102: (3, [8] * 5000)},
        "of tiles of two billion": {
            0x142: (4, [0x7FFFFFFF]),
            0x143: (4, [0x7FFFFFFF]),
            0x144: (4, [8]),
            0x145: (4, [64]),
        },
        "of tiles of 100000 squared": {
            0x103: (3, [8]),
            0x142: (4, [100_000]),
            0x143: (4, [100_000]),
            0x144: (4, [8]),
            0x145: (4, [64]),
        },
        "of rows per strip two billion": {0x116: (4, [0x7FFFFFFF])},
        "of no rows per strip": {0x116: (4, [0])},
        "of a predictor of 99": {0x103: (3, [8]), 0x13D: (3, [99])},
        "of planes that are separate": {0x11C: (3, [2])},
        "of orientation 99": {0x112: (3, [99])},
        "of orientation 6 and more": {0x112: (3, [6, 6, 6])},
        "of a cyclic exif": {0x8769: (4, [8]), 0x8825: (4, [8])},
        "of a sub-image nowhere": {0x14A: (4, [0xFFFFFFF0])},
        "of a hundred thousand strips": {0x111: (4, [8] * 100_000), 0x117: (4, [64] * 100_000)},
        "of floats": {0x102: (3, [32]), 0x153: (3, [3])},
        "of a profile of zeros": {0x8773: (1, [0] * 200)},
    }
    for name, changes in broken.items():
        yield Mutation(f"tiff {name}", tiff_of(changes, pixels=random.Random(1).randbytes(64)), SALVAGED)
    plain = tiff_of({})
    directory = struct.unpack_from("<I", plain, 4)[0]
    yield Mutation("tiff whose chain is a circle", tiff_of({}, following=directory), OK)
    yield Mutation("tiff whose chain leads nowhere", tiff_of({}, following=0x7FFFFFFF), SALVAGED)
    yield Mutation("tiff of no directory", b"II*\0" + bytes(4), UNREADABLE)
    yield Mutation("tiff of a directory beyond the end", b"II*\0\xff\xff\xff\x7f", UNREADABLE)
    yield Mutation("tiff of 65535 entries", b"II*\0\x08\0\0\0\xff\xff" + bytes(5000), UNREADABLE)
    yield Mutation("tiff of the other byte order", b"MM\0*" + plain[4:], UNREADABLE)
    yield Mutation("tiff, big, of nothing", b"II+\0\x08\0\0\0" + bytes(8), UNREADABLE)


def _broken_bmp(bmp: bytes) -> Iterator[Mutation]:
    yield Mutation("bmp upside down", _patched(bmp, 22, struct.pack("<i", -120)), OK)
    yield Mutation("bmp of negative width", _patched(bmp, 18, struct.pack("<i", -160)), TOO_LARGE)
    yield Mutation("bmp of no height", _patched(bmp, 22, bytes(4)), UNREADABLE)
    yield Mutation(
        "bmp of least height", _patched(bmp, 22, struct.pack("<i", -(2**31))), TOO_LARGE | UNREADABLE
    )
    yield Mutation("bmp of 3 bits", _patched(bmp, 28, b"\x03\0"), UNREADABLE)
    yield Mutation("bmp of compression 99", _patched(bmp, 30, struct.pack("<I", 99)), UNREADABLE)
    yield Mutation(
        "bmp of run lengths that are not", _patched(_patched(bmp, 30, b"\x01\0\0\0"), 28, b"\x08\0"), SALVAGED
    )
    yield Mutation(
        "bmp with pixels beyond the end", _patched(bmp, 10, struct.pack("<I", 0x7FFFFFFF)), UNREADABLE
    )
    yield Mutation("bmp of an unknown header", _patched(bmp, 14, struct.pack("<I", 999)), NOT_AN_IMAGE)


def _broken_heif(heif: bytes, avif: bytes) -> Iterator[Mutation]:
    for kind, data in (("heif", heif), ("avif", avif)):
        meta = data.index(b"meta") - 4
        yield Mutation(f"{kind} of a brand only", data[:meta], UNREADABLE)
        yield Mutation(
            f"{kind} with an endless meta box", _patched(data, meta, b"\xff\xff\xff\xff"), UNREADABLE
        )
        yield Mutation(f"{kind} with an empty meta box", _patched(data, meta, b"\0\0\0\x08"), UNREADABLE)
        yield Mutation(f"{kind} with a meta box of no size", _patched(data, meta, bytes(4)), SALVAGED)
        yield Mutation(f"{kind} without a primary picture", data.replace(b"pitm", b"free", 1), SALVAGED)
        yield Mutation(f"{kind} without places", data.replace(b"iloc", b"free", 1), UNREADABLE)
        yield Mutation(f"{kind} without properties", data.replace(b"iprp", b"free", 1), UNREADABLE)
        yield Mutation(f"{kind} without a size", data.replace(b"ispe", b"free", 1), SALVAGED)
        at = data.index(b"ispe") + 8
        yield Mutation(f"{kind} of no size", _patched(data, at, bytes(8)), SALVAGED)
        yield Mutation(f"{kind} of another size", _patched(data, at, struct.pack(">II", 17, 5000)), SALVAGED)


def _damaged_photos(photos: Path) -> Iterator[Mutation]:
    chance = random.Random(11)
    files = sorted(path for path in photos.rglob("*") if path.suffix.lower() in _PHOTO_SUFFIXES)
    for path in files:
        data = path.read_bytes()
        if len(data) > 500_000:  # the largest only cost time
            continue
        name = path.relative_to(photos).as_posix()
        yield Mutation(f"{name} cut at half", data[: len(data) // 2], UNREADABLE)
        for number in range(2):
            at = chance.randrange(len(data) // 3, len(data))
            yield Mutation(f"{name} flip {number}", _with_bit(data, at, chance), SALVAGED)


_PHOTO_SUFFIXES = (".jpg", ".png", ".webp", ".avif", ".tif", ".heic", ".heif")
