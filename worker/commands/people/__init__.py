"""`kizu people`: See who is in the photos, say who they are, and take it back."""

from __future__ import annotations

import click

from worker.commands.people.clusters import clear, cluster, hide, lock, merge, name, split
from worker.commands.people.faces import assign, exclude, mark, remove
from worker.commands.people.looking import list_people, show
from worker.commands.people.tags import sync
from worker.commands.people.verdicts import answer, history, questions, undo
from worker.output import Group

WORDS = [
    *(list_people, show, questions, answer, history, undo),
    *(name, merge, split, hide, lock),
    *(assign, exclude, remove, mark),
    *(sync, cluster, clear),
]


@click.group(cls=Group, commands=WORDS)
def people() -> None:
    """See who is in the photos, say who they are, and take it back.

    A person is a cluster of faces, meant by its id, by a beginning of it of at least four characters, or by
    name. A face is meant by its id. What is said of either lasts until `kizu people undo`, whatever is
    clustered or recognised anew, and by whichever model.
    """


COMMAND = people
