"""Files and folders that nobody but their owner may open, whatever the umask and whoever made them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TextIO, cast


def make_folder(path: Path) -> None:
    """Make the folder if it is missing; only its owner may look into it from now on."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.stat().st_mode & 0o777
    # A group may walk through where root has let the server's (`give_to_server`).
    if found & ~0o710:
        path.chmod(found & 0o710 | 0o700)


def open_file(path: Path, mode: str = "w") -> TextIO:
    """Open a text file to write, which is made if it is missing; only its owner may read it from now on."""
    file = open(path, mode, opener=lambda name, flags: os.open(name, flags, 0o600))  # noqa: SIM115
    os.fchmod(file.fileno(), 0o600)
    return cast(TextIO, file)


def write_file(path: Path, text: str) -> None:
    with open_file(path) as file:
        file.write(text)
