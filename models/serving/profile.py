"""Which models MODEL_PROFILE=auto means on this machine.

For each task that is the reference model where its licence is allowed, its packages are installed and its
weights are here or can be fetched; else a spare one, of which the same is true; else the free model, whose
weights come in packages. It is found out once per process: a library whose model changed from job to job
would be searched by neither.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import structlog

from models.catalog import discover
from models.errors import ModelError
from models.selection import check_licence, check_packages
from models.settings import ModelSettings
from models.spec import AnySpec, Variant
from models.weights.store import Weights

S = TypeVar("S", bound=ModelSettings)
log = structlog.get_logger()


def resolved(settings: S, specs: Iterable[AnySpec] | None = None, weights: Weights | None = None) -> S:
    """The settings with a model named for each task that has a free one, and no `auto` left. Blocks.

    `specs` are the catalog's, unless given. May ask the servers of weights whether they answer. Settings of
    another profile are answered as they are.
    """
    if settings.model_profile != "auto":
        return settings
    catalog = tuple(discover() if specs is None else specs)
    weights = weights or Weights(settings)
    chosen: dict[str, str] = {}
    for task in dict.fromkeys(spec.task.name for spec in catalog):
        setting = f"{task}_model"
        if getattr(settings, setting, None) != "":
            continue  # named by a person, or a task without such a setting
        offered = [spec for spec in catalog if spec.task.name == task]
        best = next((spec for spec in offered if spec.profile == "best"), None)
        others = [spec for profile in ("spare", "free") for spec in offered if spec.profile == profile]
        if best is None or not others:
            continue
        problem = obstacle(best, settings, weights)
        if not problem:
            continue
        other = next((spec for spec in others if not obstacle(spec, settings, weights)), None)
        if other is not None:
            chosen[setting] = other.name
            log.info("other model chosen", task=task, model=other.name, reason=problem)
    return settings.model_copy(update={**chosen, "model_profile": "best"})


def obstacle(spec: AnySpec, settings: ModelSettings, weights: Weights) -> str:
    """Why a model is not to be had here; empty where it is."""
    try:
        variant = spec.select(settings)
    except ModelError as error:
        return str(error)
    return lacks(variant, settings) or weights.obstacle(variant)


def lacks(variant: Variant, settings: ModelSettings) -> str:
    """What forbids a model here whatever weights there are: its licence, or a package; empty for nothing."""
    try:
        check_licence(variant, settings)
        check_packages(variant)
    except ModelError as error:
        return str(error)
    return ""
