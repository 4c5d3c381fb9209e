"""`scripts/make-test-models`: checkpoints that the models' own loaders take for real ones."""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import importlib.metadata
import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from models.catalog import discover
from models.machine.quiet import silence
from models.machine.torch_cpu import make_torchvision_importable
from models.settings import ModelSettings
from models.weights.store import Weights

MAKERS = (
    "openclip",
    "conse",
    "shapes",
    "yolo",
    "d_fine",
    "easyocr",
    "florence2",
    "blip2",
    "llava",
    "insightface",
    "centernet",
    "dlib",
)
LIBRARIES = ("easyocr", "onnx", "open-clip-torch", "tokenizers", "torch", "transformers", "ultralytics")
"""A new version of one may write other files."""


@click.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--full", is_flag=True, help="The full-size architectures, for benchmarks; keeps what is there."
)
@click.option("--only", type=click.Choice(MAKERS), multiple=True, help="Only this model; may be repeated.")
def main(out: Path, full: bool, only: tuple[str, ...]) -> None:
    """Write seeded test models into OUT, a MODEL_CACHE_DIR: tiny ones below `tiny`, unless --full.

    The same libraries write the same bytes. What is there already is left alone, unless it is what an older
    version of this program wrote.
    """
    out = out.absolute()
    root = out if full else out / "tiny"
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".making").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # whoever comes second finds everything made
        for name in only or MAKERS:
            _make(name, out, root, full)
    if full and not only:
        _check(out)


def _make(name: str, out: Path, root: Path, full: bool) -> None:
    folder = root / name
    stamp, wanted = folder / ".made", _state(name)
    known = _read(stamp)
    ours = [folder / file for file, mark in known["files"].items() if _mark(folder / file) == mark]
    if known["of"] == wanted and len(ours) == len(known["files"]):
        return
    for path in ours:
        path.unlink()
    silence(out)
    logging.getLogger().setLevel(logging.ERROR)  # OpenCLIP warns of what is meant: no weights were loaded
    make_torchvision_importable()
    started = time.perf_counter()
    maker = importlib.import_module(f"scripts.test_models.{name}")
    make: Callable[[Path], list[Path]] = maker.make_full if full else maker.make_tiny
    folder.mkdir(parents=True, exist_ok=True)
    made = make(folder)
    weights = Weights(ModelSettings(model_cache_dir=out, model_downloads=False))
    for path in made:
        if full or path.suffix in (".pt", ".pth"):  # full ones are called as released ones, and are not those
            weights.trust(path)
    files = {str(path.relative_to(folder)): _mark(path) for path in made}
    stamp.write_text(json.dumps({"of": wanted, "files": files}))
    size = sum(path.stat().st_size for path in made) / 1e6
    click.echo(f"{name}: {len(made)} files, {size:.1f} MB, {time.perf_counter() - started:.1f} s", err=True)


def _read(stamp: Path) -> dict[str, Any]:
    known = json.loads(stamp.read_text()) if stamp.is_file() else {}
    if not isinstance(known.get("files"), dict):  # none, or an older one
        return {"of": None, "files": {}}
    return known


def _mark(path: Path) -> list[int] | None:
    """Tells whether a file is still the one that was written."""
    return [path.stat().st_size, path.stat().st_mtime_ns] if path.is_file() else None


def _check(out: Path) -> None:
    """Does the catalog find what it needs?"""
    settings = ModelSettings(model_profile="best", model_cache_dir=out, model_downloads=False)
    variants = [spec.select(settings) for spec in discover() if spec.profile != "named"]
    lacking = [file.path for variant in variants for file in Weights(settings).missing(variant)]
    if lacking:
        raise click.ClickException(f"the catalog wants more than was made: {', '.join(lacking)}")


def _state(name: str) -> dict[str, str]:
    """What the files of a model depend on."""
    sources = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        sources.update(path.read_bytes())
    return {"sources": sources.hexdigest(), **{lib: importlib.metadata.version(lib) for lib in LIBRARIES}}


if __name__ == "__main__":
    os.umask(0o022)
    main()
