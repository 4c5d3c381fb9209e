"""One profile's models in one process: prints a line at the first fact, and one of JSON at the end."""

from __future__ import annotations

import json
import resource
import sys
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from PIL import Image

from models.catalog import discover
from models.frame import Frame
from models.serving.registry import Registry
from models.settings import ModelSettings
from models.tasks import EMBED, FACES, OBJECTS, Embedder, FaceFinder, ObjectDetector
from models.weights.store import Weights

ASKED = (
    (EMBED, Embedder.embed_images, 512),
    (FACES, FaceFinder.find_faces, 1280),
    (OBJECTS, ObjectDetector.detect, 1280),
)
"""Tasks, methods, and the long side of the picture that the operation needs."""


FIRST_FACT = "first fact"
"""The line that says so."""
TURNS = 4
"""How often each photo is looked at: few photos leave the memory to the models."""


def main(profile: str, backend: str, cache: str, *photos: str) -> None:
    settings = ModelSettings(
        _env_file=None,
        model_profile=profile,
        model_backend=backend,
        model_cache_dir=Path(cache),
        model_downloads=False,
        model_ttl=3600,
    )
    registry = Registry(discover(), settings, Weights(settings))
    try:
        frames = [_frames(Path(photo)) for photo in photos]
        _ask(registry, frames[0])[0].result()
        print(FIRST_FACT, flush=True)
        for answer in _ask(registry, frames[0]):
            answer.result()
        started = time.perf_counter()
        for answer in [answer for each in frames * TURNS for answer in _ask(registry, each)]:
            answer.result()
        rate = TURNS * len(frames) / (time.perf_counter() - started)
    finally:
        registry.shut()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000  # it counts kilobytes on Linux
    print(json.dumps({"rate": rate, "peak_megabytes": peak}), flush=True)


def _frames(photo: Path) -> list[Frame]:
    with Image.open(photo) as image:
        plain = image.convert("RGB")
    frames = []
    for _, _, side in ASKED:
        smaller = plain.copy()
        smaller.thumbnail((side, side))
        frames.append(Frame.of(smaller))
    return frames


def _ask(registry: Registry, frames: list[Frame]) -> list[Future[Any]]:
    return [
        registry.submit(task.name, method.__name__, frame, (frame.width, frame.height))
        for (task, method, _), frame in zip(ASKED, frames, strict=True)
    ]


if __name__ == "__main__":
    main(*sys.argv[1:])
