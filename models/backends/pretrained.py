"""Networks of transformers', loaded from a folder of files and held to what they claim to be."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from models.errors import BadWeights
from models.machine.memory import is_out_of_memory
from models.machine.torch_cpu import make_torchvision_importable

T = TypeVar("T")
_LINE: Final = 500


def load_network(auto: str, kind: str, folder: Path, dtype: Any) -> Any:
    """The network in `folder`, on the processor, by the `auto` class of transformers'; `kind` is its own.

    Raises:
        BadWeights: the files are damaged, or of another model, or some are missing.
    """
    library = _library()
    network, report = _read(
        kind,
        folder,
        lambda: getattr(library, auto).from_pretrained(
            folder, local_files_only=True, dtype=dtype, use_safetensors=True, output_loading_info=True
        ),
    )
    if type(network).__name__ != kind:
        raise BadWeights(f"{folder} holds a {type(network).__name__}, not a {kind}")
    # What a file lacks the library makes up at random, and goes on.
    lacking = sorted(map(str, (*report["missing_keys"], *report["mismatched_keys"])))
    if lacking:
        raise BadWeights(f"{folder} lacks {len(lacking)} weights of {kind}, such as {lacking[0]}"[:_LINE])
    return network.eval()


def load_processor(kind: str, folder: Path) -> Any:
    """What turns pictures and words into the input of the network in `folder`, whose class is `kind`.

    Raises:
        BadWeights: the files are damaged, or some are missing.
    """
    library = _library()
    return _read(kind, folder, lambda: library.AutoProcessor.from_pretrained(folder, local_files_only=True))


def _read(kind: str, folder: Path, read: Callable[[], T]) -> T:
    from safetensors import SafetensorError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice about defaults that we set ourselves
            return read()
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        if is_out_of_memory(error):
            raise
        raise BadWeights(f"{folder} holds no {kind}: {error}"[:_LINE]) from error


def _library() -> Any:
    make_torchvision_importable()
    import transformers

    library: Any = transformers
    library.utils.logging.disable_progress_bar()
    return library
