import pytest

from models.errors import NotAnImage, Unreadable, UnsupportedFormat
from models.pictures.sniff import Format, sniff
from tests.models.pictures.mutations import samples


@pytest.mark.parametrize(
    ("sample", "kind"),
    [
        ("jpeg", Format.JPEG),
        ("mpo", Format.JPEG),
        ("png", Format.PNG),
        ("webp animated", Format.WEBP),
        ("avif", Format.AVIF),
        ("heif", Format.HEIF),
        ("tiff", Format.TIFF),
        ("gif", Format.GIF),
        ("bmp", Format.BMP),
    ],
)
def test_a_kind_is_told_from_its_first_bytes(sample: str, kind: Format) -> None:
    assert sniff(samples()[sample][:256]) is kind


@pytest.mark.parametrize(
    ("brands", "kind"),
    [
        (b"heic\0\0\0\0mif1heic", Format.HEIF),
        (b"mif1\0\0\0\0mif1heic", Format.HEIF),
        (b"mif1\0\0\0\0mif1avif", Format.AVIF),
        (b"avis\0\0\0\0msf1avis", Format.AVIF),
        (b"hevc\0\0\0\0msf1hevc", Format.HEIF),
    ],
)
def test_brands_tell_heif_from_avif(brands: bytes, kind: Format) -> None:
    assert sniff(b"\0\0\0\x18ftyp" + brands + bytes(100)) is kind


def test_a_film_is_not_an_image() -> None:
    with pytest.raises(NotAnImage, match="found a video"):
        sniff(b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + bytes(100))


def test_a_message_says_what_was_found() -> None:
    with pytest.raises(NotAnImage, match="expected an image, found a web page"):
        sniff(b"  <!DOCTYPE HTML><html>")


def test_words_that_start_like_a_bitmap_are_text() -> None:
    with pytest.raises(NotAnImage, match="found text"):
        sniff(b"BMW is not a bitmap, whatever it starts with")


def test_a_bitmap_without_its_header_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        sniff(b"BM\0\0")


def test_an_image_that_is_not_read_here_is_unsupported_and_not_no_image() -> None:
    with pytest.raises(UnsupportedFormat, match="OpenEXR"):
        sniff(b"v/1\x01" + bytes(20))


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\x0a", Format.JPEG_XL),
        (b"\0\0\0\x0cJXL \r\n\x87\n", Format.JPEG_XL),
        (b"\0\0\0\x0cjP  \r\n\x87\n", Format.JPEG2000),
        (b"\xff\x4f\xff\x51", Format.JPEG2000),
        (b"8BPS\0\1", Format.PHOTOSHOP),
        (b"FUJIFILMCCD-RAW 0201", Format.RAW),
        (b"IIRO\x08\0\0\0", Format.RAW),
        (b"IIU\0\x18\0\0\0", Format.RAW),
        (b"FOVb\0\0\2\0", Format.RAW),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", Format.RAW),
        (b"II*\0\x10\0\0\0CR\2\0", Format.TIFF),  # the whole file tells more
    ],
)
def test_what_photographers_keep_is_known(head: bytes, kind: Format) -> None:
    assert sniff(head + bytes(100)) is kind


@pytest.mark.parametrize(
    "head",
    [
        b"<svg>",
        b"<SVG width='1'>",
        b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- drawn <by> hand -->\n<svg\n",
        b'<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x"><svg xmlns="y">',
    ],
)
def test_a_drawing_begins_with_its_element(head: bytes) -> None:
    with pytest.raises(UnsupportedFormat, match="SVG"):
        sniff(head)


def test_a_page_with_a_drawing_in_it_is_a_page() -> None:
    with pytest.raises(NotAnImage, match="a web page"):
        sniff(b"<!doctype html><html><body><svg></svg>")
    with pytest.raises(NotAnImage, match="text"):
        sniff(b"how to write an <svg> element")
