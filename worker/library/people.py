"""People of a library: who is meant by an id, by its beginning or by a name, and what goes page by page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from worker.core.errors import BadParams, NotFound
from worker.project.connection import Connection
from worker.project.tables import Row

PAGE: Final = 500
"""People of one call, the most that the database answers."""
TAGGED_PAGE: Final = 200
"""Photos with tags of one call, the most that the database answers."""
MOST_NAMED: Final = 10
"""Candidates that an error names."""
BEGINNING: Final = re.compile(r"[0-9a-f-]{4,36}", re.IGNORECASE)
"""What may stand for an id that begins so: with fewer characters a name mistyped would be somebody."""


async def every_person(connection: Connection, of: Mapping[str, Any]) -> AsyncIterator[Row]:
    """Everybody as `list_people` answers them, those who are hidden last. `of`: `{"p_user": id}`."""
    for hidden in (False, True):
        args = {**of, "p_limit": PAGE, "p_hidden": hidden}
        while True:
            page = await connection.rpc("list_people", args)
            for person in page["people"]:
                yield person
            if page["next"] is None:
                break
            args = {**args, "p_after": page["next"]}


async def clusters_of(connection: Connection, wanted: Sequence[str], of: Mapping[str, Any]) -> list[UUID]:
    """The clusters of those who are meant by their ids, by a beginning of them, or by their names.

    A name goes before the beginning of an id, and one in the very letters before one in others' case.

    Raises:
        NotFound: nobody is meant by one of them.
        BadParams: more than one person is; it names them.
    """
    everybody: list[Row] | None = None
    clusters = []
    for one in wanted:
        cluster = _uuid(one)
        if cluster is None:
            if everybody is None:
                everybody = [person async for person in every_person(connection, of)]
            cluster = UUID(meant(everybody, one)["cluster_id"])
        clusters.append(cluster)
    return clusters


def meant(people: Sequence[Row], wanted: str) -> Row:
    """Whom `wanted` means, by the strictest reading that means anybody; raises as `clusters_of`."""
    for fits in (_is_called, _is_called_about, _begins):
        found = [person for person in people if fits(person, wanted)]
        if len(found) > 1:
            raise BadParams(f"{wanted!r} may be {_listed(found)}: name one by the beginning of its id")
        if found:
            return found[0]
    raise NotFound(f"nobody is called {wanted!r}, and no id begins so: `kizu people list` has everybody")


def _is_called(person: Row, wanted: str) -> bool:
    return bool(person["name"] == wanted)


def _is_called_about(person: Row, wanted: str) -> bool:
    return (person["name"] or "").casefold() == wanted.casefold()


def _begins(person: Row, wanted: str) -> bool:
    return BEGINNING.fullmatch(wanted) is not None and person["cluster_id"].startswith(wanted.lower())


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _listed(people: Sequence[Row]) -> str:
    """People in a sentence: each with its id, name and faces, the first of them where they are many."""
    said = [f"{one['cluster_id']} ({one['name'] or 'no name'}, {one['faces']} faces)" for one in people]
    more = [f"{len(said) - MOST_NAMED} more"] if len(said) > MOST_NAMED else []
    return " or ".join([*said[:MOST_NAMED], *more])


async def forget(connection: Connection, of: Mapping[str, Any]) -> dict[str, Any]:
    """Clears people, a page of faces and a verdict at a time: `verdict_ids`, and how many `faces`."""
    verdicts, faces = [], 0
    while True:
        answer = await connection.rpc("clear_people", of)
        verdicts += [answer["verdict_id"]] if answer["faces"] else []
        faces += answer["faces"]
        if not answer["more"]:
            return {"verdict_ids": verdicts, "faces": faces}


async def sync_tags(
    connection: Connection, photos: Sequence[UUID], of: Mapping[str, Any], *, apply: bool
) -> dict[str, Any]:
    """Names the faces that people's tags are about, or says what would be named; in all photos, without any.

    Answers `assets` as the database does, and the `summary` of all pages.
    """
    verb = "apply_tag_sync" if apply else "preview_tag_sync"
    args: dict[str, Any] = {**of, "p_limit": TAGGED_PAGE, **({"p_asset_ids": photos} if photos else {})}
    assets: list[Row] = []
    summary = Counter[str]()
    while True:
        page = await connection.rpc(verb, args)
        assets += page["assets"]
        summary.update(page["summary"])
        if page["next"] is None:
            return {"dry_run": not apply, "summary": dict(summary), "assets": assets}
        args = {**args, "p_after": page["next"]}
