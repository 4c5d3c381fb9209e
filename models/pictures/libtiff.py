"""Keeps libtiff from writing to standard error, which belongs to the log."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from functools import cache

from PIL import Image

_HANDLERS = ("TIFFSetErrorHandler", "TIFFSetWarningHandler")


@cache
def silence_libtiff() -> None:
    """Take from libtiff the handlers that print, for good; what went wrong, Pillow raises.

    Pillow (13.0) unsets the one for warnings and leaves the one for errors. They are one for the process, so
    nothing is left to race for; turning descriptor 2 away for each decoding would take lines of other threads
    along. The library is found through Pillow's module, which is linked to it, because a wheel brings its own
    under a name of no use. Does nothing where that cannot be asked so.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(Image.core.__file__)  # type: ignore[attr-defined]
        for name in _HANDLERS:
            handler = getattr(library, name)
            handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            handler(None)
