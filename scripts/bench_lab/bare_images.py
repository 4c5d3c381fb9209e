"""What no program could beat: the models alone, asked by hand, with every picture decoded and in memory.

The same models, backends, threads and batch sizes as in a worker's model host, one model after the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from models import catalog
from models.machine import quiet
from models.machine.device import choose, keep_threads
from models.pictures.detail import Detail
from models.pictures.picture import open_picture
from models.selection import select
from models.settings import ModelSettings
from models.spec import Loading
from models.tasks import CAPTION, EMBED, FACES, OBJECTS, OCR, CaptionRequest, Task
from models.weights.store import Weights
from scripts.bench_lab.partner import Answer, answer
from worker.decoding import Need
from worker.handlers.image_ai import OPERATIONS, details_of, see
from worker.operations.operation import SharedPicture

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
        details = details_of([OPERATIONS[name] for name in operations])
        self._pictures = [_decoded(Path(photo), details, self._settings) for photo in photos]
        self._models: dict[str, tuple[Callable[[Sequence[Any]], Sequence[Any]], int]] = {}
        for name in operations:
            task = OPERATIONS[name].task
            if task is not None:
                self._models[name] = self._load(task)
                self._run(name, self._pictures[:1])

    def ask(self, *, operations: Sequence[str], photos: int) -> Answer:
        """Seconds for the first `photos` photos, by operation."""
        seconds = {}
        for name in operations:
            if name in self._models:
                began = time.perf_counter()
                self._run(name, self._pictures[:photos])
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

    def _run(self, name: str, pictures: Sequence[SharedPicture]) -> None:
        call, size = self._models[name]
        frames = [picture.frames[OPERATIONS[name].view] for picture in pictures]
        groups: dict[Hashable, list[Any]] = {}
        for frame in frames:
            shape = (frame.width, frame.height) if name == "objects" else None
            item = CaptionRequest(frame=frame) if name == "describe" else frame
            groups.setdefault(shape, []).append(item)
        for group in groups.values():
            for start in range(0, len(group), size):
                call(group[start : start + size])


def _decoded(photo: Path, details: Mapping[str, Detail], settings: ModelSettings) -> SharedPicture:
    need = Need.for_details(details.values())
    with photo.open("rb") as file:
        picture = open_picture(
            file, max_pixels=200_000_000, long_side=need.long_side, strip_side=need.strip_side
        )
        return see(details, settings.max_image_size**2, "medium", picture, file)


if __name__ == "__main__":
    answer(lambda **told: BareModels(**told).ask)
