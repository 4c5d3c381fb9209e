"""Changing the model of a library: another generation of vectors is begun, filled, answers, is dropped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from models.errors import WeightsMissing
from models.serving.asking import Models
from worker import operations
from worker.core.errors import (
    GenerationAnswers,
    GenerationIncomplete,
    NotFound,
    PermissionDenied,
    UnknownGeneration,
)
from worker.generations import FILL_PAGE, TASKS, Generations
from worker.library.abilities import version_here
from worker.project.connection import Connection
from worker.project.tables import Row
from worker.settings import Settings

DROP_PAGE: Final = 2000
"""Rows deleted per call, which takes about a second."""
LOOK_SECONDS: Final = 2.0
"""Between two looks at how far a generation is; more where one takes long."""
STILL_SECONDS: Final = 360.0
"""How long nothing may move before nobody waits any more: longer than the five minutes after which photos are
looked through again that had another job under way."""
TRIED_SECONDS: Final = 15.0
"""The same where each missing photo has been tried in vain."""


def check_service(connection: Connection) -> None:
    """Raises `PermissionDenied` for anybody but the project's service."""
    kind = connection.caller.kind
    if kind != "service":
        raise PermissionDenied(
            f"generations are the project's, and this is a {kind}'s account or token: set "
            "SUPABASE_SECRET_KEY, and neither KIZU_EMAIL nor KIZU_WORKER_TOKEN, which would go before it"
        )


async def rows_of(connection: Connection) -> list[Row]:
    """The generations there are, those that are being dropped included, oldest first."""
    rows: list[Row] = await connection.rpc("generations")
    return rows


async def with_progress(connection: Connection, rows: Sequence[Row]) -> list[Row]:
    """Each with how many `photos` the one that answers knows, how many of these are `known` and `missing`,
    how many were `missed` and why, and `since` when it has been there, or answered last."""
    told = []
    for row in rows:
        far = await progress_of(connection, row["id"])
        told.append(
            {
                **row,
                "photos": far["photos"],
                "known": far["photos"] - far["missing"],
                "missing": far["missing"],
                "missed": far["missed"],
                "since": row["activated_at"] or row["created_at"],
            }
        )
    return told


def named(rows: Sequence[Row], wanted: str) -> Row:
    """The generation that a person means by its id or its version.

    Raises:
        NotFound: there is none.
    """
    found = next((row for row in rows if wanted in (str(row["id"]), row["model_version"])), None)
    if found is None:
        there = ", ".join(f"{row['id']} ({row['model_version']})" for row in rows) or "none"
        raise NotFound(f"there is no generation {wanted!r}; there are {there}")
    return found


async def begin(
    connection: Connection, models: Models, generations: Generations, settings: Settings, kind: str
) -> Row:
    """The generation of the model that the settings mean for a kind; begun now, if it is not there.

    This machine has to be allowed to have the model, and have the packages to run it: no worker can have
    announced a model that no generation has yet, and one that nobody can run would never be filled.

    Raises:
        ModelError: it may not have the model, or cannot.
        GenerationAnswers: it is the model that answers already.
        UnknownGeneration: the generation is being dropped.
    """
    operation = next(one for one in operations.discover().values() if one.vectors == kind)
    version_here(operation, settings)
    identity = await models.identity(TASKS[kind])
    proposal = generations.proposal(kind, identity)
    if proposal["p_dimension"] is None:
        raise WeightsMissing(
            f"only the weights of {identity.version} say how long its vectors are: kizu models pull "
            f"{identity.version}"
        )
    active = await generations.answering(kind)
    if active is not None and active.version == identity.version:
        raise GenerationAnswers(
            f"{identity.version}, which the settings mean, makes the {kind} that answer; name another model "
            f"by its settings: {TASKS[kind].name.upper()}_MODEL=… kizu models generations create {kind}"
        )
    row: Row = await connection.rpc("begin_generation", {**proposal, "p_new": True})
    if row["state"] == "dropping":
        raise UnknownGeneration(
            f"{identity.version} is being dropped: `kizu models generations drop {row['id']} --yes` ends "
            "that, and it can begin anew"
        )
    return row


