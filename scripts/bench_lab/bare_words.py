"""What no search could beat: the model's words alone, one sentence after the other, in the process itself."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from models import catalog
from models.machine import quiet
from models.machine.device import choose, keep_threads
from models.selection import select
from models.settings import ModelSettings
from models.spec import Loading
from models.tasks import EMBED
from models.weights.store import Weights
from scripts.bench_lab.partner import Answer, answer


class BareWords:
    def __init__(self, *, settings: Mapping[str, Any]) -> None:
        self._settings = ModelSettings(_env_file=None, **settings)
        quiet.silence(self._settings.model_cache_dir, threads=self._settings.model_threads)
        spec, variant = select(catalog.discover(), EMBED.name, self._settings)
        weights = Weights(self._settings)
        loading = Loading(
            variant=variant,
            files=weights.paths(variant),
            digest=weights.digest(variant),
            device=choose(self._settings.model_device),
            threads=self._settings.model_threads,
            settings=self._settings,
        )
        with keep_threads(self._settings.model_threads):
            self._model = spec.load(loading)
        self._model.embed_texts(["a warm day"])

    def ask(self, *, sentences: Sequence[str]) -> Answer:
        """Seconds for each of the sentences, and the vector of the last one."""
        seconds, vector = [], None
        for sentence in sentences:
            began = time.perf_counter()
            [vector] = self._model.embed_texts([sentence])
            seconds.append(time.perf_counter() - began)
        return {"seconds": seconds, "vector": None if vector is None else [float(x) for x in vector]}


if __name__ == "__main__":
    answer(lambda **told: BareWords(**told).ask)
