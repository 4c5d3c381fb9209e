"""What no program could beat: the models alone, asked by hand, with every picture decoded and in memory.

The same models, backends, threads and batch sizes as in a worker's model host, one model after the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from models import catalog
from models.frame import Frame
from models.machine import quiet
from models.machine.device import choose, keep_threads
from models.pictures.picture import open_picture
from models.selection import select
from models.settings import ModelSettings
from models.spec import Loading
from models.tasks import CAPTION, EMBED, FACES, OBJECTS, OCR, CaptionRequest, Task
from models.weights.store import Weights
from scripts.bench_lab.partner import Answer, answer
from worker.handlers.image_ai import OPERATIONS, see

METHODS = {
    EMBED.name: "embed_images",
    FACES.name: "find_faces",
    OBJECTS.name: "detect",
    OCR.name: "read",
    CAPTION.name: "describe",
}


class BareModels:
    def __init__(
        self, *, settings: Mapping[str, Any], operations: Sequence[str], photos: Sequence[str]
    ) -> None:
        self._settings = ModelSettings(_env_file=None, **settings)
        quiet.silence(self._settings.model_cache_dir, threads=self._settings.model_threads)
        long_side = max(OPERATIONS[name].long_side for name in operations)
        self._frames = [_decoded(Path(photo), long_side, self._settings) for photo in photos]
        self._models: dict[str, tuple[Callable[[Sequence[Any]], Sequence[Any]], int]] = {}
        for name in operations:
            task = OPERATIONS[name].task
            if task is not None:
                self._models[name] = self._load(task)
                self._run(name, self._frames[:1])

    def ask(self, *, operations: Sequence[str], photos: int) -> Answer:
        """Seconds for the first `photos` photos, by operation."""
        seconds = {}
        for name in operations:
            if name in self._models:
                began = time.perf_counter()
                self._run(name, self._frames[:photos])
                seconds[name] = time.perf_counter() - began
        return {"seconds": seconds}

    def _load(self, task: Task[Any]) -> tuple[Callable[[Sequence[Any]], Sequence[Any]], int]:
        spec, variant = select(catalog.discover(), task.name, self._settings)
        device = choose(self._settings.model_device)
        weights = Weights(self._settings)
        loading = Loading(
            variant=variant,
            files=weights.paths(variant),
            digest=weights.digest(variant),
            device=device,
            threads=self._settings.model_threads,
            settings=self._settings,
        )
        with keep_threads(self._settings.model_threads):
            model = spec.load(loading)
        size = self._settings.model_batch_size or variant.largest_batch.get(device, 1)
        return getattr(model, METHODS[task.name]), size

    def _run(self, name: str, frames: Sequence[Frame]) -> None:
        call, size = self._models[name]
        groups: dict[Hashable, list[Any]] = {}
        for frame in frames:
            shape = (frame.width, frame.height) if name == "objects" else None
            item = CaptionRequest(frame=frame) if name == "describe" else frame
            groups.setdefault(shape, []).append(item)
        for group in groups.values():
            for start in range(0, len(group), size):
                call(group[start : start + size])


def _decoded(photo: Path, long_side: int, settings: ModelSettings) -> Frame:
    side = min(long_side, settings.max_image_size)
    with photo.open("rb") as file:
        picture = open_picture(file, max_pixels=200_000_000, long_side=side)
        return see(side, "medium", picture, file).frame


if __name__ == "__main__":
    answer(lambda **told: BareModels(**told).ask)
