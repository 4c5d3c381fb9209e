"""The library's reader, opened on verified weights and without its habits."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from models.catalog.easyocr.detector import find_words
from models.errors import BadWeights
from models.machine.memory import is_out_of_memory
from models.spec import Loading


def open_reader(loading: Loading, detector: Any = None) -> Any:
    """The library's reader, with `detector` in place of its own if one is given, looking where text may be.

    Raises:
        BadWeights: a file is none of EasyOCR's, or damaged.
    """
    with _variable("LRU_CACHE_CAPACITY"):  # it sets 1, by which torch forgets each convolution it prepared
        from easyocr import Reader

    tiny = loading.settings.model_profile == "tiny"
    paths = list(loading.files.values())
    folder = str(paths[0].parent)
    search = list(sys.path)
    try:
        # The library unpickles freely; so told, torch takes nothing but tensors from a file.
        with _checked_already(), _variable("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1"):
            reader = Reader(
                ["en"] if tiny else list(loading.settings.ocr_languages),
                gpu=False if loading.device == "cpu" else loading.device,
                model_storage_directory=folder,
                user_network_directory=folder,
                download_enabled=False,
                verbose=False,
                detector=detector is None,
                quantize=False,  # to 8 bits, by a part of torch that is about to go
            )
    except Exception as error:  # pickle, zip, torch and the library each have their own
        if is_out_of_memory(error):
            raise
        names = " or ".join(path.name for path in paths)
        raise BadWeights(f"{names} holds no weights of EasyOCR: {error}") from error
    finally:
        sys.path[:] = search  # it adds the folder, from which anything might then be imported
    if detector is not None:
        reader.detector = detector
    elif loading.device == "cpu":
        import torch

        reader.detector.to(memory_format=torch.channels_last)  # a third faster
    reader.get_textbox = find_words
    return reader


@contextmanager
def _checked_already() -> Iterator[None]:
    """While inside, the library does not compare MD5s: the files' SHA-256 has been verified."""
    import easyocr.easyocr as library

    tables = (library.detection_models, *library.recognition_models.values())
    expected = {model["filename"]: model["md5sum"] for table in tables for model in table.values()}
    theirs = library.calculate_md5
    library.calculate_md5 = lambda path: expected[Path(path).name]
    try:
        yield
    finally:
        library.calculate_md5 = theirs


@contextmanager
def _variable(name: str, value: str | None = None) -> Iterator[None]:
    """While inside, an environment variable is `value`, if one is given; afterwards what it was."""
    before = os.environ.get(name)
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before
