"""One file per fact about a picture, ending in OPERATION. For one more: a file here, a migration for its rows
and its line in the table `facts`, and `scripts/make-kinds` for the edge functions.
"""

from __future__ import annotations

import importlib
import pkgutil

from worker.operations.operation import Operation


def discover() -> dict[str, Operation]:
    """Every operation of this package, by name.

    Raises:
        ValueError: two files claim the same name.
    """
    found: dict[str, Operation] = {}
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        if module.name == Operation.__module__:
            continue
        operation: Operation = importlib.import_module(module.name).OPERATION
        if operation.name in found:
            raise ValueError(f"two operations are named {operation.name!r}")
        found[operation.name] = operation
    return found
