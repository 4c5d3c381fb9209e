"""The film of a motion photo is found where it really begins."""

from __future__ import annotations

import io
import struct

import pytest

from models.pictures.motion import Film, film_within
from models.pictures.picture import open_picture
from models.pictures.sniff import Format
from tests.models.pictures.boxes import box, film
from tests.models.pictures.mutations import drawing, encoded, samples
from tests.paths import TESTDATA

JPEG = encoded(drawing(), "JPEG")
FREE = box(b"free", b"")
FILM = film()


def packet(description: str, items: str = "") -> bytes:
    return (
        '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
        ' xmlns:c="http://ns.google.com/photos/1.0/camera/"'
        ' xmlns:Container="http://ns.google.com/photos/1.0/container/"'
        f' xmlns:Item="http://ns.google.com/photos/1.0/container/item/" {description}>{items}'
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def items(*said: str) -> str:
    inner = "".join(f'<rdf:li rdf:parseType="Resource"><Container:Item {item}/></rdf:li>' for item in said)
    return f"<Container:Directory><rdf:Seq>{inner}</rdf:Seq></Container:Directory>"


def sef(film: bytes, *, name: bytes = b"MotionPhoto_Data") -> bytes:
    """What a Samsung puts behind a picture: two blocks, the directory of them, its length."""
    time = b"\0\0\x01\x0a" + struct.pack("<I", 14) + b"Image_UTC_Data" + b"1717236000000"
    moving = b"\0\0\x30\x0a" + struct.pack("<I", len(name)) + name + film
    entries = struct.pack("<HHII", 0, 0x0A01, len(time) + len(moving), len(time))
    entries += struct.pack("<HHII", 0, 0x0A30, len(moving), len(moving))
    directory = b"SEFH" + struct.pack("<II", 107, 2) + entries
    return time + moving + directory + struct.pack("<I", len(directory)) + b"SEFT"


def found(data: bytes, xmp: bytes | None = None, kind: Format = Format.JPEG) -> Film | None:
    return film_within(io.BytesIO(data), kind, xmp)


def test_a_film_behind_a_jpeg_is_found_by_its_place() -> None:
    expected = Film(first_byte=len(JPEG), bytes=len(FILM), mime_type="video/mp4")
    assert found(JPEG + FILM) == expected
    assert found(JPEG + film(b"qt  ")) == Film(
        first_byte=len(JPEG), bytes=len(FILM), mime_type="video/quicktime"
    )


def test_a_film_behind_pictures_and_padding_is_found_by_its_place() -> None:
    pictures = samples()["mpo"] + bytes(7) + encoded(drawing(64, 48), "JPEG")
    film_at = Film(first_byte=len(pictures) + 100, bytes=len(FILM), mime_type="video/mp4")
    assert found(pictures + bytes(100) + FILM) == film_at


def test_a_film_is_found_by_googles_older_offset() -> None:
    data = JPEG + b"what else is there" + FILM
    xmp = packet(f'c:MicroVideo="1" c:MicroVideoOffset="{len(FILM)}"')
    assert found(data) is None
    assert found(data, xmp) == Film(first_byte=len(JPEG) + 18, bytes=len(FILM), mime_type="video/mp4")


@pytest.mark.parametrize("written", ["attributes", "elements"])
def test_a_film_is_found_by_googles_directory(written: str) -> None:
    gain_map = b"\xff\xd8 no whole picture"
    data = JPEG + gain_map + FILM
    directory = items(
        'Item:Mime="image/jpeg" Item:Semantic="Primary" Item:Length="0"',
        f'Item:Mime="image/jpeg" Item:Semantic="GainMap" Item:Length="{len(gain_map)}"',
        f'Item:Mime="video/mp4" Item:Semantic="MotionPhoto" Item:Length="{len(FILM)}" Item:Padding="0"',
    )
    if written == "elements":
        moving = f"<Item:Semantic>MotionPhoto</Item:Semantic><Item:Length>{len(FILM)}</Item:Length>"
        directory = f'<Container:Directory><rdf:Seq><rdf:li><Container:Item rdf:parseType="Resource">{moving}'
        directory += "</Container:Item></rdf:li></rdf:Seq></Container:Directory>"
    xmp = packet('c:MotionPhoto="1"', directory)
    at = len(JPEG) + len(gain_map)
    assert found(data) is None
    assert found(data, xmp) == Film(first_byte=at, bytes=len(FILM), mime_type="video/mp4")


def test_a_film_is_found_by_samsungs_directory() -> None:
    data = JPEG + sef(FILM)
    at = data.index(FILM)
    assert found(data) == Film(first_byte=at, bytes=len(FILM), mime_type="video/mp4")
    assert found(JPEG + sef(FILM, name=b"DualShot_Extra_x")) is None


def test_a_film_in_a_box_of_a_heic_is_found() -> None:
    photo = samples()["heif"]
    data = photo + box(b"mpvd", FILM) + box(b"sefd", b"beside it")
    expected = Film(first_byte=len(photo) + 8, bytes=len(FILM), mime_type="video/mp4")
    assert found(data, kind=Format.HEIF) == expected
    assert open_picture(data).width == 120


def test_a_film_ends_with_its_last_box() -> None:
    expected = Film(first_byte=len(JPEG), bytes=len(FILM), mime_type="video/mp4")
    assert found(JPEG + FILM + b"SEFT and so on") == expected
    assert found(JPEG + FILM + box(b"sefd", bytes(30))) == expected
    assert found(JPEG + FILM + struct.pack(">I", 0xFFFFFF) + b"free") == expected


@pytest.mark.parametrize(
    "behind",
    [
        b"",
        b"\0\0\0\x18ftypmp42" + bytes(2000),  # nothing in it
        film(b"heic"),
        FILM[:-1],  # cut off
        FILM[4:],
        box(b"ftyp", b"mp42" + bytes(8)) + box(b"mdat", bytes(50)),  # nothing that tells how to play it
        samples()["heif"],
        b"PK\x03\x04 an archive with " + FILM,
    ],
)
def test_what_is_no_whole_film_is_none(behind: bytes) -> None:
    assert found(JPEG + behind) is None
    assert found(JPEG + behind, packet(f'c:MicroVideoOffset="{len(behind)}"')) is None


@pytest.mark.parametrize(
    "xmp",
    [
        b"",
        b"<x:xmpmeta",
        packet('c:MicroVideoOffset="-5"'),
        packet('c:MicroVideoOffset="999999999999999999999"'),
        packet('c:MicroVideoOffset="many"'),
        packet("", items('Item:Semantic="MotionPhoto"')),
        packet("", items('Item:Semantic="MotionPhoto" Item:Length="1e3"')),
        b'<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>',
        packet("").decode().encode("utf-16"),
        b"\xff\xfe\0\0",
        b'<?xml version="1.0" encoding="nonsense"?><a/>',
    ],
)
def test_nonsense_in_the_metadata_says_nothing(xmp: bytes) -> None:
    assert found(JPEG + b"no film", xmp) is None


def test_a_directory_that_lies_says_nothing() -> None:
    good = JPEG + sef(FILM)
    for at in range(len(good) - 44, len(good)):
        for value in (0, 0x7F, 0xFF):
            film_in = found(good[:at] + bytes([value]) + good[at + 1 :])
            assert film_in is None or film_in.first_byte == good.index(FILM)


def test_a_directory_that_names_one_block_hundreds_of_times_is_followed_once() -> None:
    reads = 0

    class Counted(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            nonlocal reads
            reads += 1
            return super().read(size)

    block = struct.pack("<HHI", 0, 0x0A30, 16) + b"MotionPhoto_Data" + box(b"ftyp", b"mp42") + FREE * 1000
    entry = struct.pack("<HHII", 0, 0x0A30, len(block), len(block))
    directory = b"SEFH" + struct.pack("<II", 107, 300) + entry * 300
    data = JPEG + block + directory + struct.pack("<I", len(directory)) + b"SEFT"

    assert film_within(Counted(data), Format.JPEG, None) is None
    assert reads < 10_000


def test_other_formats_are_not_searched() -> None:
    png = encoded(drawing(), "PNG")
    assert found(png + FILM, packet(f'c:MicroVideoOffset="{len(FILM)}"'), Format.PNG) is None


@pytest.mark.skipif(not TESTDATA.exists(), reason="the folder of real photos is not here")
def test_the_film_of_a_real_motion_photo() -> None:
    data = (TESTDATA / "photos/heic/samsung-one-ui-6.heic").read_bytes()
    picture = open_picture(data)
    expected = Film(first_byte=452_284, bytes=3_226_469, mime_type="video/mp4")
    assert found(data, kind=picture.format) == expected
    without_box = data.replace(b"mpvd", b"free", 1)
    assert found(without_box, picture.metadata.xmp, picture.format) == expected