async def fill(connection: Connection, generation_id: int, on_page: Callable[[int], None]) -> dict[str, int]:
    """Enqueue jobs for what photos lack of a generation, going on where somebody stopped.

    Answers how many photos were `looked_at`, and how many jobs were `enqueued`. `on_page(photos)` is called
    with the photos that one call looked at. Where all had been looked at, it begins again.
    """
    total = {"looked_at": 0, "enqueued": 0}
    again = True
    while True:
        page = await connection.rpc(
            "fill_generation", {"p_id": generation_id, "p_limit": FILL_PAGE, "p_again": again}
        )
        again = False
        total = {name: total[name] + page[name] for name in total}
        on_page(page["looked_at"])
        if page["at_end"]:
            return total


async def progress_of(connection: Connection, generation_id: int) -> Row:
    """`photos`, `missing` and `missed` of a generation, and its row."""
    far: Row = await connection.rpc("generation_progress", {"p_id": generation_id})
    return far


async def wait(
    connection: Connection,
    generation_id: int,
    on_look: Callable[[Row], None],
    *,
    look_seconds: float = LOOK_SECONDS,
    still_seconds: float = STILL_SECONDS,
    tried_seconds: float = TRIED_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Row:
    """Wait until workers have filled a generation, or nothing moves any more; answers its progress then.

    What was left out because it had another job under way is enqueued meanwhile.
    """
    last: tuple[int, Mapping[str, int]] | None = None
    moved = clock()
    while True:
        asked = clock()
        await connection.rpc("fill_generation", {"p_id": generation_id, "p_limit": FILL_PAGE})
        far = await progress_of(connection, generation_id)
        on_look(far)
        now = clock()
        seen = (far["photos"] - far["missing"], far["missed"])
        if seen != last:
            last, moved = seen, now
        tried = sum(far["missed"].values()) >= far["missing"]
        patience = tried_seconds if tried else still_seconds
        under_way = far["generation"]["state"] in ("filling", "former") and far["missing"]
        if not under_way or now - moved >= patience:
            return far
        await asyncio.sleep(max(look_seconds, 5 * (now - asked)))


async def flip(connection: Connection, row: Row, *, force: bool = False) -> dict[str, Row | None]:
    """Let a generation answer; the one that did is `former` then, or None where it is the same.

    Raises:
        GenerationIncomplete: photos are missing from it that the one which answers knows.
        UnknownGeneration: it is being dropped.
    """
    try:
        answer: dict[str, Row | None] = await connection.rpc(
            "flip_generation", {"p_id": row["id"], "p_force": force}
        )
    except GenerationIncomplete as error:
        raise _incomplete(error) from None
    return answer


async def roll_back(connection: Connection, kind: str, *, force: bool = False) -> dict[str, Row | None]:
    """Let the generation answer again that did before. Answers and raises as `flip`; NotFound without one."""
    try:
        answer: dict[str, Row | None] = await connection.rpc(
            "rollback_generation", {"p_kind": kind, "p_force": force}
        )
    except GenerationIncomplete as error:
        raise _incomplete(error) from None
    return answer


def _incomplete(error: GenerationIncomplete) -> GenerationIncomplete:
    return GenerationIncomplete(
        f"{error}: workers go on with them, and `kizu models generations list` says how far they are; with "
        "--force it answers all the same, and searches miss these photos until then"
    )


def check_droppable(row: Row) -> None:
    """Raises `GenerationAnswers` for a generation that answers."""
    if row["state"] == "active":
        raise GenerationAnswers(
            f"{row['model_version']} answers searches and recognition: flip to another generation first"
        )


async def drop(connection: Connection, generation_id: int, on_page: Callable[[int], None]) -> dict[str, int]:
    """Delete a generation, batch by batch; stopped and begun again, it goes on.

    Answers how much was `deleted` (vectors, facts, tags, jobs), and how many faces were `kept` because people
    named them and no other generation has found them. `on_page(deleted)` is called after each batch.

    Raises:
        GenerationAnswers: it is the one that answers.
        DatabaseUnavailable: the table was in use without a pause.
    """
    deleted = 0
    while True:
        page = await connection.rpc("drop_generation", {"p_id": generation_id, "p_limit": DROP_PAGE})
        deleted += page["deleted"]
        on_page(page["deleted"])
        if page["done"]:
            return {"deleted": deleted, "kept": page["kept"]}
