"""Weights out of a checkpoint of torch's older format, without torch, and without running what the file says.

Until version 1.6 `torch.save` wrote five pickles (a magic number, the format's version, how the machine
stores numbers, the state dict, the keys of its storages) and behind them, key by key, a count and numbers.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from models.errors import BadWeights

if TYPE_CHECKING:
    import numpy.typing as npt

    Weights: TypeAlias = Mapping[str, npt.NDArray[Any]]

_MAGIC: Final = 0x1950A86A20F9469CFC6C
_TYPES: Final = {"FloatStorage": "<f4", "LongStorage": "<i8"}


class _Tensor(NamedTuple):
    """What the pickle says of a tensor, whose numbers come later in the file."""

    storage: tuple[str, str, str, str, int, None]
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Unpickler(pickle.Unpickler):
    """Knows the three names that a state dict is made of, of which none does anything."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: _Tensor(storage, offset, shape, strides)
        if module == "torch" and name in _TYPES:
            return name
        raise pickle.UnpicklingError(f"{module}.{name} is nothing that weights are made of")

    def persistent_load(self, pid: Any) -> Any:
        return pid


def read_weights(path: Path) -> Weights:
    """The tensors of a state dict by name.

    Raises:
        BadWeights: the file is none of this kind, or is damaged.
    """
    try:
        with path.open("rb") as file:
            magic, version, machine, tensors = (_Unpickler(file).load() for _ in range(4))
            if (magic, version, machine["little_endian"]) != (_MAGIC, 1001, True):
                raise BadWeights(f"{path.name} is no checkpoint of torch's older format")
            keys = _Unpickler(file).load()
            known = {tensor.storage[2]: tensor.storage for tensor in tensors.values()}
            storages = {key: _read_storage(file, known[key]) for key in keys}
        return {name: _view(tensor, storages[tensor.storage[2]]) for name, tensor in tensors.items()}
    except BadWeights:
        raise
    except Exception as error:  # a pickle that means no good can fail in any way
        raise BadWeights(f"{path.name} holds no weights that can be read: {error}") from error


def _read_storage(file: IO[bytes], storage: Sequence[Any]) -> npt.NDArray[Any]:
    import numpy as np

    kind, count = np.dtype(_TYPES[storage[1]]), storage[4]
    if int.from_bytes(file.read(8), "little") != count:
        raise BadWeights("a tensor has not as many numbers as was announced")
    numbers = np.frombuffer(file.read(count * kind.itemsize), kind)
    if len(numbers) != count:
        raise BadWeights("the file ends before its weights do")
    return numbers


def _view(tensor: _Tensor, numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The tensor in its storage, of which it need not be all, nor in order."""
    import numpy as np

    shape, strides = tensor.shape, tensor.strides
    last = tensor.offset + sum((side - 1) * step for side, step in zip(shape, strides, strict=True))
    if min((tensor.offset, *shape, *strides)) < 0 or last >= len(numbers):
        raise BadWeights("a tensor reaches beyond its numbers")
    steps = [step * numbers.itemsize for step in strides]
    return np.lib.stride_tricks.as_strided(numbers[tensor.offset :], shape, steps, writeable=False)
