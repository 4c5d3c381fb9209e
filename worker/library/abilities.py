"""What this machine can find out about pictures, and what it lacks for the rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from models.catalog import discover
from models.errors import ModelError, WeightsMissing
from models.selection import check_licence, check_packages, select_all
from models.weights.store import Weights
from worker import operations
from worker.generations import Generation
from worker.operations.operation import Operation
from worker.settings import Settings


def lacks_of(
    operations: Iterable[Operation], settings: Settings, generations: Iterable[Generation] = ()
) -> dict[str, ModelError]:
    """Why operations cannot be done on this machine, by their names; those that can are not in it.

    Of an operation with vectors, it is about the one of `generations` that answers. Nothing is loaded, and no
    file is read: damaged weights pass. Weights that may be fetched are no lack.
    """
    active = {generation.kind: generation for generation in generations if generation.state == "active"}
    lacks: dict[str, ModelError] = {}
    for operation in operations:
        try:
            version_here(operation, settings, active.get(operation.vectors or ""))
        except ModelError as error:
            lacks[operation.name] = error
    return lacks


def announced(
    operations: Iterable[Operation], settings: Settings, generations: Iterable[Generation] = ()
) -> dict[str, Any]:
    """What the `workers` table is told: versions of facts it can find out, and codes of what is lacking.

    Of an operation with vectors there is a version for each of `generations` that it can embed for.
    """
    living = list(generations)
    facts: dict[str, list[str]] = {}
    lacks = {}
    for operation in operations:
        own: list[Generation | None] = [one for one in living if one.kind == operation.vectors]
        for generation in own or [None]:
            try:
                version = version_here(operation, settings, generation)
                facts.setdefault(operation.name, []).append(version)
            except ModelError as error:
                lacks[operation.name] = error.code
    return {"facts": facts, "lacks": lacks}


def sentences(settings: Settings, generations: Iterable[Generation]) -> list[str]:
    """The versions of pictures' `generations` in whose vectors this machine can say a sentence."""
    able = operations.discover().values()
    return [one.version for one in generations if one.kind == "pictures" and can_embed(able, settings, one)]


def can_embed(operations: Iterable[Operation], settings: Settings, generation: Generation) -> bool:
    """Whether one of these operations makes a generation's vectors, and this machine lacks nothing for it."""
    able = [operation for operation in operations if operation.vectors == generation.kind]
    return bool(able) and not lacks_of(able, settings, [replace(generation, state="active")])


def version_here(operation: Operation, settings: Settings, generation: Generation | None = None) -> str:
    """The version of the fact that this machine would find out, for a generation where there is one.

    Raises:
        ModelError: it lacks something for it.
    """
    if operation.task is None:
        return operation.version
    if generation is not None:
        settings = generation.meant_by(settings)
    variants = select_all(discover(), operation.task.name, settings)
    for variant in variants:
        check_licence(variant, settings)
        check_packages(variant)
        if not settings.model_downloads and Weights(settings).missing(variant):
            raise WeightsMissing(
                f"{variant.version} is not on this machine (kizu models pull {variant.version})"
            )
    return generation.version if generation else variants[0].version
