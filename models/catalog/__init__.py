"""One file per model, ending in SPEC. For one more: a file here.

A catalog file imports nothing heavy outside `load`, so that listing models costs nothing, and nothing of the
other files or of the worker.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable

from models.spec import AnySpec


def discover() -> tuple[AnySpec, ...]:
    """Every model of this package, by the name of its file.

    Raises:
        ValueError: two files claim the same task and name.
    """
    modules = (
        importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)
    )
    return distinct(module.SPEC for module in modules)


def distinct(specs: Iterable[AnySpec]) -> tuple[AnySpec, ...]:
    """Check that no two specs go by the same task and name, and answer them."""
    known: dict[tuple[str, str], AnySpec] = {}
    for spec in specs:
        key = (spec.task.name, spec.name)
        if key in known:
            raise ValueError(f"two models of the catalog are called {spec.name!r} for the task {key[0]!r}")
        known[key] = spec
    return tuple(known.values())
