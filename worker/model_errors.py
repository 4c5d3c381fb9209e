"""What `models` says of bytes that do not become a picture, in the words of jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from models.errors import ImageError
from worker.core.errors import JobError, NotAnImage, TooLarge, Unreadable, UnsupportedFormat

NAMED: Final[Mapping[str, type[JobError]]] = {
    error.code: error for error in (NotAnImage, TooLarge, Unreadable, UnsupportedFormat)
}


@contextmanager
def named_errors() -> Iterator[None]:
    """Raises NotAnImage, TooLarge, Unreadable or UnsupportedFormat of ours for theirs."""
    try:
        yield
    except ImageError as error:
        raise NAMED[error.code](str(error)) from error
