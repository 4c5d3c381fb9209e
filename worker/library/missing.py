"""Facts that photos lack: never found out, or found by another model than is used."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from models.catalog import discover
from models.errors import ModelError
from models.selection import select_all
from models.serving.asking import Models
from models.weights.store import Weights
from worker.generations import Generations
from worker.operations.operation import Operation
from worker.project.connection import Connection
from worker.settings import Settings

PAGE: Final = 1000
"""Photos looked at per call."""


async def versions_of(
    operations: Iterable[Operation], models: Models, generations: Generations
) -> dict[str, str]:
    """The versions of facts to find out, by operation: of the generation of vectors that answers, where there
    is one, else of the models that the settings mean.

    Raises:
        ModelError: there is no such model.
    """
    versions = {}
    for operation in operations:
        active = await generations.answering(operation.vectors) if operation.vectors else None
        if active is not None:
            versions[operation.name] = active.version
        elif operation.task is not None:
            versions[operation.name] = (await models.identity(operation.task)).version
        else:
            versions[operation.name] = operation.version
    return versions


def without_weights(operations: Iterable[Operation], settings: Settings) -> dict[str, str]:
    """Versions of the selected models whose weights this machine lacks, by operation.

    Raises:
        ModelError: there is no such model.
    """
    catalog, weights = discover(), Weights(settings)
    selected = {one.name: select_all(catalog, one.task.name, settings) for one in operations if one.task}
    return {
        name: variants[0].version
        for name, variants in selected.items()
        if any(weights.missing(variant) for variant in variants)
    }


async def enqueue_missing(
    connection: Connection, versions: Mapping[str, str], *, force: bool = False, dry_run: bool = False
) -> dict[str, Any]:
    """Enqueue jobs for what photos lack of `versions`, page by page.

    Answers how many photos were `looked_at`, how many were `missing` something and which of the `facts`, how
    many of these are `left` alone and why, and how many jobs were `enqueued`: none for a photo that has one
    under way. Doing it again doubles nothing.
    """
    total = {"looked_at": 0, "missing": 0, "enqueued": 0}
    facts: Counter[str] = Counter()
    left: defaultdict[str, Counter[str]] = defaultdict(Counter)
    wish: dict[str, Any] = {"p_versions": versions, "p_force": force, "p_dry_run": dry_run, "p_limit": PAGE}
    after: str | None = None
    while True:
        page = await connection.rpc("enqueue_missing", {**wish, "p_after": after})
        total = {name: total[name] + page[name] for name in total}
        facts.update(page["facts"])
        for fact, reasons in page["left"].items():
            left[fact].update(reasons)
        after = page["next"]
        if after is None:
            return {**total, "facts": dict(facts), "left": {fact: dict(left[fact]) for fact in sorted(left)}}


async def enqueue_what_can_be_found(
    connection: Connection,
    versions: Mapping[str, str],
    lacks: Mapping[str, ModelError],
    *,
    force: bool = False,
    dry_run: bool = False,
) -> dict[str, Any]:
    """As `enqueue_missing`, but what this machine `lacks` is left alone where no worker announced it.

    The answer's `lacking` says, by operation, which and why; with `force` it is enqueued all the same.
    """
    elsewhere: Mapping[str, Sequence[str]] = await connection.rpc("announced_facts") if lacks else {}
    lacking = {name: error for name, error in lacks.items() if versions[name] not in elsewhere.get(name, ())}
    if not lacking:
        return {**await enqueue_missing(connection, versions, force=force, dry_run=dry_run), "lacking": {}}
    named = {name: {"code": error.code, "message": str(error)} for name, error in lacking.items()}
    if force:
        return {**await enqueue_missing(connection, versions, force=True, dry_run=dry_run), "lacking": named}
    total = await enqueue_missing(connection, versions, dry_run=True)
    for name, error in lacking.items():
        if total["facts"].get(name):
            total["left"][name] = {error.code: total["facts"][name]}
    found = {name: version for name, version in versions.items() if name not in lacking}
    if found and not dry_run:
        total["enqueued"] = (await enqueue_missing(connection, found))["enqueued"]
    return {**total, "lacking": named}
