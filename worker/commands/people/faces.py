"""`kizu people assign`, `exclude`, `remove` and `mark`: words about single faces."""

from __future__ import annotations

from uuid import UUID

import click

from worker.commands.people.asking import call, contact, faces, given, of_user, tell
from worker.output import as_json

MARKS = {"ignored": "ignored", "not-a-face": "not_a_face", "none": None}


@click.command()
@faces
@click.option("--name", help="A contact by name, who is added if they are not there yet.")
@contact
@of_user
@as_json
def assign(
    faces: tuple[UUID, ...], name: str | None, contact: UUID | None, user: UUID | None, as_json: bool
) -> None:
    """Say who faces are."""
    if (name is None) == (contact is None):
        raise click.UsageError("say who they are, with --name or --contact; `exclude` says who they are not")
    tell(call("assign_faces", given(face_ids=faces, contact_id=contact, name=name), user=user), as_json)


@click.command()
@faces
@click.option("--person", help="Whom they are not.")
@contact
@of_user
@as_json
def exclude(
    faces: tuple[UUID, ...], person: str | None, contact: UUID | None, user: UUID | None, as_json: bool
) -> None:
    """Say who faces are not; they are never taken for them again."""
    if (person is None) == (contact is None):
        raise click.UsageError("say who they are not, with --person or --contact")
    args = given(face_ids=faces, contact_id=contact)
    tell(call("exclude_faces", args, user=user, cluster_id=person), as_json)


@click.command()
@faces
@of_user
@as_json
def remove(faces: tuple[UUID, ...], user: UUID | None, as_json: bool) -> None:
    """Take faces out of the person they are with, and keep them out."""
    tell(call("remove_faces", given(face_ids=faces), user=user), as_json)


@click.command()
@click.argument("mark", type=click.Choice(list(MARKS)))
@faces
@of_user
@as_json
def mark(mark: str, faces: tuple[UUID, ...], user: UUID | None, as_json: bool) -> None:
    """Say of faces that they are none, or of nobody who matters; `none` takes that back.

    Such a face is with no person, is recognised as nobody, and nothing is asked about it.
    """
    tell(call("mark_faces", {**given(face_ids=faces), "p_mark": MARKS[mark]}, user=user), as_json)
