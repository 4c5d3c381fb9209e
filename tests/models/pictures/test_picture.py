import io
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageFile, ImageOps, ImageStat

from models.errors import NotAnImage, TooLarge, Unreadable
from models.pictures.orientation import undo_turn
from models.pictures.picture import THUMBNAIL_SIDE, WEB_SIDE, Picture, open_picture, thumbnail, web_version
from models.pictures.sniff import Format
from tests.models.pictures.mutations import drawing, encoded, exif_of, profile_of, samples, with_exif
from tests.models.pictures.packets import xmp_of
from tests.paths import ROOT, TESTDATA


def photo(name: str) -> bytes:
    """A real photo, which is not part of the project."""
    path = TESTDATA / "photos" / name
    if not path.is_file():
        pytest.skip(f"test photo {name} is not there (KIZU_TESTDATA names their folder)")
    return path.read_bytes()


def read(jpeg: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(jpeg))
    image.load()
    return image


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of two pictures of the same size, 0..255."""
    assert one.size == other.size
    return max(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean)


def orientation_exif(orientation: int) -> bytes:
    return exif_of([(0x0112, 3, 1, orientation)])


# Orientation


def test_the_nine_orientation_photos_have_one_upright_thumbnail() -> None:
    pictures = [
        open_picture(photo(f"orientation/Landscape_{n}.jpg"), short_side=THUMBNAIL_SIDE) for n in range(9)
    ]
    thumbnails = [read(thumbnail(picture)) for picture in pictures]

    assert {(picture.width, picture.height) for picture in pictures} == {(1800, 1200)}
    assert max(difference(thumbnails[1], other) for other in thumbnails) <= 3


def test_a_turned_portrait_has_the_thumbnail_of_the_upright_one() -> None:
    turned, upright = (
        read(thumbnail(open_picture(photo(f"faces/{name}.jpg")))).convert("L")
        for name in ("portrait-orientation-6", "portrait")
    )

    assert difference(turned, upright) <= 10  # one of them is stored in grey and was compressed once more


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_an_embedded_orientation_is_applied_once(kind: str, orientation: int) -> None:
    samples()  # registers the writing of HEIF
    seen = drawing(320, 240)
    tag = {"tiffinfo": {0x0112: orientation}} if kind == "TIFF" else {"exif": orientation_exif(orientation)}
    stored = encoded(undo_turn(seen, orientation), kind, quality=95, **tag)

    picture = open_picture(stored)

    assert (picture.width, picture.height) == (320, 240)
    assert difference(picture.upright(), seen) < 8


@pytest.mark.parametrize("explicit", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("embedded", [None, 1, 6])
def test_an_explicit_orientation_takes_the_place_of_the_embedded_one(
    kind: str, embedded: int | None, explicit: int
) -> None:
    seen = drawing(320, 240)
    options: dict[str, object] = {}
    if embedded is not None:
        options = {"tiffinfo": {0x0112: embedded}} if kind == "TIFF" else {"exif": orientation_exif(embedded)}
    stored = encoded(undo_turn(seen, explicit), kind, quality=95, **options)

    assert difference(open_picture(stored, orientation=explicit).upright(), seen) < 8


@pytest.mark.parametrize("nonsense", [0, 9, -6, "6", 6.0, None, True])
def test_an_explicit_orientation_that_is_none_is_ignored(nonsense: object) -> None:
    data = encoded(drawing(), "JPEG", exif=orientation_exif(6))

    assert open_picture(data, orientation=nonsense).orientation == 6


def test_an_orientation_in_xmp_counts_if_exif_has_none() -> None:
    packet = b"http://ns.adobe.com/xap/1.0/\0" + xmp_of('tiff:Orientation="6"')
    bare = encoded(drawing(), "JPEG")

    assert open_picture(with_exif(bare, packet)).orientation == 6


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("IMG_5195.HEIC", (2566, 3313)),  # rotated by nothing, no EXIF orientation
        ("samsung-one-ui-6.heic", (3000, 4000)),  # container and EXIF both say: quarter turn
        (
            "HMD_Nokia_8.3_5G.heif",
            (4608, 3456),
        ),  # the container says quarter turn, EXIF says none and is right
    ],
)
@pytest.mark.parametrize("explicit", [None, 6])
def test_a_heic_comes_out_upright(name: str, size: tuple[int, int], explicit: int | None) -> None:
    picture = open_picture(photo(f"heic/{name}"), orientation=explicit)

    assert (picture.width, picture.height) == size
    assert picture.upright(long_side=100).size == (
        (100, 75) if size[0] > size[1] else (size[0] * 100 // size[1], 100)
    )


def test_the_sky_of_the_misturned_heic_is_above_its_snow() -> None:
    image = read(thumbnail(open_picture(photo("heic/HMD_Nokia_8.3_5G.heif")))).convert("L")
    # The sun is in the sky: the brightest spot of the picture lies in its upper half.
    small = image.resize((30, 30))
    brightest = max(range(900), key=lambda at: small.tobytes()[at])

    assert brightest // 30 < 15


def test_the_rotation_of_a_container_goes_before_an_explicit_orientation() -> None:
    samples()
    stored = encoded(undo_turn(drawing(320, 240), 6), "HEIF", quality=95, exif=orientation_exif(6))

    assert difference(open_picture(stored, orientation=3).upright(), drawing(320, 240)) < 8


def test_without_a_rotation_in_the_container_the_exif_of_a_heic_counts() -> None:
    samples()
    stored = encoded(drawing(320, 240), "HEIF", quality=95, exif=orientation_exif(6))
    plain = stored.replace(b"irot", b"free")

    assert difference(open_picture(plain).upright(), open_picture(stored).upright()) < 1


# Sizes


@pytest.mark.parametrize(
    ("size", "side"),
    [
        ((4000, 3000), 300),
        ((301, 900), 300),
        ((300, 300), 300),
        ((200, 150), 150),
        ((1, 1), 1),
        ((2000, 7), 7),
    ],
)
def test_a_thumbnail_is_a_square_of_300_pixels_or_less(size: tuple[int, int], side: int) -> None:
    data = encoded(drawing().resize(size), "JPEG")
    image = read(thumbnail(open_picture(data, short_side=THUMBNAIL_SIDE)))

    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (side, side))


def test_a_thumbnail_is_the_middle_of_the_picture() -> None:
    image = Image.new("RGB", (900, 300), "red")
    image.paste("blue", (300, 0, 600, 300))

    assert (
        difference(read(thumbnail(open_picture(encoded(image, "PNG")))), Image.new("RGB", (300, 300), "blue"))
        < 2
    )


def test_a_small_thumbnail_has_the_pixels_of_the_original() -> None:
    image = drawing(201, 100)
    expected = read(encoded(image.crop((50, 0, 150, 100)), "JPEG", quality=80))

    assert difference(read(thumbnail(open_picture(encoded(image, "PNG")))), expected) == 0


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((5000, 2500), (4096, 2048)),
        ((2500, 5000), (2048, 4096)),
        ((4096, 10), (4096, 10)),
        ((30_000, 2), (4096, 1)),
    ],
)
def test_a_web_version_is_at_most_4096_pixels_long(size: tuple[int, int], expected: tuple[int, int]) -> None:
    image = read(web_version(open_picture(encoded(Image.new("RGB", size), "PNG"))))

    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", expected)


def test_a_web_version_is_never_larger_than_the_original() -> None:
    assert read(web_version(open_picture(samples()["png"]))).size == (160, 120)


def test_a_picture_opened_for_a_thumbnail_has_no_web_version() -> None:
    picture = open_picture(encoded(drawing(4000, 3000), "JPEG"), short_side=THUMBNAIL_SIDE)

    with pytest.raises(ValueError, match="4000 pixels wanted"):
        web_version(picture)


@pytest.mark.parametrize(
    ("needs", "decoded"),
    [
        ({"short_side": 300}, (1000, 750)),
        ({"short_side": 300, "long_side": 4096}, (4000, 3000)),
        ({"long_side": 1000}, (2000, 1500)),
        ({}, (4000, 3000)),
    ],
)
def test_a_jpeg_is_decoded_no_larger_than_needed(needs: dict[str, int], decoded: tuple[int, int]) -> None:
    picture = open_picture(encoded(drawing(4000, 3000), "JPEG"), **needs)

    assert picture.pixels.size == decoded
    assert (picture.width, picture.height) == (4000, 3000)


# Fidelity


def _plain_thumbnail(data: bytes) -> Image.Image:
    """What decoding in full and one Lanczos filter make of a photo."""
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    return read(encoded(ImageOps.fit(upright, (300, 300), Image.Resampling.LANCZOS), "JPEG", quality=80))


@pytest.mark.parametrize(
    "name",
    [
        "gps/iphone_hdr_YES.jpg",
        "gps/corrupted.jpg",
        "gps/empty_gps.jpg",
        "text/japanese-shop.jpg",
        "orientation/Landscape_7.jpg",
    ],
)
def test_a_thumbnail_decoded_small_is_that_of_a_full_decode(name: str) -> None:
    data = photo(name)
    small, full = open_picture(data, short_side=THUMBNAIL_SIDE), open_picture(data)

    assert small.pixels.width < full.pixels.width
    assert difference(read(thumbnail(small)), _plain_thumbnail(data)) <= 3
    assert difference(read(thumbnail(full)), _plain_thumbnail(data)) <= 3


@pytest.mark.parametrize("size", [(4001, 3003), (2999, 2001), (1207, 1801)])
def test_odd_sizes_are_not_shifted_by_decoding_small(size: tuple[int, int]) -> None:
    data = encoded(drawing(*size), "JPEG", quality=95)

    assert (
        difference(read(thumbnail(open_picture(data, short_side=THUMBNAIL_SIDE))), _plain_thumbnail(data))
        <= 1
    )


@pytest.mark.parametrize("name", sorted(samples()))
def test_every_kind_shows_the_same_drawing(name: str) -> None:
    picture = open_picture(samples()[name])
    expected = drawing()
    if name in ("png alpha", "webp lossless", "tiff lzw"):
        veil = Image.linear_gradient("L").resize(expected.size)
        expected = Image.composite(expected, Image.new("RGB", expected.size, "white"), veil)
    if name in ("jpeg grey", "png 16"):
        expected = expected.convert("L").convert("RGB")
    seen = undo_turn(picture.upright(), 6) if name in ("jpeg", "webp", "heif") else picture.upright()

    assert picture.pixels.mode in ("L", "RGB", "CMYK")
    # A palette of 32 colours and chroma for four pixels are coarse; a wrong picture differs by more than 60.
    assert difference(seen, expected) < (30 if name == "png palette" else 15)


def test_a_wide_gamut_photo_keeps_its_colours() -> None:
    data = photo("objects/bus.jpg")  # Display P3
    ignorant = ImageOps.fit(Image.open(io.BytesIO(data)).convert("RGB"), (300, 300), Image.Resampling.LANCZOS)
    honoured = read(thumbnail(open_picture(data)))

    saturation = [ImageStat.Stat(image.convert("HSV")).mean[1] for image in (honoured, ignorant)]
    assert saturation[0] > saturation[1] + 1


# What is saved


def test_nothing_but_pixels_is_saved() -> None:
    secret = exif_of([(0x010F, 2, 8, b"SECRET1\0")], [], [(1, 2, 2, b"N\0")])
    data = encoded(
        drawing(), "JPEG", exif=secret, comment=b"SECRET2", icc_profile=profile_of("sRGB"), xmp=b"<SECRET3/>"
    )
    picture = open_picture(data)

    for saved in (thumbnail(picture), web_version(picture)):
        assert b"SECRET" not in saved
        assert not read(saved).getexif()
        assert {"comment", "icc_profile", "xmp", "exif"}.isdisjoint(read(saved).info)


def test_the_same_photo_makes_the_same_bytes() -> None:
    made = samples()
    for name in ("jpeg", "heif", "png alpha"):
        first, second = open_picture(made[name]), open_picture(made[name])
        assert thumbnail(first) == thumbnail(second)
        assert web_version(first) == web_version(second)


def test_thumbnail_and_web_version_do_not_change_the_picture() -> None:
    picture = open_picture(samples()["jpeg"])
    before = picture.pixels.tobytes()
    thumbnail(picture)
    web_version(picture)

    assert picture.pixels.tobytes() == before


# Limits and damage


def test_too_many_pixels_are_refused() -> None:
    with pytest.raises(TooLarge, match="160 x 120 pixels, more than the limit of 19,199"):
        open_picture(samples()["jpeg"], max_pixels=160 * 120 - 1)

    assert open_picture(samples()["jpeg"], max_pixels=160 * 120)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda data: data[:-2], "no end marker"),
        (lambda data: data[:-10], "the last bytes are missing"),
        (lambda data: data + bytes(1000), "zeros behind it"),
        (lambda data: data + data[:5000], "another half behind it"),
    ],
)
def test_a_jpeg_with_a_scratch_is_shown(change: Callable[[bytes], bytes], why: str) -> None:
    data = encoded(drawing(1600, 1200), "JPEG", quality=90)

    shown = read(thumbnail(open_picture(change(data))))

    assert difference(shown, read(thumbnail(open_picture(data)))) < 1, why


def test_a_camera_file_with_a_few_bad_bytes_is_shown() -> None:
    assert open_picture(photo("gps/corrupted.jpg")).width == 3648


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_half_a_jpeg_is_unreadable(share: float, progressive: bool) -> None:
    data = encoded(drawing(1600, 1200), "JPEG", progressive=progressive)

    with pytest.raises(Unreadable, match="truncated"):
        open_picture(data[: int(len(data) * share)])


# A good neighbour


def test_threads_do_not_disturb_each_other() -> None:
    made = samples()

    def both(name: str) -> tuple[bytes, bytes]:
        picture = open_picture(made[name])
        return thumbnail(picture), web_version(picture)

    alone = {name: both(name) for name in made}
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(both, [*made] * 4)) == [alone[name] for name in made] * 4


def test_nothing_global_is_changed() -> None:
    program = (
        "import sys; from PIL import Image, ImageFile; limit = Image.MAX_IMAGE_PIXELS;"
        "from models.pictures.picture import *; thumbnail(open_picture(sys.stdin.buffer.read()));"
        "assert Image.MAX_IMAGE_PIXELS == limit and not ImageFile.LOAD_TRUNCATED_IMAGES;"
        "assert 'HEIF' not in Image.OPEN"
    )
    subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        input=samples()["heif"],
        cwd=ROOT,
        check=True,
        timeout=60,
    )
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_a_path_is_read_like_bytes(tmp_path: Path) -> None:
    path = tmp_path / "misleading.txt"
    path.write_bytes(samples()["webp"])

    assert isinstance(open_picture(path), Picture)
    assert open_picture(path).format is Format.WEBP


def test_web_side_is_what_the_contract_says() -> None:
    assert (THUMBNAIL_SIDE, WEB_SIDE) == (300, 4096)


def test_an_open_file_is_read_from_its_start_and_left_open() -> None:
    data = encoded(drawing(), "JPEG")
    file = io.BytesIO(data)
    file.seek(7)
    assert open_picture(file).pixels.tobytes() == open_picture(data).pixels.tobytes()
    assert not file.closed


def test_a_file_that_is_no_picture_is_not_read_into_memory() -> None:
    class Video(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            assert size is not None
            assert 0 < size <= 4096
            return super().read(size)

    with pytest.raises(NotAnImage, match="a video"):
        open_picture(Video(b"\0\0\0\x18ftypmp42" + bytes(100_000)))
