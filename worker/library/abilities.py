"""What this machine can find out about pictures, and what it lacks for the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from models.catalog import discover
from models.errors import ModelError, WeightsMissing
from models.selection import check_licence, check_packages, select_all
from models.weights.store import Weights
from worker.operations.operation import Operation
from worker.settings import Settings


def lacks_of(operations: Iterable[Operation], settings: Settings) -> dict[str, ModelError]:
    """Why operations cannot be done on this machine, by their names; those that can are not in it.

    Nothing is loaded, and no file is read: damaged weights pass. Weights that may be fetched are no lack.
    """
    lacks: dict[str, ModelError] = {}
    for operation in operations:
        try:
            version_here(operation, settings)
        except ModelError as error:
            lacks[operation.name] = error
    return lacks


def announced(operations: Iterable[Operation], settings: Settings) -> dict[str, Any]:
    """What the `workers` table is told: versions of facts it can find out, and codes of what is lacking."""
    facts, lacks = {}, {}
    for operation in operations:
        try:
            facts[operation.name] = version_here(operation, settings)
        except ModelError as error:
            lacks[operation.name] = error.code
    return {"facts": facts, "lacks": lacks}


def version_here(operation: Operation, settings: Settings) -> str:
    """The version of the fact that this machine would find out.

    Raises:
        ModelError: it lacks something for it.
    """
    if operation.task is None:
        return operation.version
    variants = select_all(discover(), operation.task.name, settings)
    for variant in variants:
        check_licence(variant, settings)
        check_packages(variant)
        if not settings.model_downloads and Weights(settings).missing(variant):
            raise WeightsMissing(
                f"{variant.version} is not on this machine (kizu models pull {variant.version})"
            )
    return variants[0].version
