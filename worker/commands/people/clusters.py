"""`kizu people name`, `merge`, `split`, `hide`, `lock`, `clear` and `cluster`: words about whole persons."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import click

from worker.commands.jobs import with_connection
from worker.commands.people.asking import call, contact, faces, given, of_user, of_whom, person, tell
from worker.library.people import forget
from worker.output import as_json, say
from worker.project.connection import Connection


@click.command()
@person
@click.argument("name", required=False)
@contact
@click.option("--nobody", is_flag=True, help="Take the name away.")
@of_user
@as_json
def name(
    person: str, name: str | None, contact: UUID | None, nobody: bool, user: UUID | None, as_json: bool
) -> None:
    """Say who somebody is: a contact, by name or by id, who is added if they are not there yet."""
    if [name is not None, contact is not None, nobody].count(True) != 1:
        raise click.UsageError("say who it is by a NAME or with --contact, or take the name away by --nobody")
    tell(call("name_person", given(contact_id=contact, name=name), user=user, cluster_id=person), as_json)


@click.command()
@click.argument("into", metavar="PERSON")
@click.argument("others", metavar="OTHER...", nargs=-1, required=True)
@of_user
@as_json
def merge(into: str, others: tuple[str, ...], user: UUID | None, as_json: bool) -> None:
    """Make one person of several: PERSON, whose id and name stay."""
    tell(call("merge_people", {}, user=user, into=into, others=others), as_json)


@click.command()
@person
@faces
@click.option("--name", help="Who the other is.")
@of_user
@as_json
def split(person: str, faces: tuple[UUID, ...], name: str | None, user: UUID | None, as_json: bool) -> None:
    """Make another person of some faces of one."""
    tell(call("split_person", given(face_ids=faces, name=name), user=user, cluster_id=person), as_json)


@click.command()
@person
@click.option("--off", is_flag=True, help="List them again.")
@of_user
@as_json
def hide(person: str, off: bool, user: UUID | None, as_json: bool) -> None:
    """Neither list somebody nor ask about them."""
    tell(call("hide_person", given(hidden=not off), user=user, cluster_id=person), as_json)


@click.command()
@person
@click.option("--off", is_flag=True, help="Let them gain and lose faces again.")
@of_user
@as_json
def lock(person: str, off: bool, user: UUID | None, as_json: bool) -> None:
    """Keep somebody as they are: they gain and lose no face by themselves."""
    tell(call("lock_person", given(locked=not off), user=user, cluster_id=person), as_json)


@click.command()
@click.option("--yes", is_flag=True, help="Do it; without, only say what would be done.")
@of_user
@as_json
def clear(yes: bool, user: UUID | None, as_json: bool) -> None:
    """Forget every person without a name, and of the others every face that nobody said is theirs.

    Contacts, people that are locked and all that was said of faces stay; `kizu people cluster` finds the
    others anew.
    """
    if not yes:
        raise click.UsageError("people without a name would be forgotten, and what was recognised; add --yes")

    async def act(connection: Connection) -> dict[str, Any]:
        return await forget(connection, of_whom(connection, user))

    tell(with_connection(act), as_json)


@click.command()
@of_user
@as_json
def cluster(user: UUID | None, as_json: bool) -> None:
    """Enqueue a job that looks through the whole library for who is the same person."""
    tell(call("cluster_people", {}, user=user), as_json)
    if not as_json:
        say("a worker does it as soon as one runs; `kizu people list` then shows who was found")
