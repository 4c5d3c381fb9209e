"""What the seeded test models find in a drawn photo, so that they have as much to do as in a real one.

Two faces (magenta squares in their frames), three things (strong colours), four lines of text on bars of
cyan; the last are read by engines with real weights, too. See `scripts/test_models`.
"""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

FACES = (("navy", 0.22, 0.24), ("olive", 0.55, 0.24))
"""Colour of the frame, and the middle as shares of width and height."""
FACE, FRAME = 72 / 640, 150 / 640
"""Sides of the squares, as shares of the long side."""
THINGS = (("red", 0.85, 0.2), ("lime", 0.75, 0.55), ("blue", 0.75, 0.85))
THING = 72 / 640
LINES = ("THE QUICK BROWN FOX", "JUMPS OVER 13 LAZY DOGS", "Platform 9 to Oxford", "Closed on Sundays")
BAR = (0.42, 0.04)
"""Width and height of a bar as shares of the long side."""


def draw_marks(picture: Image.Image) -> None:
    draw = ImageDraw.Draw(picture)
    width, height = picture.size
    long = max(width, height)

    def square(colour: str, x: float, y: float, share: float) -> None:
        half = share * long / 2
        draw.rectangle(
            (x * width - half, y * height - half, x * width + half, y * height + half), fill=colour
        )

    for colour, x, y in FACES:
        square(colour, x, y, FRAME)
        square("magenta", x, y, FACE)
    for colour, x, y in THINGS:
        square(colour, x, y, THING)
    font = ImageFont.load_default(BAR[1] * long * 0.6)
    for number, line in enumerate(LINES):
        left, top = 0.05 * width, (0.55 + 0.1 * number) * height
        bar = (left, top, left + BAR[0] * long, top + BAR[1] * long)
        draw.rectangle(bar, fill="cyan")
        draw.text(
            (left + BAR[1] * long * 0.5, top + BAR[1] * long / 2), line, fill="black", font=font, anchor="lm"
        )
