"""Writing what a model is made of, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

SEED: Final = 20261121


def write_new(path: Path, write: Callable[[Path], object]) -> list[Path]:
    """Let `write` make `path`, unless it exists; answers the paths it made."""
    if path.exists():
        return []
    part = path.with_name(f"new-{path.name}")
    write(part)
    part.replace(path)
    return [path]
