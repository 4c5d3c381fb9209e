"""Which frame of an animation is the picture: its first one, or if that is blank the first that is not."""

from __future__ import annotations

import io
from typing import Final

from PIL import Image, ImageFile
from PIL.GifImagePlugin import GifImageFile

from models.pictures.blank import is_blank
from models.pictures.colour import flatten

# Looking takes up to 30 bytes per pixel more than a picture alone, and about a second of a core for as many
# pixels as this. Animations of more than 1920 x 1080 show their first frame, whatever it is.
_MOST_PIXELS: Final = 1920 * 1080
_MOST_PIXELS_IN_ALL: Final = 50_000_000
_MOST_FRAMES: Final = 100


def first_seen(image: ImageFile.ImageFile, data: bytes) -> Image.Image:
    """The picture of a loaded file, flattened; of animations the first frame with content, if there is one.

    `data` is the file's, from which `image` was opened, perhaps with other disposal of its first frame.
    """
    first = flatten(image)
    width, height = image.size
    if width * height > _MOST_PIXELS or not getattr(image, "is_animated", False) or not is_blank(first):
        return first
    if first is image:
        first = image.copy()  # the file goes on to other frames
    # The disposal of a GIF's first frame decides what is beneath the second.
    film = GifImageFile(io.BytesIO(data)) if isinstance(image, GifImageFile) else image
    for number in range(1, min(_MOST_FRAMES, _MOST_PIXELS_IN_ALL // (width * height))):
        try:
            film.seek(number)
            film.load()
        except Exception:  # the end, or damage, whose first frame is still a picture
            return first
        if film.size != (width, height):
            return first
        frame = flatten(film)
        if not is_blank(frame):
            return frame.copy() if frame is film else frame
    return first
