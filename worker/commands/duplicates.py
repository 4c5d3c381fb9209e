"""`kizu duplicates`: See which photos are alike, keep the best, or say that they are no duplicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import click

from worker.commands.people.asking import call, given, of_user, paged, share, tell, tell_of_more
from worker.output import Group, as_json, print_json, print_table, say

MOST: Final = 100
"""Photos of one request, and groups of a page."""
photos = click.argument("photos", metavar="PHOTO...", nargs=-1, required=True, type=click.UUID)


@click.group(cls=Group)
def duplicates() -> None:
    """See which photos are alike, keep the best, or say that they are no duplicates.

    A photo is meant by its asset's id. A worker measures what they are compared by (`kizu jobs missing hashes
    quality embedding --yes` for photos of before), and nothing is removed by itself.
    """


@duplicates.command("list")
@click.option(
    "--kind",
    type=click.Choice(["exact", "near", "burst"]),
    help="exact: the same bytes; near: the same picture; burst: taken within seconds. Default: all.",
)
@paged(MOST)
@of_user
@as_json
def list_groups(kind: str | None, limit: int, after: Any, user: UUID | None, as_json: bool) -> None:
    """Groups of photos that are alike, the newest first, and in each the best first."""
    answer = call("list_duplicates", given(kind=kind, limit=limit, after=after), user=user)
    if as_json:
        print_json(answer)
        return
    rows = [
        {
            "group": number,
            "photo": member["file_name"] or member["path"],
            "is": "best" if member["asset_id"] == group["best"] else why(member["why"], group),
            "score": share(member["score"]),
            "size": size(member),
            "taken": (member["taken_at"] or "")[:19],
            "asset": member["asset_id"],
        }
        for number, group in enumerate(answer["groups"], 1)
        for member in group["members"]
    ]
    print_table(rows, ["group", "photo", "is", "score", "size", "taken", "asset"])
    for number, group in enumerate(answer["groups"], 1):
        most = f"{group['count']}{' and more' if group['more'] else ''}"
        tell_of_more(group, f"group {number} has {most} photos: those that follow")
    if answer["left"]:
        say(f"kizu: {answer['left']} photos have not been compared yet: ask again", err=True)
    tell_of_more(answer)


@duplicates.command()
@click.argument("keep", metavar="KEEP", type=click.UUID)
@photos
@of_user
@as_json
def resolve(keep: UUID, photos: Sequence[UUID], user: UUID | None, as_json: bool) -> None:
    """Keep one photo and remove the others, whose tags, names and places in albums go to it."""
    args = given(keep=str(keep), remove=[str(photo) for photo in photos])
    tell(call("resolve_duplicates", args, user=user), as_json)


@duplicates.command()
@click.option("--forget", is_flag=True, help="Take it back: they may be shown together again.")
@photos
@of_user
@as_json
def keep(photos: Sequence[UUID], forget: bool, user: UUID | None, as_json: bool) -> None:
    """Say that photos are no duplicates of each other: they are not shown together again."""
    args = given(asset_ids=[str(photo) for photo in photos], kept=False if forget else None)
    tell(call("keep_duplicates", args, user=user), as_json)


def why(reason: Mapping[str, Any] | None, group: Mapping[str, Any]) -> str:
    """Why a photo is in its group, in some words; the group's kind for whom the others were found by."""
    if reason is None:
        return str(group["kind"])
    return reason["kind"] if reason["kind"] == "exact" else f"{reason['kind']} {share(reason['similarity'])}"


def size(member: Mapping[str, Any]) -> str | None:
    """In pixels, where that is known."""
    return f"{member['width']}x{member['height']}" if member["width"] and member["height"] else None


COMMAND = duplicates
