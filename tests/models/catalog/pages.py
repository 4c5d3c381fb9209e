"""Pages of text as cameras and phones see them, drawn."""

from __future__ import annotations

import io
import random
from collections import Counter
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

_ADJECTIVES: Final = "quiet narrow ancient bright heavy distant gentle crooked wooden silver patient hollow"
_NOUNS: Final = "harbour ladder garden letter window engine valley kitchen orchard bridge captain lantern"
_VERBS: Final = "carried opened painted crossed mended followed counted sheltered measured watched"
PAPER: Final = (244, 240, 230)


def words(number: int) -> list[str]:
    """The first words of a story that is always the same."""
    chance = random.Random(7)
    adjectives, nouns, verbs = (kind.split() for kind in (_ADJECTIVES, _NOUNS, _VERBS))
    told: list[str] = []
    while len(told) < number:
        told += ["The", chance.choice(adjectives), chance.choice(nouns), chance.choice(verbs), "the"]
        told += [chance.choice(nouns), "and", "slowly", chance.choice(verbs), "a"]
        told += [chance.choice(adjectives), chance.choice(nouns) + "."]
    return told[:number]


def set_lines(story: list[str], font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    lines = [""]
    for word in story:
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def page(story: list[str], width: int, height: int, *, ink: str = "black") -> Image.Image:
    """A sheet with the story in the largest letters that it holds."""
    margin = round(0.06 * width)
    for points in range(200, 5, -1):
        font = ImageFont.load_default(points)
        lines = set_lines(story, font, width - 2 * margin)
        if len(lines) * 1.5 * points <= height - 2 * margin:
            break
    sheet = Image.new("RGB", (width, height), PAPER if ink == "black" else (20, 20, 24))
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        draw.text((margin, margin + 1.5 * points * number), line, fill=ink, font=font)
    return sheet


def photo(width: int, height: int) -> Image.Image:
    """Blots of colour, grain, and no text."""
    chance = np.random.default_rng(1)
    blots = chance.integers(40, 200, (height // 100 + 2, width // 100 + 2, 3), dtype=np.uint8)
    grain = chance.integers(0, 60, (height // 4 + 1, width // 4 + 1), dtype=np.uint8)
    pixels = np.asarray(Image.fromarray(blots).resize((width, height)), np.int16) - 30
    fine = np.asarray(Image.fromarray(grain).resize((width, height)), np.int16)
    noise = chance.normal(0, 6, (height, width)).astype(np.int16)
    return Image.fromarray(np.clip(pixels + (fine + noise)[..., None], 0, 255).astype(np.uint8))


def photo_of_page(
    share: float,
    story: list[str],
    *,
    size: tuple[int, int] = (4000, 3000),
    turn: float = 0,
    ink: str = "black",
) -> Image.Image:
    """A page as high as `share` of the photo around it, turned by so many degrees, as a camera writes it."""
    height = round(share * size[1])
    sheet = page(story, round(height / 1.414), height, ink=ink).convert("RGBA")
    sheet = sheet.rotate(turn, expand=True, resample=Image.Resampling.BICUBIC)
    around = photo(*size)
    around.paste(sheet, ((size[0] - sheet.width) // 2, (size[1] - sheet.height) // 2), sheet)
    return as_jpeg(around.filter(ImageFilter.GaussianBlur(0.7)))


def screenshot(width: int, height: int, lines: int, points: int) -> tuple[Image.Image, list[str]]:
    """A long screenshot, and the words on it."""
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(points)
    told = set_lines(words(lines * 20), font, width - 4 * points)[:lines]
    for number, line in enumerate(told):
        draw.text(
            (2 * points, points + (height - 2 * points) * number / lines), line, fill="black", font=font
        )
    return image, " ".join(told).split()


def as_jpeg(image: Image.Image) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return Image.open(out).convert("RGB")


def words_read(text: str, story: list[str]) -> int:
    """How many words of the story are in a text, in whatever order."""
    return (Counter(text.lower().split()) & Counter(word.lower() for word in story)).total()
