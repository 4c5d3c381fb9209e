"""`kizu models`: The models that look at pictures: list them, get their weights, check them."""

from __future__ import annotations

import click

from worker.commands.models.check import check
from worker.commands.models.export import export
from worker.commands.models.generations import generations
from worker.commands.models.list import list_models
from worker.commands.models.pull import pull
from worker.commands.models.trust import trust
from worker.output import Group


@click.group(cls=Group, commands=[list_models, pull, check, export, trust, generations])
def models() -> None:
    """The models that look at pictures: list them, get their weights, check them."""


COMMAND = models
