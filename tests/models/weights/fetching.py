"""One file to fetch, and what is left of it."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import httpx

from models.weights.download import Wanted, fetch

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def wanted(folder: Path, **known: Any) -> Wanted:
    return Wanted(
        **{
            "target": folder / "weights" / "model.bin",
            "member": None,
            "sha256": SHA256,
            "size": None,
            **known,
        }
    )


def get(url: str, file: Wanted, client: httpx.Client, progress: Any = lambda *_: None) -> dict[Path, str]:
    return fetch(url, [file], progress, client=client, pause=0.001)


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def packed(*members: tuple[str, bytes], way: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", way) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(*members: tuple[str | tarfile.TarInfo, bytes]) -> bytes:
    """A gzipped tar; a member is a name, or a header of any kind."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for header, content in members:
            if isinstance(header, str):
                header = tarfile.TarInfo(header)
                header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return buffer.getvalue()
