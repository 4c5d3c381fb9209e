"""Graphs exported from weights, kept below the cache folder and made once."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import structlog

from models.digests import digest_of
from models.spec import Loading

log = structlog.get_logger()

FOLDER: Final = "graphs"
_ABANDONED_SECONDS: Final = 3600.0
"""No export takes so long: what an older one left behind was left by a process that was killed."""


def exported(loading: Loading, name: str, libraries: Sequence[str], write: Callable[[Path], None]) -> Path:
    """The folder with what `write` put into the one it was given, now or when it was first asked for.

    It is kept by the digest of the weights and the versions of this package and of the `libraries` that wrote
    it; the folders of older versions may be deleted. Two processes may write at once: the first to be done
    wins.

    Raises:
        OSError: the cache cannot be written.
    """
    folder = loading.settings.model_cache_dir.absolute() / FOLDER / f"{name}-{_key(loading, libraries)}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    started = time.monotonic()
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        write(part)
        part.chmod(0o755)
        _put(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    log.info("graph exported", model=loading.variant.version, seconds=round(time.monotonic() - started, 1))
    return folder


def _put(part: Path, folder: Path) -> None:
    try:
        part.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was faster
            raise


def _key(loading: Loading, libraries: Sequence[str]) -> str:
    digests = loading.digest or "\n".join(digest_of(path) for path in loading.files.values())
    made_by = " ".join(f"{library} {_version(library)}" for library in ("kizu-worker", *libraries))
    return hashlib.sha256(f"{digests}\n{made_by}".encode()).hexdigest()[:16]


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def _sweep(folder: Path) -> None:
    for part in folder.glob(".*.part"):
        with suppress(OSError):
            if time.time() - part.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(part, ignore_errors=True)
