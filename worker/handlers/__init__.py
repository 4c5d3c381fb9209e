"""One file per job kind, ending in HANDLER. For one more: a file here, a migration for its table or kind, and
`scripts/make-kinds` for the edge functions.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from worker.context import Context
from worker.core.handler import Handler, by_kind


def discover() -> dict[str, Handler[Any, Context]]:
    """Every handler of this package, by kind.

    Raises:
        ValueError: two files claim the same kind.
    """
    modules = (
        importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)
    )
    return by_kind(module.HANDLER for module in modules)
