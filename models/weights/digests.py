"""SHA-256 of large files, computed once; and the files a person has vouched for."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

TRUSTED = "trusted.json"
"""In the cache folder: a name for every digest that `kizu models trust` was given."""


def digest_of(path: Path, *, anew: bool = False) -> str:
    """The SHA-256 of a file in hexadecimal; it is read again if `anew`, or if its size or time changed.

    What was computed is kept beside the file, where that folder can be written.
    """
    note, state = read_note(note_of(path)), _state(path)
    if not anew and "sha256" in note and {key: note.get(key) for key in state} == state:
        return str(note["sha256"])
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    known = {**note, **state, "sha256": found}
    if known != note:
        write_note(note_of(path), known)
    return found


def has_digest(path: Path) -> bool:
    """Whether `digest_of` would answer without reading the file."""
    note, state = read_note(note_of(path)), _state(path)
    return "sha256" in note and {key: note.get(key) for key in state} == state


def remember(path: Path, digest: str) -> None:
    """Note the digest of a file just fetched; the first one noted for a path stays, and counts later."""
    write_note(note_of(path), {"first": digest, **read_note(note_of(path)), **_state(path), "sha256": digest})


def first_digest(path: Path) -> str | None:
    """The digest of what was first fetched as `path`, if anything; it outlives the file."""
    first = read_note(note_of(path)).get("first")
    return first if isinstance(first, str) else None


def trust(cache: Path, path: Path) -> str:
    """Vouch for the content that a file has now; answers its digest."""
    digest = digest_of(path, anew=True)
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f".{TRUSTED}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _replace(cache / TRUSTED, {**read_note(cache / TRUSTED), digest: path.name})
    return digest


def is_trusted(cache: Path, digest: str) -> bool:
    return digest in read_note(cache / TRUSTED)


def note_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.sha256")


def read_note(path: Path) -> dict[str, Any]:
    """The JSON object in a note; empty where there is none, or a damaged one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def write_note(path: Path, note: Mapping[str, Any]) -> None:
    """Write a note if the cache can be written to; otherwise digests are found out each time."""
    with suppress(OSError):
        _replace(path, note)


def _state(path: Path) -> dict[str, int]:
    stat = path.stat()
    return {"size": stat.st_size, "changed": stat.st_mtime_ns}


def _replace(path: Path, content: Mapping[str, Any]) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_text(json.dumps(content, indent=1), encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
