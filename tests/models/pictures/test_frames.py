"""An animation is shown, hashed and looked at by its first frame with something on it."""

from __future__ import annotations

import io
import subprocess
import sys
import textwrap
from collections.abc import Sequence

import pytest
from PIL import Image, ImageChops, ImageDraw

from models.pictures import frames
from models.pictures.hashes import perceptual_hash
from models.pictures.picture import open_picture, thumbnail
from tests.models.pictures.mutations import drawing

SIZE = (160, 120)
KINDS: dict[str, dict[str, object]] = {
    "GIF": {"duration": 40},
    "PNG": {"duration": 40},
    "WEBP": {"duration": 40, "lossless": True},
    "AVIF": {"duration": 40, "speed": 10, "quality": 90},
}
ANIMATED = pytest.mark.parametrize("kind", KINDS)


def blank(colour: str | tuple[int, ...] = "white", mode: str = "RGB") -> Image.Image:
    return Image.new(mode, SIZE, colour)


def film(kind: str, shown: Sequence[Image.Image], **more: object) -> bytes:
    out = io.BytesIO()
    shown[0].save(out, kind, save_all=True, append_images=shown[1:], **KINDS[kind], **more)
    with Image.open(io.BytesIO(out.getvalue())) as written:
        assert getattr(written, "n_frames", 1) == len(shown)  # writers join frames that are the same
    return out.getvalue()


def differ(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of their levels."""
    levels = ImageChops.difference(one.convert("RGB"), other.convert("RGB")).tobytes()
    return sum(levels) / len(levels)


def seen(data: bytes) -> Image.Image:
    return open_picture(data).upright()


@ANIMATED
@pytest.mark.parametrize("colour", ["white", "black", (40, 90, 160)])
def test_a_blank_beginning_is_passed_over(kind: str, colour: str | tuple[int, ...]) -> None:
    content, later = drawing(*SIZE), drawing(*SIZE).rotate(180)
    data = film(kind, [blank(colour), blank("orange"), content, later])

    assert differ(seen(data), content) < 8
    assert differ(seen(data), later) > 40


@ANIMATED
def test_a_transparent_beginning_is_passed_over(kind: str) -> None:
    content = drawing(mode="RGBA")
    data = film(kind, [blank((0, 0, 0, 0), "RGBA"), content, content.rotate(180)])

    assert differ(seen(data), content) < 8


@ANIMATED
def test_the_first_frame_is_the_picture_if_it_has_content(kind: str) -> None:
    content = drawing(*SIZE)
    data = film(kind, [content, content.rotate(180), blank()])

    assert differ(seen(data), content) < 8


@ANIMATED
def test_an_animation_of_blanks_is_its_first_one(kind: str) -> None:
    data = film(kind, [blank("navy"), blank("orange"), blank("white")])

    assert differ(seen(data), blank("navy")) < 4
    assert perceptual_hash(seen(data)) is None


@ANIMATED
def test_a_picture_of_one_frame_is_that(kind: str) -> None:
    out = io.BytesIO()
    blank("navy").save(out, kind)

    assert differ(seen(out.getvalue()), blank("navy")) < 4


@ANIMATED
def test_thumbnail_and_hash_come_of_the_same_frame(kind: str) -> None:
    content = drawing(*SIZE)
    data = film(kind, [blank(), content])
    made = Image.open(io.BytesIO(thumbnail(open_picture(data))))

    expected = perceptual_hash(content)
    assert expected is not None
    for image in (made, seen(data).crop((20, 0, 140, 120))):
        found = perceptual_hash(image)
        assert found is not None
        assert (found ^ (perceptual_hash(content.crop((20, 0, 140, 120))) or 0)).bit_count() <= 4
    assert ((perceptual_hash(seen(data)) or 0) ^ expected).bit_count() <= 4


def test_what_a_gifs_first_frame_leaves_behind_is_what_the_file_says() -> None:
    """Its colour is to be taken away before the next one, which does not cover it."""
    dot = Image.new("P", SIZE, 0)
    dot.putpalette([0, 0, 0, 200, 30, 30, 20, 60, 220])
    first = dot.copy()
    first.paste(1, (0, 0, *SIZE))
    ImageDraw.Draw(dot).rectangle((60, 40, 99, 79), fill=2)
    for disposal, around in ((2, (255, 255, 255)), (1, (200, 30, 30))):
        out = io.BytesIO()
        first.save(
            out,
            "GIF",
            save_all=True,
            append_images=[dot],
            duration=40,
            disposal=disposal,
            transparency=0,
            optimize=False,
        )
        image = seen(out.getvalue())
        assert image.getpixel((80, 60)) == (20, 60, 220)
        assert image.getpixel((5, 5)) == around


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_damage_behind_the_first_frame_leaves_that(kind: str) -> None:
    """The second frame's data is gone, the file as long as it says; AVIF's decoder would make some up."""
    data = film(kind, [blank("navy"), drawing(*SIZE)])
    end = len(film(kind, [blank("navy"), blank("orange")])) + 100
    assert len(data) > 2 * end

    assert differ(seen(data[:end] + bytes(len(data) - end)), blank("navy")) < 4


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the most memory there ever was")
@ANIMATED
def test_looking_for_content_takes_no_more_memory_than_was_said(kind: str) -> None:
    size = (1920, 1080)
    shown = [Image.new("RGBA", size, (9 * number, 0, 0, 255)) for number in range(4)]
    out = io.BytesIO()
    last = drawing(mode="RGBA").resize(size)
    shown[0].save(out, kind, save_all=True, append_images=[*shown[1:], last], **KINDS[kind])
    look = """
        import io, re, sys
        from pathlib import Path
        from models.pictures.blank import is_blank
        from models.pictures.demand import read_header
        from models.pictures.picture import open_picture

        def most():
            status = Path("/proc/self/status").read_text()
            return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", status)[1])

        data = sys.stdin.buffer.read()
        header = read_header(io.BytesIO(data))
        before = most()
        assert not is_blank(open_picture(data).pixels)
        print(most() - before, header.demand(short_side=None, long_side=None).bytes)
    """
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(look)], input=out.getvalue(), check=True, capture_output=True
    ).stdout
    took, demand = map(int, said.split())
    assert demand // 2 <= took <= demand + 64_000_000


@ANIMATED
def test_no_more_is_looked_at_than_the_limits_say(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shades = [blank((0, 0, 5 * number)) for number in range(8)]
    data = film(kind, [*shades, drawing(*SIZE)])
    assert differ(seen(data), shades[0]) > 40
    for name, number in (
        ("_MOST_FRAMES", 8),
        ("_MOST_PIXELS", SIZE[0] * SIZE[1] - 1),
        ("_MOST_PIXELS_IN_ALL", SIZE[0] * SIZE[1] * 8),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(frames, name, number)
            assert differ(seen(data), shades[0]) < 4


def test_a_series_of_pictures_is_its_first_one() -> None:
    """Pages and what a camera took at once are no animation; the first of them is the picture."""
    content = drawing(*SIZE)
    for kind in ("TIFF", "MPO"):
        out = io.BytesIO()
        blank("navy").save(out, kind, save_all=True, append_images=[content])
        assert differ(seen(out.getvalue()), blank("navy")) < 4
