"""`kizu models trust`: a person vouches for a file of weights."""

from __future__ import annotations

from pathlib import Path

import click

from models.weights.store import Weights
from worker.output import as_json, print_json, say
from worker.settings import read_settings


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path))
@as_json
def trust(file: Path, as_json: bool) -> None:
    """Vouch for a file of weights, so that it is used although nobody else knows what is in it.

    A pickled file runs code when it is loaded: vouch for what you made, or got from someone you trust.
    """
    if not file.is_file():
        raise click.UsageError(f"{file} is no regular file")
    try:
        digest = Weights(read_settings()).trust(file)
    except OSError as error:
        raise click.UsageError(f"{file} cannot be vouched for: {error.strerror or error}") from error
    if as_json:
        print_json({"file": str(file), "sha256": digest})
    else:
        say(f"{file} is trusted as long as its SHA-256 is {digest}")
