"""What the worker and its model host say to each other.

Both ends are our own processes on one socket pair, which one made and the other inherited; nobody else can
open it. That is why pickles may cross. Even so only classes of `models` are taken from one, so that a
library's objects, and what they would import, stay in the host.

A message is a header (kind, number, length) and a body. The pixels of a frame are a message of their own, as
they are, and pickles refer to them by number.
"""

from __future__ import annotations

import builtins
import io
import pickle
import struct
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, Final, Protocol

from models.frame import Frame

HEADER: Final = struct.Struct("!BQQ")
SIZE: Final = struct.Struct("!II")
"""Width and height, before the pixels of a frame."""
PLAIN: Final = ("bytearray", "complex", "frozenset", "range", "set")
"""Builtins that pickles name."""


class Kind(IntEnum):
    """What a message is; its number is that of the request or, for FRAME and DROP, of the frame."""

    # To the host.
    ASK = 1
    """Pickled: a verb and its arguments."""
    CANCEL = 2
    FRAME = 3
    DROP = 4
    # From the host.
    ANSWER = 5
    ERROR = 6
    LOG = 7
    """Pickled: level, event and fields."""
    IDLE = 8
    """Pickled: the metrics so far. Nothing is loaded: the host may be ended."""


class _Writable(Protocol):
    def write(self, data: bytes, /) -> object: ...


class _Pickler(pickle.Pickler):
    def __init__(self, file: _Writable, number_of: Callable[[Frame], int]) -> None:
        super().__init__(file, protocol=5)
        self._number_of = number_of

    def persistent_id(self, obj: Any) -> int | None:
        return self._number_of(obj) if type(obj) is Frame else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, frames: Mapping[int, Frame]) -> None:
        super().__init__(file)
        self._frames = frames

    def persistent_load(self, pid: Any) -> Frame:
        return self._frames[pid]

    def find_class(self, module: str, name: str) -> Any:
        if module == "builtins" and name in PLAIN:
            return getattr(builtins, name)
        if module.partition(".")[0] == "models" and "." not in name:
            found = super().find_class(module, name)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise pickle.UnpicklingError(f"{module}.{name} may not pass between processes")


def packed(value: Any, number_of: Callable[[Frame], int]) -> bytes:
    """`value` as bytes, its frames as the numbers that `number_of` gives them."""
    file = io.BytesIO()
    _Pickler(file, number_of).dump(value)
    return file.getvalue()


def unpacked(data: bytes, frames: Mapping[int, Frame]) -> Any:
    """Raises `pickle.UnpicklingError` for anything but plain values and classes of `models`."""
    return _Unpickler(io.BytesIO(data), frames).load()


def no_frame(_frame: Frame) -> int:
    raise pickle.PicklingError("a frame goes to the host only")
