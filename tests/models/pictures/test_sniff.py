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
    with pytest.raises(UnsupportedFormat, match="JPEG XL"):
        sniff(b"\xff\x0a" + bytes(20))
