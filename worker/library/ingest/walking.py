"""The files below folders: one folder's names at a time, so that memory does not grow with the library."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from worker.library.ingest.looking import Left, left_for

SERVICE_FOLDERS: Final = frozenset(
    (
        "@eadir",
        "@recycle",
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "system volume information",
        "lost+found",
        "__macosx",
    )
)
"""Folders of systems and disk stations, which hold thumbnails and what was thrown away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The files of one folder that may be photos, and what else is in it."""

    path: Path
    folder: str
    """Below what was named, with slashes; empty for its top."""
    names: Sequence[str] = ()
    left: Sequence[Left] = ()
    is_named: bool = False
    """Whether somebody named these very files."""


def walk(paths: Sequence[Path]) -> Iterator[Listing]:
    """Every folder below the paths, the top first; blocks. What is hidden, or a link, is not entered."""
    folders = [path for path in paths if _is_folder(path)]
    named: dict[Path, list[str]] = {}
    for path in paths:
        if path not in folders:
            named.setdefault(path.parent, []).append(path.name)
    for parent, names in named.items():
        yield Listing(path=parent, folder="", names=names, is_named=True)
    for root in folders:
        yield from _below(root)


def _below(root: Path) -> Iterator[Listing]:
    waiting = [(root, "")]
    while waiting:
        path, folder = waiting.pop()
        listing, inside = _list(path, folder)
        yield listing
        waiting += [(path / name, f"{folder}/{name}".lstrip("/")) for name in sorted(inside, reverse=True)]


def _list(path: Path, folder: str) -> tuple[Listing, list[str]]:
    """What is in one folder, and the names of the folders to go on with."""
    names: list[str] = []
    left: list[Left] = []
    inside: list[str] = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                match _kind_of(entry):
                    case "file":
                        names.append(entry.name)
                    case "folder":
                        inside.append(entry.name)
                    case Left() as unused:
                        left.append(unused)
    except OSError as error:
        left.append(left_for(path, error))
    return Listing(path=path, folder=folder, names=names, left=left), inside


def _kind_of(entry: os.DirEntry[str]) -> Literal["file", "folder"] | Left:
    path = Path(entry.path)
    if entry.name.startswith(".") or entry.name.lower() in SERVICE_FOLDERS:
        return Left(path=path, code="hidden", reason="it is hidden, or a folder of the system's")
    try:
        if entry.is_symlink():
            reason = "it is a symbolic link" if _leads_somewhere(path) else "it is a symbolic link to nothing"
            return Left(path=path, code="link", reason=reason)
        if entry.is_dir(follow_symlinks=False):
            return "folder"
        if entry.is_file(follow_symlinks=False):
            return "file"
    except OSError as error:
        return left_for(path, error)
    return Left(path=path, code="special", reason="it is a pipe, a socket or a device")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _leads_somewhere(link: Path) -> bool:
    try:
        return link.exists()
    except OSError:  # such as a loop
        return False
