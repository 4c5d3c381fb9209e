"""Running a loaded model for a batch of requests: every request gets its answer or its own error."""

from __future__ import annotations

import time
from typing import Any

import structlog

from models.errors import ModelFailed
from models.machine import device as devices
from models.machine import memory
from models.serving.asking import ModelAnswer
from models.serving.loading import Loader
from models.serving.slots import Failure, Request, Slot, Slots
from models.settings import ModelSettings

log = structlog.get_logger()


class Answerer:
    """Calls models in the models' thread; a batch that does not fit into memory is halved."""

    def __init__(self, slots: Slots, settings: ModelSettings, loader: Loader) -> None:
        self._slots = slots
        self._settings = settings
        self._loader = loader

    def ask(self, slot: Slot, method: str | None, requests: list[Request]) -> None:
        """End all requests, then unload what must go because the call took more memory than was thought."""
        try:
            self._answer(slot, method, requests)
        except BaseException as error:
            Failure.of(error).fail(request for request in requests if not request.future.done())
        with self._slots.changed:
            slot.used = time.monotonic()
        self._loader.make_room(slot)

    def _answer(self, slot: Slot, method: str | None, requests: list[Request]) -> None:
        """Give each request its answer or its own error, however many calls that takes."""
        if not requests:
            return
        outcome = self._call(slot, method, requests)
        if not isinstance(outcome, Failure):
            for request, answer in zip(requests, outcome, strict=True):
                request.future.set_result(answer)
        elif len(requests) == 1:
            if outcome.exhausted and self._loader.unload_others(slot):
                self._answer(slot, method, requests)
            else:
                outcome.fail(requests)
        elif outcome.exhausted:
            half = len(requests) // 2
            with self._slots.changed:
                slot.most = max(1, min(slot.most, half))
            log.warning("batch out of memory", model=slot.version, inputs=len(requests), batch_size=slot.most)
            memory.return_memory()
            self._answer(slot, method, requests[:half])
            self._answer(slot, method, requests[half:])
        else:
            for request in requests:
                self._answer(slot, method, [request])

    def _call(
        self, slot: Slot, method: str | None, requests: list[Request]
    ) -> list[ModelAnswer[Any]] | Failure:
        device = self._loader.device
        assert slot.identity is not None
        assert device is not None
        if method is None:
            return [ModelAnswer(value=None, model=slot.identity) for _ in requests]
        before = memory.taken(device)
        started = time.monotonic()
        outcome: list[ModelAnswer[Any]] | Failure
        try:
            values = getattr(slot.model, method)([request.item for request in requests])
            if len(values) != len(requests):
                raise ModelFailed(f"{len(values)} answers to {len(requests)} inputs")
            outcome = [ModelAnswer(value=value, model=slot.identity) for value in values]
        except BaseException as error:
            outcome = Failure.of(error)
        devices.set_threads(self._settings.model_threads)
        ended = time.monotonic()
        grown = memory.taken(device) - before
        with self._slots.changed:
            slot.megabytes = max(slot.megabytes, slot.base_megabytes + grown)
            slot.counts.batches += 1
            slot.counts.batch_sizes[len(requests)] += 1
            slot.counts.wait_seconds += sum(started - request.since for request in requests)
            slot.counts.run_seconds += ended - started
        return outcome
