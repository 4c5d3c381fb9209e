"""`kizu people sync`: people's own tags name the faces that they are about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import click

from worker.commands.jobs import with_connection
from worker.commands.people.asking import of_user, of_whom, share
from worker.library.people import sync_tags
from worker.output import as_json, print_json, print_table, say
from worker.project.connection import Connection

SHOWN = ("link", "weak", "conflict", "skipped")
"""What became of a tag, where there is something to do or to look at."""


@click.command()
@click.argument("photos", metavar="[PHOTO]...", nargs=-1, type=click.UUID)
@click.option("--yes", is_flag=True, help="Do it; without, only say what would be done.")
@of_user
@as_json
def sync(photos: Sequence[UUID], yes: bool, user: UUID | None, as_json: bool) -> None:
    """Name the faces that people's own tags are about, in all photos or in those that are named.

    A tag is a contact and a box around them: the face that has most in common with the box (an overlap of 0.3
    or more) is theirs. What is `weak`, has less in common; a `conflict` says something else than people said
    of the face; what is `skipped` has a box that means no part of the photo.
    """

    async def act(connection: Connection) -> dict[str, Any]:
        return await sync_tags(connection, photos, of_whom(connection, user), apply=yes)

    answer = with_connection(act)
    if as_json:
        print_json(answer)
        return
    rows = [
        {**tag, "photo": asset["asset_id"], "face": tag["face_id"], "overlap": share(tag["overlap"])}
        for asset in answer["assets"]
        for tag in asset["tags"]
        if tag["status"] in SHOWN
    ]
    if rows:
        print_table(rows, ["photo", "name", "face", "overlap", "status", "why"])
    summary = answer["summary"]
    say(
        f"{summary['link']} of {summary['tags']} tags {'named' if yes else 'would name'} a face"
        f"{'' if yes else '; add --yes'}; {summary['linked']} did before, {summary['no_face']} are about none"
    )
