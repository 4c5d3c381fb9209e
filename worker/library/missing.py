"""Facts that photos lack: never found out, or found by another model than the settings name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from models.catalog import discover
from models.selection import select
from models.serving.remote import RemoteModels
from models.weights.store import Weights
from worker.operations.operation import Operation
from worker.project.connection import Connection
from worker.settings import Settings

PAGE: Final = 1000
"""Photos looked at per call."""


async def versions_of(operations: Iterable[Operation], settings: Settings) -> dict[str, str]:
    """Versions of the facts that the settings' models would find, by operation.

    Raises:
        ModelError: there is no such model.
    """
    models = RemoteModels(settings)
    try:
        return {
            operation.name: (await models.identity(operation.task)).version
            if operation.task
            else operation.version
            for operation in operations
        }
    finally:
        await models.close()


def without_weights(operations: Iterable[Operation], settings: Settings) -> dict[str, str]:
    """Versions of the selected models whose weights this machine lacks, by operation.

    Raises:
        ModelError: there is no such model.
    """
    catalog, weights = discover(), Weights(settings)
    selected = ((one.name, select(catalog, one.task.name, settings)[1]) for one in operations if one.task)
    return {name: variant.version for name, variant in selected if weights.missing(variant)}


async def enqueue_missing(
    connection: Connection, versions: Mapping[str, str], *, force: bool = False, dry_run: bool = False
) -> dict[str, Any]:
    """Enqueue jobs for what photos lack of `versions`, page by page.

    Answers how many photos were `looked_at`, how many were `missing` something and which of the `facts`, and
    how many jobs were `enqueued`: none for a photo that has one under way. Doing it again doubles nothing.
    """
    total = {"looked_at": 0, "missing": 0, "enqueued": 0}
    facts: Counter[str] = Counter()
    wish: dict[str, Any] = {"p_versions": versions, "p_force": force, "p_dry_run": dry_run, "p_limit": PAGE}
    after: str | None = None
    while True:
        page = await connection.rpc("enqueue_missing", {**wish, "p_after": after})
        total = {name: total[name] + page[name] for name in total}
        facts.update(page["facts"])
        after = page["next"]
        if after is None:
            return {**total, "facts": dict(facts)}
