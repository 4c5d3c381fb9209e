"""What anybody would write first, and what no program could beat: both ends of the scale for thumbnails."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, ImageOps

from models.pictures.picture import THUMBNAIL_SIDE, WEB_SIDE, open_picture, thumbnail, web_version


def plain_loop(photos: Sequence[Path], folder: Path, *, web: bool) -> float:
    """Seconds for Pillow on one file after the other."""
    folder.mkdir(exist_ok=True)
    began = time.perf_counter()
    for photo in photos:
        with Image.open(photo) as image:
            upright = ImageOps.exif_transpose(image)
            side = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
            ImageOps.fit(upright, side, Image.Resampling.LANCZOS).save(folder / photo.name, quality=80)
            if web:
                if max(upright.size) > WEB_SIDE:
                    upright = ImageOps.contain(upright, (WEB_SIDE, WEB_SIDE), Image.Resampling.LANCZOS)
                upright.save(folder / f"web-{photo.name}", quality=92)
    return time.perf_counter() - began


def bare_limit(photos: Sequence[Path], *, web: bool) -> float:
    """Seconds for our own decoding and encoding on every core, with nothing to fetch, store or note."""
    data = [photo.read_bytes() for photo in photos]

    def render(photo: bytes) -> None:
        picture = open_picture(photo, short_side=THUMBNAIL_SIDE, long_side=WEB_SIDE if web else None)
        thumbnail(picture)
        if web:
            web_version(picture)

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        began = time.perf_counter()
        list(threads.map(render, data))
        return time.perf_counter() - began
