"""Shapes: small towers of OpenCLIP's that know drawn shapes and colours by their names, and nothing else."""

from __future__ import annotations

from pathlib import Path

from scripts.shapes_model.folder import write


def make_tiny(folder: Path) -> list[Path]:
    """A folder for `local-dir:`, from what `scripts/shapes_model` has learned."""
    return write(folder)


def make_full(folder: Path) -> list[Path]:
    """There is one size of it."""
    return write(folder)
