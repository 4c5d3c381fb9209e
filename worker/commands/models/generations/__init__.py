"""`kizu models generations`: Change the model of the library: fill a new one beside the old, then flip."""

from __future__ import annotations

import click

from worker.commands.models.generations.answering import flip, rollback
from worker.commands.models.generations.compare import compare
from worker.commands.models.generations.create import create
from worker.commands.models.generations.drop import drop
from worker.commands.models.generations.list import list_generations
from worker.output import Group


@click.group(cls=Group, commands=[list_generations, create, compare, flip, rollback, drop])
def generations() -> None:
    """Change the model of the library: fill a new one beside the old, compare, flip, and go back.

    A generation is all vectors of one kind, `pictures` or `faces`, that one model made. One of each kind
    answers searches, or recognises people. They are the project's: it takes SUPABASE_SECRET_KEY.
    """
