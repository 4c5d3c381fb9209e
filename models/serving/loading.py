"""Loading and unloading models: weights found beside, memory measured, room made."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from threading import Thread
from typing import Final, Protocol

import structlog

from models.errors import BadWeights, WeightsMissing
from models.machine import device as devices
from models.machine import memory
from models.selection import check_licence, check_packages, parameters_of
from models.serving.schedule import evicted
from models.serving.slots import Failure, Slot, Slots
from models.settings import ModelSettings
from models.spec import Device, Loading, ModelIdentity, Variant
from models.tasks import Model

log = structlog.get_logger()

REFUSAL_SECONDS: Final = 5.0
"""How long a model that could not be had (no weights, no package) is taken to stay so: jobs come faster than
files do."""
HOPELESS_SHARE: Final = 0.1
"""A load that fails each time takes at most this share of the models' thread: it is refused meanwhile."""
HOPELESS_SECONDS: Final = 60.0
"""Longest such refusal."""
REFERENCE_GRADE: Final = ("", "fp32", "f32")
"""Precisions whose vectors are those of the reference; any other is part of the version, as one index never
mixes them."""


class WeightStore(Protocol):
    """Where the files of models are."""

    def paths(self, variant: Variant) -> Mapping[str, Path]:
        """The paths of verified files by `WeightFile.path`, fetched if need be. Blocks.

        Raises `WeightsMissing` or `BadWeights`.
        """
        ...

    def digest(self, variant: Variant) -> str | None:
        """The digest of a model's files, as in `ModelIdentity.digest`."""
        ...


class Loader:
    """Loads and unloads models in the models' thread, and finds weights in threads of their own."""

    def __init__(self, slots: Slots, settings: ModelSettings, weights: WeightStore) -> None:
        self.device: Device | None = None
        self._slots = slots
        self._settings = settings
        self._weights = weights

    def prepare(self, slot: Slot) -> None:
        """Have a model's weights found, unless they are; to be called under the lock."""
        if slot.model is None and slot.files is None and slot.preparing is None:
            slot.preparing = time.monotonic()
            Thread(target=self._find_weights, args=(slot,), name="weights", daemon=True).start()

    def describe(self, slot: Slot) -> ModelIdentity:
        """The identity of a model that is not loaded."""
        device = self.device or devices.choose(self._settings.model_device)
        try:
            digest = self._weights.digest(slot.variant)
        except WeightsMissing:
            digest = None
        return identity_of(slot, digest, device, None)

    def load(self, slot: Slot) -> None:
        """Load a model, making room first; on failure its requests fail, and it is refused for a while."""
        started = time.monotonic()
        try:
            self.make_room(slot)
            failure = self._try(slot)
            if failure is not None and failure.exhausted and self.unload_others(slot):
                failure = self._try(slot)
        except Exception as error:
            failure = Failure.of(error)
        if failure is None:
            self.make_room(slot)  # it may have taken more than was thought
            return
        now = time.monotonic()
        with self._slots.changed:
            slot.files = None  # the next use looks at them again
            slot.refused = failure
            slot.refused_until = now + min((now - started) / HOPELESS_SHARE, HOPELESS_SECONDS)
            orphans = self._slots.take_all(slot)
        failure.fail(orphans)

    def unload(self, slot: Slot) -> None:
        """Close a model and give its memory back; nothing if it is not loaded."""
        with self._slots.changed:
            model, slot.model, slot.files = slot.model, None, None
        if model is None:
            return
        try:
            model.close()
        except Exception:
            log.warning("model close failed", model=slot.version, exc_info=True)
        del model
        memory.return_memory()
        log.info("model unloaded", model=slot.version)

    def evicted(self, slot: Slot) -> list[Slot]:
        """The models to unload so that this one fits; to be called under the lock."""
        budget = self._settings.model_memory or memory.machine(self.device or "cpu") // 2
        tenants = [self._slots.tenant(one) for one in self._slots]
        return evicted(tenants, self._slots.tenant(slot), budget)

    def make_room(self, slot: Slot) -> None:
        """Unload what must go for this model to fit."""
        with self._slots.changed:
            others = self.evicted(slot)
        for other in others:
            self.unload(other)

    def unload_others(self, slot: Slot) -> bool:
        """Unload every other model because memory ran out; returns whether there were any."""
        with self._slots.changed:
            every = list(self._slots)
        others = [one for one in every if one is not slot and one.model and not one.pinned]
        for other in others:
            self.unload(other)
        return bool(others)

    def _find_weights(self, slot: Slot) -> None:
        failure = files = digest = None
        try:
            check_licence(slot.variant, self._settings)
            check_packages(slot.variant)
            files = self._weights.paths(slot.variant)
            digest = self._weights.digest(slot.variant)
        except BaseException as error:
            failure = Failure.of(error)
        with self._slots.changed:
            slot.preparing = None
            slot.files, slot.digest = files, digest
            slot.refused = failure
            slot.refused_until = time.monotonic() + REFUSAL_SECONDS
            orphans = self._slots.take_all(slot) if failure else []
            self._slots.changed.notify()
        if failure:
            failure.fail(orphans)

    def _try(self, slot: Slot) -> Failure | None:
        started = time.monotonic()
        try:
            if self.device is None:
                self.device = devices.choose(self._settings.model_device)
                if self._settings.model_device == "auto":
                    log.info("device chosen", device=self.device)
            before = memory.taken(self.device)
            with devices.keep_threads(self._settings.model_threads):
                model = self._loaded(slot, self.device)
            megabytes = max(1, memory.taken(self.device) - before)
            identity = identity_of(slot, slot.digest, self.device, model)
        except BaseException as error:
            failure = Failure.of(error)
        else:
            seconds = time.monotonic() - started
            with self._slots.changed:
                slot.model, slot.identity = model, identity
                slot.used = time.monotonic()
                slot.megabytes = slot.base_megabytes = megabytes
                slot.most = self._settings.model_batch_size or slot.variant.largest_batch.get(self.device, 1)
                slot.counts.loads += 1
                slot.counts.load_seconds += seconds
            log.info("model loaded", model=identity.version, seconds=round(seconds, 2), megabytes=megabytes)
            return None
        memory.return_memory()
        return failure

    def _loaded(self, slot: Slot, device: Device) -> Model:
        loading = Loading(
            variant=slot.variant,
            files=slot.files or {},
            digest=slot.digest,
            device=device,
            threads=self._settings.model_threads,
            settings=slot.settings,
        )
        model: Model = slot.spec.load(loading)
        dimension = getattr(model, "dimension", None)
        if slot.variant.dimension not in (None, dimension):
            model.close()
            raise BadWeights(
                f"{slot.variant.version} makes vectors of {dimension} numbers, not {slot.variant.dimension}"
            )
        return model


def identity_of(slot: Slot, digest: str | None, device: Device, model: Model | None) -> ModelIdentity:
    """Which model it is, as far as is known before it is loaded (without `model`) or exactly."""
    version, precision = slot.variant.version, model.precision if model else ""
    suffix = f"+{precision}"
    if slot.variant.dimension is not None and precision not in REFERENCE_GRADE:
        version = version.removesuffix(suffix) + suffix
    return ModelIdentity(
        task=slot.spec.task.name,
        name=slot.spec.name,
        version=version,
        digest=digest or (model.digest if model else None),
        backend=model.backend if model else "",
        precision=precision,
        device=device,
        scale=slot.variant.scale,
        parameters=parameters_of(slot.spec, slot.variant, slot.settings),
    )
