"""`python -m scripts.shapes_model`: learn it again, in some minutes on two cores."""

from __future__ import annotations

from pathlib import Path

import click

from models.machine.quiet import silence
from models.machine.torch_cpu import make_torchvision_importable
from scripts.shapes_model.folder import LEARNED


@click.command()
@click.argument("learned", type=click.Path(path_type=Path, dir_okay=False), default=LEARNED)
@click.option(
    "--steps", type=click.IntRange(1), help="Batches; default: as many as the file here was made of."
)
@click.option("--cache", type=click.Path(path_type=Path), default=Path(".kizu"), help="For the libraries.")
def main(learned: Path, steps: int | None, cache: Path) -> None:
    """Train on drawn shapes and write LEARNED; the same machine writes the same bytes."""
    silence(cache)
    make_torchvision_importable()
    from scripts.shapes_model.training import STEPS, train

    train(learned, steps=steps or STEPS, told=click.echo)


if __name__ == "__main__":
    main()
